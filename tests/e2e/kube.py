"""kubectl, helm and polling for the scenario, all inside the node's network namespace."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

import yaml

from tests.harness.build import ensure

T = TypeVar("T")
PROGRAMS = ensure(["kubectl", "helm"])


def run(program: str, *args: str, stdin: str | None = None, check: bool = True, timeout: float = 300) -> str:
    """Standard output of kubectl or helm; a failure shows what it said."""
    done = subprocess.run(
        [str(PROGRAMS[program]), *args], input=stdin, capture_output=True, text=True, check=False, timeout=timeout
    )
    if check and done.returncode:
        raise AssertionError(f"{program} {' '.join(args)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def kubectl(*args: str, **options: Any) -> str:
    """Standard output of kubectl."""
    return run("kubectl", *args, **options)


def apply(*manifests: dict[str, Any]) -> None:
    """Apply manifests as a user does."""
    kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(manifests))


def get(kind: str, name: str, namespace: str) -> dict[str, Any] | None:
    """An object, or None."""
    text = kubectl("get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found")
    found: dict[str, Any] | None = json.loads(text) if text else None
    return found


def listed(kind: str, namespace: str | None = None, selector: str = "", *flags: str) -> list[dict[str, Any]]:
    """Objects of a kind; in all namespaces where none is named. With more flags of kubectl."""
    where = ["-n", namespace] if namespace else ["-A"]
    text = kubectl("get", kind, *where, "-l", selector, "-o", "json", *flags)
    items: list[dict[str, Any]] = json.loads(text)["items"]
    return items


def condition(store: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a MemoryStore; empty before the first pass."""
    conditions = store.get("status", {}).get("conditions", [])
    return next((found for found in conditions if found["type"] == kind), {})


def eventually(check: Callable[[], T | None], *, within: float, what: str, every: float = 0.5) -> T:
    """The first true answer of a check; fails with what was awaited."""
    deadline = time.monotonic() + within
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {within:.0f} s: {what}"
        time.sleep(every)


def service_url(name: str, namespace: str) -> str:
    """Address of a store's Service, reachable since the tests run inside the node's network namespace."""
    service = get("service", name, namespace)
    assert service is not None, f"no Service {namespace}/{name}"
    return f"http://{service['spec']['clusterIP']}"


def explain(namespace: str) -> str:
    """What a person would look at when pods do not come up."""
    parts = [
        kubectl("get", "memorystores,pods,pvc", "-n", namespace, "-o", "wide", check=False),
        kubectl("describe", "memorystores", "-n", namespace, check=False),
        kubectl("get", "events", "-n", namespace, "--sort-by=.lastTimestamp", check=False)[-4000:],
    ]
    for pod in listed("pods", namespace):
        name = pod["metadata"]["name"]
        parts.append(f"--- {name}\n" + kubectl("logs", name, "-n", namespace, "--tail=40", check=False))
    return "\n".join(parts)


def is_inside_the_node() -> bool:
    """Whether a kubeconfig is given; `make e2e` sets it and enters the namespace."""
    return bool(os.environ.get("KUBECONFIG"))
