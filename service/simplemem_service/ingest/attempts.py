"""When an operation that fails is tried again, and when it has failed for good."""

from __future__ import annotations

import logging

from simplemem_service import constants
from simplemem_service.errors import ConflictError, InvalidInputError, NotFoundError, PermanentError, TransientError
from simplemem_service.health import describe
from simplemem_service.models.operation import JournaledOperation, OperationResult, OperationState
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

CALLERS_MISTAKES = (ConflictError, InvalidInputError, NotFoundError)
"""What only another request can mend, such as an edit of an entry that is gone: told to the caller, no failure here."""


class Attempts:
    """Counts the tries of operations that fail.

    Parameters
    ----------
    metrics
        Where failures are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._counts: dict[str, int] = {}

    def fail(self, accepted: JournaledOperation, error: Exception) -> OperationResult:
        """The end of an operation; raises the error again while another try may help."""
        if isinstance(error, TransientError):
            raise error
        operation_id = accepted.operation_id
        attempts = self._counts[operation_id] = self._counts.get(operation_id, 0) + 1
        if not isinstance(error, PermanentError) and attempts < constants.MAX_ATTEMPTS:
            raise error
        del self._counts[operation_id]
        operation = accepted.operation
        fields = {"operation": operation_id, "kind": operation.kind, "attempts": attempts, "error": describe(error)}
        if isinstance(error, CALLERS_MISTAKES):
            logger.info("operation refused", extra=fields)
        else:
            logger.error("operation failed; what it gave stays in the journal", exc_info=error, extra=fields)
            self._metrics.failed_operations_total.inc()
        return OperationResult(
            OperationState.FAILED, turns=len(operation.turns), error=describe(error), kind=operation.kind
        )
