"""The README's way to a first answer on a cluster, word for word; needs the release of the main job."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.stores import FIGURES, needs_node
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

ROOT = Path(__file__).resolve().parents[2]
WHERE = "default"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture
def environment() -> dict[str, str]:
    """A reader's shell, with kubectl in the path."""
    return {**os.environ, "PATH": f"{Path(kube.PROGRAMS['kubectl']).parent}:{os.environ['PATH']}"}


def test_the_readme_leads_to_an_answer(environment: dict[str, str]) -> None:
    text = (ROOT / "README.md").read_text().split("## Install on a cluster")[1].split("\n## ")[0]
    install, forward, ask = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    helm, *steps = install.splitlines()
    # The main job has run this line, with images that no registry has.
    assert helm.startswith("helm install simplemem charts/simplemem-operator "), helm
    started = time.monotonic()
    with step("the README's store"):
        said = run("\n".join(steps), environment)
    FIGURES["README's store to Ready, s"] = round(time.monotonic() - started, 1)
    assert re.search(r"^notes +True +Ready +Minimal +0 ", said, flags=re.MULTILINE), said
    with step("the README's question"), subprocess.Popen(shell(forward, "exec "), cwd=ROOT, env=environment) as tunnel:
        try:
            kube.eventually(is_reached, within=30, what=f"a tunnel at {ADDRESS}")
            answers = run(ask, environment)
        finally:
            tunnel.terminate()
    found = json.loads(answers[answers.index('{"results"') :])
    assert "Rome" in json.dumps(found["results"]), answers
    kube.kubectl("delete", "memorystore", "notes", "-n", WHERE)
    # Its volume stays, unless its owner says so.
    kube.kubectl("delete", "pvc", "notes-data", "-n", WHERE, "--timeout=120s")


def run(script: str, environment: dict[str, str]) -> str:
    """What a block of the README prints; each of its commands must succeed."""
    done = subprocess.run(
        shell(script, "set -e\n"), cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=400
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}\n{kube.explain(WHERE)}"
    return done.stdout


def shell(script: str, before: str = "") -> list[str]:
    """The words that run a block in a shell."""
    return ["/bin/sh", "-c", before + script]


def is_reached() -> bool:
    """Whether the tunnel leads to the store."""
    try:
        return httpx.get(f"{ADDRESS}/livez", timeout=2).is_success
    except httpx.HTTPError:
        return False
