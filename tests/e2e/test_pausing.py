"""The sample that puts a store to sleep by the clock: its CronJobs' own pods, with the rights that it brings."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import kube
from tests.e2e.stores import needs_node, wait_complete, wait_ready
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

SAMPLE = Path(__file__).resolve().parents[2] / "manifests" / "schedule" / "suspend.yaml"
WHERE = "team-a"


def run(cron_job: str) -> None:
    """A run of a CronJob now, to its end."""
    kube.kubectl("create", "job", f"--from=cronjob/{cron_job}", f"{cron_job}-now", "-n", WHERE)
    wait_complete(f"{cron_job}-now", WHERE)


def test_a_cron_job_puts_a_store_to_sleep_and_another_wakes_it() -> None:
    sample = SAMPLE.read_text().replace("namespace: default", f"namespace: {WHERE}")
    # Only what is run here by hand.
    sample = sample.replace("startingDeadlineSeconds: 3600", "startingDeadlineSeconds: 3600\n  suspend: true")
    kube.kubectl("apply", "-f", "-", stdin=sample)
    with step("a run of notes-sleep: the pods go"):
        run("notes-sleep")
        own = "app.kubernetes.io/instance=notes,app.kubernetes.io/managed-by=simplemem-operator"
        kube.eventually(lambda: not kube.listed("pods", WHERE, own), within=90, what="no pod of the store")
    found = kube.get("memorystore", "notes", WHERE)
    assert found is not None
    assert kube.condition(found, "Ready")["reason"] == "Suspended"
    assert kube.get("pvc", "notes-data", WHERE) is not None
    with step("a run of notes-wake: Ready"):
        run("notes-wake")
        wait_ready("notes", WHERE)
    kube.kubectl("delete", "-f", "-", stdin=sample)
