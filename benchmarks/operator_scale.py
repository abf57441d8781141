"""How the operator bears many MemoryStores: on a real control plane whose nodes exist on paper.

    python benchmarks/operator_scale.py [--stores 100 300 1000]

For each number, from nothing: the MemoryStores are created while no operator runs; then it starts, and until every one
is Ready its time, memory, processor time and writes are taken. After that: sixty seconds without a change, single edits
with all stores standing, the same with broken stores among them, and a restart. Half of the stores are on a volume, the
others on a bucket with a pod that writes and one that reads. The operator shares the machine with etcd, the API server,
the controllers, the scheduler and KWOK, and has the processor time that they leave. The exit status is 1 where a figure
misses its target.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import emit
from tests.harness.answerer import Answerer
from tests.harness.control_plane import ControlPlane
from tests.harness.kwok import FakeNode, Kwok
from tests.harness.operator import WRITER, Operator, install_access

NAMESPACES = 20
"""Namespaces that share the stores."""

QUIET_SECONDS = 60
"""How long nothing must be written."""

MOST_SECONDS = 420
"""When a run is given up."""

AT_MOST = {
    "operator_cold_start_ready_seconds": 180,
    "operator_cold_start_peak_memory": 400,
    "operator_quiet_writes": 0,
    "operator_edit_slowest_seconds": 2,
    "operator_edit_beside_broken_slowest_seconds": 2,
}
"""What must hold up to the largest number of stores, in the units of the figures."""

EDITS = 10
"""Single edits, each on another store."""

BROKEN = 5
"""Stores of each broken kind: a foreign object, a Secret that is not there, pods that hang."""

STORES_PATH = "/apis/simplemem.io/v1alpha1/memorystores?resourceVersion=0"
"""All MemoryStores, from the API server's cache."""


def main() -> None:
    """Measure each number of stores on a control plane of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--stores", type=int, nargs="+", default=[100, 300, 1000], help="numbers of stores")
    missed: list[str] = []
    for count in parser.parse_args().stores:
        with tempfile.TemporaryDirectory(prefix="operator-scale-") as folder:
            missed += measure(count, Path(folder))
    if missed:
        sys.exit("\n".join(missed))


def measure(count: int, folder: Path) -> list[str]:
    """All figures of one number of stores; those that miss their target."""
    with ControlPlane(folder / "plane") as plane, Kwok(plane) as kwok, Answerer() as answerer:
        kwok.add_nodes(FakeNode(f"node-{number}", f"zone-{number % 3}") for number in range(20))
        kwok.add_volumes(count // 2 + 2 * BROKEN + 1)
        # Polls and workers as the chart has them by default.
        flags = ["--probe-url", answerer.url, "--poll-seconds", "30", "--log-level", "WARNING"]
        operator = Operator(install_access(plane), folder, flags=flags)
        create_stores(plane, count)
        bench = Bench(plane, operator, count)
        bench.converge()
        bench.stay_quiet()
        bench.edit("operator_edit_slowest_seconds")
        break_some(plane, answerer)
        time.sleep(10)
        bench.edit("operator_edit_beside_broken_slowest_seconds")
        bench.restart()
        operator.stop()
        return bench.missed


class Bench:
    """One number of stores and the operator that looks after them."""

    def __init__(self, plane: ControlPlane, operator: Operator, count: int) -> None:
        self._plane = plane
        self._operator = operator
        self._count = count
        self.missed: list[str] = []

    def converge(self) -> None:
        """From a cold start until every store is Ready."""
        written = len(self._plane.writes(WRITER))
        started = time.monotonic()
        self._operator.start()
        applied = None
        while True:
            asked = time.monotonic()
            stores = self._stores()
            # To list a thousand stores costs the cores that are measured: a tenth of the time at most goes into it.
            pause = max(1.0, 9 * (time.monotonic() - asked))
            seen = sum(is_seen(store) for store in stores)
            ready = sum(is_ready(store) for store in stores)
            if applied is None and seen == self._count:
                applied = time.monotonic() - started
            if ready == self._count:
                break
            if time.monotonic() - started > MOST_SECONDS:
                sys.exit(f"{ready} of {self._count} stores are Ready after {MOST_SECONDS} s")
            time.sleep(pause)
        self._emit("operator_cold_start_applied_seconds", applied or 0.0, "s")
        self._emit("operator_cold_start_ready_seconds", time.monotonic() - started, "s")
        self._emit("operator_cold_start_writes", len(self._plane.writes(WRITER)) - written, "requests")
        self._emit("operator_cold_start_cpu_seconds", self._cpu_seconds(), "s")
        self._emit("operator_cold_start_peak_memory", self._operator.resident_bytes(most=True) / 2**20, "MiB")

    def stay_quiet(self) -> None:
        """Writes and processor time while nothing changes."""
        time.sleep(20)
        before, used = len(self._plane.writes(WRITER)), self._cpu_seconds()
        time.sleep(QUIET_SECONDS)
        self._emit("operator_quiet_writes", len(self._plane.writes(WRITER)) - before, f"requests in {QUIET_SECONDS} s")
        self._emit("operator_quiet_cpu_share", (self._cpu_seconds() - used) / QUIET_SECONDS, "cores")
        self._emit("operator_memory", self._operator.resident_bytes() / 2**20, "MiB")

    def edit(self, figure: str) -> None:
        """Time from an edit to a status that has seen it, the slowest of several."""
        seconds: list[float] = []
        for number in range(EDITS):
            namespace, name = place(number * (self._count // EDITS))
            words = ["-n", namespace, "patch", "smem", name, "--type=merge", "-o", "json"]
            patch = {"spec": {"retrieval": {"topK": 20 + len(seconds) + len(figure)}}}
            self._plane.kubectl(*words, "-p", json.dumps(patch))
            started = time.monotonic()
            path = f"/apis/simplemem.io/v1alpha1/namespaces/{namespace}/memorystores/{name}"
            while not is_seen(json.loads(self._plane.kubectl("get", "--raw", path))):
                time.sleep(0.02)
            seconds.append(time.monotonic() - started)
        self._emit(figure, max(seconds), "s", edits=EDITS)

    def restart(self) -> None:
        """A restart with all children standing: when an edit is seen again, and what is written."""
        self._operator.stop()
        written = len(self._plane.writes(WRITER))
        namespace, name = place(7)
        self._plane.kubectl(
            "-n", namespace, "patch", "smem", name, "--type=merge", "-p", '{"spec":{"retrieval":{"topK":7}}}'
        )
        started = time.monotonic()
        self._operator.start()
        path = f"/apis/simplemem.io/v1alpha1/namespaces/{namespace}/memorystores/{name}"
        while not is_seen(json.loads(self._plane.kubectl("get", "--raw", path))):
            time.sleep(0.05)
        self._emit("operator_restart_seconds", time.monotonic() - started, "s")
        time.sleep(45)
        # Of the edited store: its ConfigMap, its pods' template, and its status and events as they roll.
        self._emit("operator_restart_writes", len(self._plane.writes(WRITER)) - written, "requests in 45 s")

    def _stores(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self._plane.kubectl("get", "--raw", STORES_PATH))["items"]
        return found

    def _cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._operator.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _emit(self, name: str, value: float, unit: str, **conditions: Any) -> None:
        emit(name, value, unit, stores=self._count, cores=os.cpu_count(), **conditions)
        most = AT_MOST.get(name)
        if most is not None and value > most:
            self.missed.append(f"{name} of {self._count} stores is {value:.4g} {unit}; at most {most} is the target")


def create_stores(plane: ControlPlane, count: int) -> None:
    """Namespaces, the buckets' Secrets and the stores."""
    items: list[dict[str, Any]] = []
    for number in range(NAMESPACES):
        items.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{number}"}})
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": f"team-{number}"}}
        items.append(secret | {"stringData": {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}})
    items += build_stores(count)
    for start in range(0, len(items), 200):
        listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": items[start : start + 200]})
        plane.kubectl("create", "-f", "-", stdin=listed, timeout_seconds=300)


def build_stores(count: int) -> Iterator[dict[str, Any]]:
    """MemoryStores, by turns on a volume and on a bucket."""
    for number in range(count):
        namespace, name = place(number)
        bucket = {"s3": {"bucket": "memories", "prefix": name, "credentialsSecretName": "keys"}}
        storage = bucket if number % 2 else {"pvc": {"size": "10Gi"}}
        yield store(namespace, name, {"tier": "Minimal", "storage": storage})


def break_some(plane: ControlPlane, answerer: Answerer) -> None:
    """Stores that cannot become Ready, each in its own way."""
    items: list[dict[str, Any]] = []
    for namespace in ("foreign", "secretless", "hung"):
        items.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        answerer.hanging.add("hung")
    for number in range(BROKEN):
        metadata = {"name": f"broken-{number}-config", "namespace": "foreign"}
        items.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
        items.append(store("foreign", f"broken-{number}", {"tier": "Minimal"}))
        bucket = {"s3": {"bucket": "memories", "credentialsSecretName": "absent"}}
        items.append(store("secretless", f"broken-{number}", {"tier": "Minimal", "storage": bucket}))
        items.append(store("hung", f"broken-{number}", {"tier": "Minimal"}))
    plane.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def store(namespace: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A MemoryStore."""
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "simplemem.io/v1alpha1", "kind": "MemoryStore", "metadata": metadata, "spec": spec}


def place(number: int) -> tuple[str, str]:
    """Namespace and name of a store."""
    return f"team-{number % NAMESPACES}", f"notes-{number}"


def is_seen(found: dict[str, Any]) -> bool:
    """Whether the last edit of a store has been seen to the end."""
    return bool(found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"])


def is_ready(found: dict[str, Any]) -> bool:
    """Whether a store is Ready."""
    conditions = found.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


if __name__ == "__main__":
    main()
