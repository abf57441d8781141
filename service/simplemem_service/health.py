"""What a pod knows of its own condition; the operator reads it from /readyz and sets conditions by its reasons."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from simplemem_api.conditions import STARTING, Reason
from simplemem_service.errors import (
    EmbeddingUnavailableError,
    IdentityMismatchError,
    ModelNotFoundError,
    ServiceError,
    StorageUnavailableError,
)


@dataclass(frozen=True, slots=True)
class Check:
    """State of one part."""

    ok: bool
    """Whether it does its work."""
    reason: Reason
    """Why, for programs."""
    message: str
    """Why, for people."""


UNKNOWN = Check(ok=False, reason=Reason.RECONCILING, message=STARTING)
"""State of a part of which nothing has been heard."""


class Health:
    """The checks of a pod.

    Parameters
    ----------
    required
        Parts without which the pod is not ready.
    informative
        Parts that are shown beside them: a pod that cannot ingest can still answer questions.
    """

    def __init__(self, required: tuple[str, ...], informative: tuple[str, ...] = ()) -> None:
        self._required = required
        self.checks = dict.fromkeys((*required, *informative), UNKNOWN)
        self.is_open = False
        """Whether the first start is over; from then on requests are tried even while a check fails."""
        self.is_draining = False
        """Whether the process is ending."""

    @property
    def is_ready(self) -> bool:
        """Whether requests should come here."""
        return self.is_open and not self.is_draining and all(self.checks[name].ok for name in self._required)

    def add(self, name: str) -> None:
        """Show one more part, which readiness does not depend on."""
        self.checks.setdefault(name, UNKNOWN)

    def succeed(self, name: str, reason: Reason, message: str = "") -> bool:
        """Note that a part works; True if it did not before."""
        return self._note(name, Check(ok=True, reason=reason, message=message))

    def fail(self, name: str, reason: Reason, message: str) -> bool:
        """Note that a part does not work; True if that is news."""
        return self._note(name, Check(ok=False, reason=reason, message=message))

    def report(self) -> dict[str, Any]:
        """The body of /readyz."""
        return {"ready": self.is_ready, "checks": {name: asdict(check) for name, check in self.checks.items()}}

    def explain(self) -> str:
        """Why the pod is not ready, in one line."""
        failing = (name for name in self._required if not self.checks[name].ok)
        return "; ".join(f"{name}: {self.checks[name].message}" for name in failing) or "shutting down"

    def _note(self, name: str, check: Check) -> bool:
        if name not in self.checks:
            return False
        before = self.checks[name]
        self.checks[name] = check
        return (before.ok, before.message) != (check.ok, check.message)


def storage_reason(*, is_bucket: bool) -> Reason:
    """The reason of a storage that refuses."""
    return Reason.BUCKET_REFUSED if is_bucket else Reason.STORAGE_UNWRITABLE


def failure_reason(error: Exception, *, is_bucket: bool) -> Reason:
    """The reason that an error stands for."""
    if isinstance(error, StorageUnavailableError):
        return storage_reason(is_bucket=is_bucket)
    if isinstance(error, IdentityMismatchError):
        return Reason.MODEL_MISMATCH
    if isinstance(error, ModelNotFoundError):
        return Reason.MODEL_NOT_FOUND
    if isinstance(error, EmbeddingUnavailableError):
        return Reason.EMBEDDING_API_FAILING
    return Reason.RECONCILING


def describe(error: Exception) -> str:
    """An error as a message: our own as they are, others with their kind."""
    return str(error) if isinstance(error, ServiceError) else f"{type(error).__name__}: {error}"[:256]
