"""What the status says of backups, by the word of the pod that writes and by the CronJob's runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from simplemem_operator.backups import judge_backup, last_backup_time
from simplemem_operator.models.observed import Observed, PodHealth, SecretState
from tests.support.stores import make_store

ASKED: dict[str, Any] = {"backup": {"s3": {"bucket": "copies", "credentialsSecretName": "copies-keys"}}}
COPIED = int(datetime(2026, 3, 1, 3, 1, tzinfo=UTC).timestamp())


def pod(reason: str = "", message: str = "m", copied: int = 0) -> PodHealth:
    checks = {"backup": {"ok": reason == "BackedUp", "reason": reason, "message": message}} if reason else {}
    return PodHealth("retrieval", True, checks, {"last_backup_seconds": copied} if copied else {})


def cron_job(**status: Any) -> dict[str, Any]:
    return {"kind": "CronJob", "metadata": {"name": "notes-backup"}, "status": status}


def judged(observed: Observed, previous: Any = None, **spec: Any) -> tuple[bool | None, str, str]:
    found = judge_backup(make_store(**ASKED, **spec), observed, previous or {})
    assert found is not None
    return found


def test_a_store_without_backups_has_no_condition() -> None:
    assert judge_backup(make_store(), Observed(()), {}) is None


@pytest.mark.parametrize(
    ("reason", "holds"), [("BackedUp", True), ("NoBackupYet", None), ("BackupFailed", False), ("Reconciling", None)]
)
def test_the_pod_that_writes_tells_how_it_was(reason: str, holds: bool | None) -> None:
    found = judged(Observed((), pods=(pod(), pod(reason, "why"))))
    assert found[:2] == (holds, reason)
    assert reason == "Reconciling" or found[2] == "why"


@pytest.mark.parametrize(
    ("secret", "reason", "words"),
    [
        (SecretState("copies-keys", is_there=False), "SecretMissing", "'copies-keys' of the copies does not exist"),
        (SecretState("copies-keys", True, ("AWS_ACCESS_KEY_ID",)), "SecretKeyMissing", "'AWS_ACCESS_KEY_ID'"),
    ],
)
def test_a_secret_of_the_copies_is_named(secret: SecretState, reason: str, words: str) -> None:
    found = judged(Observed((), pods=(pod("BackedUp"),), backup_secrets=(secret,)))
    assert found[:2] == (False, reason)
    assert words in found[2]


def test_a_suspended_store_makes_no_copies() -> None:
    assert judged(Observed(()), suspend=True)[:2] == (None, "Suspended")


def test_a_run_that_never_reached_the_store_is_told() -> None:
    missed = cron_job(lastScheduleTime="2026-03-02T03:00:00Z", lastSuccessfulTime="2026-03-01T03:01:00Z")
    found = judged(Observed((missed,), pods=(pod("BackedUp", copied=COPIED),)))
    assert found[:2] == (False, "BackupFailed")
    assert "due at 2026-03-02T03:00:00Z made no copy" in found[2]
    assert "the last good copy is of 2026-03-01T03:01:00Z" in found[2]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"lastScheduleTime": "2026-03-01T03:00:00Z", "active": [{"name": "notes-backup-1"}]},
        {"lastScheduleTime": "2026-03-01T03:00:00Z", "lastSuccessfulTime": "2026-03-01T03:00:40Z"},
        # The copy is there, though its run is not known to have succeeded yet.
        {"lastScheduleTime": "2026-03-01T03:00:00Z"},
    ],
)
def test_a_run_that_is_not_due_or_not_over_or_made_a_copy_is_no_failure(status: dict[str, Any]) -> None:
    assert judged(Observed((cron_job(**status),), pods=(pod("BackedUp", copied=COPIED),)))[0] is True


def test_what_was_known_stands_between_two_pods() -> None:
    known = {"type": "BackupSucceeded", "status": "True", "reason": "BackedUp", "message": "copy 1"}
    assert judged(Observed(()), {"conditions": [known]}) == (True, "BackedUp", "copy 1")
    assert judged(Observed(()))[:2] == (None, "Reconciling")


def test_the_time_of_the_last_copy_is_that_of_the_pod_and_stands_without_one() -> None:
    assert last_backup_time(Observed((), pods=(pod(copied=COPIED), pod())), {}) == "2026-03-01T03:01:00Z"
    before = {"lastBackupTime": "2026-02-28T03:01:00Z"}
    assert last_backup_time(Observed((), pods=(pod(),)), before) == "2026-02-28T03:01:00Z"
    assert last_backup_time(Observed(()), {}) is None
