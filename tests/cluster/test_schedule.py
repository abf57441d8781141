"""The sample that puts a store to sleep at night does just that, with the rights that it brings."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import Space, eventually
from tests.cluster.test_children import replicas
from tests.harness.build import ensure
from tests.harness.errors import HarnessError

SAMPLE = Path(__file__).resolve().parents[2] / "manifests" / "schedule" / "suspend.yaml"
ACCOUNT = "notes-schedule"


@pytest.fixture
def scheduled(space: Space) -> Space:
    """A namespace of restricted pods with a store and the sample."""
    space.plane.kubectl("label", "namespace", space.name, "pod-security.kubernetes.io/enforce=restricted")
    text = SAMPLE.read_text().replace("namespace: default", f"namespace: {space.name}")
    space.kubectl("apply", "--server-side", "--validate=strict", "-f", "-", stdin=text)
    space.store(tier="Minimal")
    eventually(lambda: replicas(space) == 1)
    return space


def run(space: Space, cron_job: str) -> None:
    """Carry out what a run's pod does, as its account: there are no kubelets."""
    space.kubectl("create", "job", f"--from=cronjob/{cron_job}", f"{cron_job}-now")
    selector = f"job-name={cron_job}-now"

    def pods() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(space.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
        return found

    # Admission has let it in: it is as restricted as the namespace asks.
    (pod,) = eventually(pods)
    assert pod["spec"]["serviceAccountName"] == ACCOUNT
    kubeconfig = space.plane.service_account_kubeconfig(space.name, ACCOUNT)
    (container,) = pod["spec"]["containers"]
    command = [str(ensure(["kubectl"])["kubectl"]), "--kubeconfig", str(kubeconfig), "-n", space.name]
    subprocess.run([*command, *container["args"]], check=True, capture_output=True)


def test_the_sample_puts_a_store_to_sleep_and_wakes_it(scheduled: Space) -> None:
    run(scheduled, "notes-sleep")
    eventually(lambda: scheduled.ready().get("reason") == "Suspended")
    eventually(lambda: replicas(scheduled) == 0)
    assert "PersistentVolumeClaim/notes-data" in scheduled.names()
    run(scheduled, "notes-wake")
    eventually(lambda: replicas(scheduled) == 1)


def test_its_account_may_do_nothing_else(scheduled: Space) -> None:
    def may(*words: str) -> bool:
        account = f"--as=system:serviceaccount:{scheduled.name}:{ACCOUNT}"
        try:
            return "yes" in scheduled.kubectl("auth", "can-i", *words, account)
        except HarnessError:
            return False

    assert may("patch", "memorystores.simplemem.io/notes")
    assert not may("patch", "memorystores.simplemem.io/other")
    for verb in ("list", "create", "delete"):
        assert not may(verb, "memorystores.simplemem.io")
    for words in (("get", "secrets"), ("patch", "deployments.apps"), ("create", "pods")):
        assert not may(*words)


def test_it_sleeps_and_wakes_on_the_same_days() -> None:
    jobs = {
        found["metadata"]["name"]: found["spec"]
        for found in yaml.safe_load_all(SAMPLE.read_text())
        if found["kind"] == "CronJob"
    }
    sleep, wake = jobs["notes-sleep"], jobs["notes-wake"]
    assert sleep["schedule"].split()[2:] == wake["schedule"].split()[2:]
    assert sleep["timeZone"] == wake["timeZone"]
