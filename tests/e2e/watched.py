"""A store with all that the dashboards show, and one that sleeps.

A language model (a scripted server on the node's address, priced as the model it is called by), a Redis of its own, and
embedding pods that may come.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import httpx

from tests.e2e import kube
from tests.e2e.stores import SMALL, namespace, store, wait_ready
from tests.harness.node_files import NODE_ADDRESS
from tests.harness.steps import step

ROOT = Path(__file__).resolve().parents[2]
WHERE, NAME = "team-o", "watched"
CACHE = {"redis": {"managed": {"replicas": 3, "memory": "64Mi"}}}


@contextmanager
def watched_store() -> Iterator[Callable[[int], None]]:
    """Both stores, the first one Ready; gives what has its language model answer with a status only from then on."""
    command = [str(ROOT / ".venv" / "service" / "bin" / "python"), "-m", "tests.support.openai_server", NODE_ADDRESS]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as models:
        assert models.stdin is not None
        assert models.stdout is not None
        url = models.stdout.readline().strip()
        kube.apply(namespace(WHERE))
        kube.kubectl("create", "secret", "generic", "llm-keys", "-n", WHERE, "--from-literal=OPENAI_API_KEY=none")
        kept = {"pvc": {"size": "1Gi"}, "deletionPolicy": "Delete"}
        spec = {
            "storage": kept,
            "llm": {"mode": "Model", "models": ["openai/gpt-4.1-mini"], "apiBase": url, "secretName": "llm-keys"},
            "embedding": {"device": "GPU", "gpu": {"minReplicas": 0, "maxReplicas": 1}},
            "cache": CACHE,
        }
        kube.apply(store(NAME, WHERE, tier="Minimal", pods={"resources": SMALL}, **spec))
        kube.apply(store("asleep", WHERE, tier="Minimal", suspend=True, storage=kept))
        with step(f"MemoryStore {WHERE}/{NAME}: Ready"):
            wait_ready(NAME, WHERE)
        yield partial(_fail_with, models.stdin)
        kube.kubectl("delete", "memorystore", "--all", "-n", WHERE, "--timeout=60s")
        kube.kubectl("delete", "namespace", WHERE, "--timeout=120s")
        models.stdin.close()


def _fail_with(order: IO[str], status: int) -> None:
    order.write(f"{status}\n")
    order.flush()


def use(number: int) -> None:
    """Give the store something to count."""
    with httpx.Client(base_url=kube.service_url(NAME, WHERE), timeout=60) as client:
        turns = [{"id": f"o{number}", "speaker": "Ada", "text": f"I bought telescope {number} in Lisbon on Friday."}]
        client.post("/v1/turns", json={"user_id": "observer", "session_id": "s", "turns": turns}).raise_for_status()
        # Twice: the second answer comes from the cache.
        for question in (number, number, "seven"):
            body = {"query": f"What did Ada buy, question {question}?", "filter": {"user_id": "observer"}}
            client.post("/v1/search", json=body).raise_for_status()
