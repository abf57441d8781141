"""A store is copied by its CronJob's own pod and comes back by a Job; runs while the release is installed.

Both stores stay: `test_staying_quiet.py` looks at them after a rest, and removes them.
"""

from __future__ import annotations

import json
import os
import textwrap
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.e2e import kube
from tests.e2e.stores import (
    bucket,
    create_bucket_keys,
    memories,
    namespace,
    needs_node,
    parcels,
    search,
    simplemem,
    store,
    tell,
    wait_complete,
    wait_ready,
)
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

WHERE = "team-r"
MODEL = {"model": "all-MiniLM-L6-v2"}
RUNS, KEPT = 3, 2
"""Copies that are made, and those of them that stay."""
MANUAL = Path(__file__).resolve().parents[2] / "docs" / "backup.md"


def backup() -> dict[str, Any]:
    """`spec.backup` of both stores: the second one restores what the first one copied."""
    return {"s3": bucket(prefix="copies/kept"), "keep": KEPT}


def spec(**more: Any) -> dict[str, Any]:
    """What both stores are: of the tier with copies, on a volume."""
    volume = {"pvc": {"size": "1Gi"}}
    return {"tier": "CostEffective", "storage": volume, "embedding": MODEL, "backup": backup(), **more}


def restore_job(image: str) -> dict[str, Any]:
    """The Job of the manual, with the names of this test."""
    text = MANUAL.read_text()
    block = textwrap.dedent(text[text.index("    apiVersion: batch/v1") :].split("\n\n", 1)[0])
    for before, after in (("team-a", WHERE), ("notes-", "again-"), ("copies-keys", "bucket-keys")):
        block = block.replace(before, after)
    job: dict[str, Any] = yaml.safe_load(block)
    job["spec"]["template"]["spec"]["containers"][0]["image"] = image
    return job


def test_a_store_is_copied_by_its_cron_job_and_restored_into_another(tmp_path: Path) -> None:
    kube.apply(namespace(WHERE))
    create_bucket_keys(WHERE)
    with step("a store with backups"):
        kube.apply(store("kept", WHERE, **spec()))
        wait_ready("kept", WHERE)
    url = kube.service_url("kept", WHERE)
    with httpx.Client(base_url=url, timeout=60) as client:
        tandem = {"id": "tandem", "speaker": "Ada", "text": "My red tandem stands in the shed behind the mill."}
        turns = [*parcels(0, 50), tandem]
        tell(client, turns, "ada")
    with step(f"{RUNS} runs of the CronJob"):
        for number in range(RUNS):
            kube.kubectl("create", "job", "--from=cronjob/kept-backup", f"now-{number}", "-n", WHERE)
            wait_complete(f"now-{number}", WHERE)

    def told() -> dict[str, Any] | None:
        found = kube.get("memorystore", "kept", WHERE) or {}
        is_copied = kube.condition(found, "BackupSucceeded").get("reason") == "BackedUp"
        return found if is_copied and found["status"].get("lastBackupTime") else None

    kube.eventually(told, within=60, what="BackupSucceeded and lastBackupTime")
    with step(f"the newest {KEPT} copies stay"):
        manifest = tmp_path / "store.yaml"
        manifest.write_text(yaml.safe_dump(store("kept", WHERE, **spec())))
        keys = {
            "SIMPLEMEM_BACKUP_AWS_ACCESS_KEY_ID": os.environ["E2E_S3_ACCESS_KEY"],
            "SIMPLEMEM_BACKUP_AWS_SECRET_ACCESS_KEY": os.environ["E2E_S3_SECRET_KEY"],
        }
        copies = json.loads(simplemem("restore", "--list", "--json", "-f", str(manifest), **keys))
        assert len(copies) == KEPT
    with step("a restore into a suspended store"):
        kube.apply(store("again", WHERE, **spec(suspend=True)))
        deployment = kube.get("deployment", "kept-retrieval", WHERE)
        assert deployment is not None
        kube.eventually(lambda: kube.get("pvc", "again-data", WHERE), within=60, what="the claim")
        kube.apply(restore_job(deployment["spec"]["template"]["spec"]["containers"][0]["image"]))
        wait_complete("again-restore", WHERE)
        kube.apply(store("again", WHERE, **spec(suspend=False)))
        wait_ready("again", WHERE)
    restored = kube.service_url("again", WHERE)
    (found,) = search(restored, "Where is the tandem?", "ada", top_k=1)
    assert found["sources"] == ["tandem"]
    assert memories(restored, "ada") == memories(url, "ada")
    assert len(memories(url, "ada")) == len(turns)
