"""Operations that fail."""

from __future__ import annotations

import logging

import pytest

from simplemem_service.errors import EmbeddingError, NotFoundError, StorageUnavailableError
from simplemem_service.ingest.attempts import Attempts
from simplemem_service.models.operation import JournaledOperation, OperationState
from simplemem_service.telemetry import Metrics
from tests.support.entries import make_operation

ACCEPTED = JournaledOperation("operation-1", make_operation(["hello"]))


def test_a_caller_s_mistake_is_told_to_the_caller_and_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    with caplog.at_level(logging.INFO, "simplemem_service"):
        result = Attempts(metrics).fail(ACCEPTED, NotFoundError("entry 'x' does not exist"))
    assert (result.state, result.error) == (OperationState.FAILED, "entry 'x' does not exist")
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("INFO", None)]
    assert metrics.failed_operations_total._value.get() == 0


def test_a_failure_of_ours_is_logged_with_its_trace_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    result = Attempts(metrics).fail(ACCEPTED, EmbeddingError("the network is broken"))
    assert result.state is OperationState.FAILED
    assert [(record.levelname, record.exc_info is not None) for record in caplog.records] == [("ERROR", True)]
    assert metrics.failed_operations_total._value.get() == 1


def test_what_may_pass_is_raised_again() -> None:
    with pytest.raises(StorageUnavailableError):
        Attempts(Metrics()).fail(ACCEPTED, StorageUnavailableError("the bucket does not answer"))
