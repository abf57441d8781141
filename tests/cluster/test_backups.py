"""The CronJob that copies a store, and what users read of its runs, on a real control plane with pods on paper."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.conftest import Fleet, Space, eventually

COPIES = {"s3": {"bucket": "copies", "credentialsSecretName": "copies-keys"}, "schedule": "0 4 * * *"}
DONE = {"ok": True, "reason": "BackedUp", "message": "copy 20260301T040000Z-0c0de1ab: 10 entries, 12 turns"}


@pytest.fixture
def writing(town: Space, fleet: Fleet) -> Iterator[Space]:
    """A namespace whose pods tell of no backup yet."""
    none = {"ok": True, "reason": "NoBackupYet", "message": "no copy yet; the schedule is '0 4 * * *'"}
    fleet.answerer.failing[town.name] = {"backup": none}
    yield town
    fleet.answerer.failing.pop(town.name)
    fleet.answerer.more_figures.pop(town.name, None)


def backed_up(space: Space) -> tuple[str, str]:
    found = space.condition("BackupSucceeded")
    return found.get("status", ""), found.get("reason", "")


def test_backups_come_and_go_with_the_spec_and_never_take_the_store_down(writing: Space, fleet: Fleet) -> None:
    space = writing
    space.store(tier="Minimal", backup=COPIES)
    # The store runs although the Secret of the copies is missing.
    eventually(lambda: space.ready().get("status") == "True", within=60)
    assert backed_up(space) == ("False", "SecretMissing")
    template = json.dumps((space.get("deployment", "notes-retrieval") or {})["spec"]["template"])
    space.secret("copies-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    eventually(lambda: backed_up(space) == ("Unknown", "NoBackupYet"))
    rolled = json.dumps((space.get("deployment", "notes-retrieval") or {})["spec"]["template"])
    assert rolled != template, "pods made before the Secret have no credentials"
    cron_job = space.get("cronjob", "notes-backup")
    assert cron_job is not None
    assert (cron_job["spec"]["schedule"], cron_job["spec"]["timeZone"]) == ("0 4 * * *", "Etc/UTC")
    policy = space.get("networkpolicy", "notes")
    assert policy is not None
    own = {"app.kubernetes.io/name": "simplemem", "app.kubernetes.io/instance": "notes"}
    assert {"podSelector": {"matchLabels": own}} in [
        source for rule in policy["spec"]["ingress"] for source in rule["from"]
    ]

    fleet.answerer.more_figures[space.name] = {"last_backup_seconds": 1_772_337_660}
    fleet.answerer.failing[space.name] = {"backup": DONE}
    eventually(lambda: backed_up(space) == ("True", "BackedUp"))
    assert (space.get("smem", "notes") or {})["status"]["lastBackupTime"] == "2026-03-01T04:01:00Z"

    failed = {"ok": False, "reason": "BackupFailed", "message": "bucket 'copies' of the copies refuses: 403"}
    fleet.answerer.failing[space.name] = {"backup": failed}
    eventually(lambda: backed_up(space) == ("False", "BackupFailed"))
    assert "refuses: 403" in space.condition("BackupSucceeded")["message"]
    assert space.ready()["status"] == "True"

    space.patch("smem", "notes", {"spec": {"backup": None}})
    eventually(lambda: space.get("cronjob", "notes-backup") is None)
    eventually(lambda: not space.condition("BackupSucceeded"))


def test_a_run_asks_the_store_with_no_more_than_a_token(writing: Space) -> None:
    space = writing
    space.secret("copies-keys", AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b")
    space.secret("tokens", operator="secret-token")
    space.store(tier="Minimal", backup=COPIES, access={"tokenSecretName": "tokens"})
    eventually(lambda: space.get("cronjob", "notes-backup"))
    space.kubectl("create", "job", "--from=cronjob/notes-backup", "now")
    selector = "app.kubernetes.io/component=backup"

    def pods() -> list[dict[str, object]]:
        found: list[dict[str, object]] = json.loads(space.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return found

    eventually(pods)
    text = space.kubectl("get", "pods", "-l", selector, "-o", "json")
    assert '"claimName"' not in text
    assert "AWS_" not in text
    assert '"http://notes"' in text
    # A pod that copies is none of those that answer.
    eventually(lambda: space.ready().get("status") == "True", within=60)
    space.rest()


def test_the_job_that_the_manual_shows_for_a_restore_is_taken(space: Space) -> None:
    manual = (Path(__file__).resolve().parents[2] / "docs" / "backup.md").read_text()
    block = manual[manual.index("    apiVersion: batch/v1") :].split("\n\n", 1)[0]
    job = textwrap.dedent(block).replace("namespace: team-a", f"namespace: {space.name}")
    space.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=job)
    assert yaml.safe_load(job)["spec"]["template"]["spec"]["containers"][0]["args"] == ["restore"]
