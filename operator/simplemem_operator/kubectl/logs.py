"""What the pods of a store wrote."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from simplemem_api import exits
from simplemem_operator.api import error_of
from simplemem_operator.errors import OperatorError
from simplemem_operator.kinds import PODS
from simplemem_operator.kubectl.errors import CommandError
from simplemem_operator.kubectl.session import Session
from simplemem_operator.kubectl.tables import as_json
from simplemem_operator.labels import COMPONENT_LABEL, INSTANCE_LABEL, NAME, as_text
from simplemem_operator.models.desired import Manifest


@dataclass(frozen=True, slots=True)
class Stream:
    """What one container writes."""

    namespace: str
    """Namespace of the pod."""
    pod: str
    """Name of the pod."""
    container: str
    """Name of the container."""

    def read(self, session: Session, *, tail: int, since_seconds: int | None = None, previous: bool = False) -> str:
        """The last lines. Raises `OperatorError`."""
        path = f"{PODS.path(self.namespace, self.pod)}/log"
        query = [("container", self.container), ("tailLines", str(tail)), ("previous", str(previous).lower())]
        query += [("sinceSeconds", str(since_seconds))] if since_seconds is not None else []
        status, text = session.api.send("GET", path, query=query, accept="*/*")
        if status >= 400:
            raise error_of("GET", path, status, text)
        return text


def select_pods(store: str, component: str | None = None) -> str:
    """The selector of a store's pods (pure)."""
    labels = {"app.kubernetes.io/name": NAME, INSTANCE_LABEL: store}
    return as_text(labels | ({COMPONENT_LABEL: component} if component else {}))


def streams_of(pod: Manifest) -> list[Stream]:
    """The containers of a pod, those that start it first (pure)."""
    metadata, spec = pod["metadata"], pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    return [Stream(metadata["namespace"], metadata["name"], container["name"]) for container in containers]


def logs(session: Session, options: argparse.Namespace) -> int:
    """Print the last lines of all pods of a store; what cannot be read is told on standard error."""
    store = session.read_store(options.name)["metadata"]
    selector = select_pods(store["name"], options.component)
    if options.follow:
        _follow(options, store["namespace"], selector)
    pods = sorted(session.list_objects(PODS, store["namespace"], selector), key=lambda pod: pod["metadata"]["name"])
    if not pods:
        raise CommandError(f"MemoryStore {store['namespace']}/{store['name']} has no pods with labels {selector}")
    is_read = False
    lines: list[dict[str, str]] = []
    for stream, text in _read_all(session, options, [stream for pod in pods for stream in streams_of(pod)]):
        is_read = True
        for line in text.splitlines():
            if options.json:
                lines.append({"pod": stream.pod, "container": stream.container, "line": line})
            else:
                print(f"[{stream.pod}/{stream.container}] {line}")
    if options.json:
        print(as_json(lines))
    return exits.DONE if is_read else exits.FAILED


def _read_all(session: Session, options: argparse.Namespace, streams: list[Stream]) -> Iterator[tuple[Stream, str]]:
    for stream in streams:
        try:
            text = stream.read(
                session, tail=options.tail, since_seconds=options.since_seconds, previous=options.previous
            )
        except OperatorError as error:
            print(f"kubectl smem: {stream.pod}/{stream.container}: {error}", file=sys.stderr)
            continue
        yield stream, text


def _follow(options: argparse.Namespace, namespace: str, selector: str) -> None:
    """Become `kubectl logs --follow`, which goes on through new lines of all pods."""
    program = shutil.which("kubectl")
    if program is None:
        raise CommandError("--follow needs kubectl on the PATH", exits.USAGE)
    words = ["logs", "--follow", "--prefix", "--all-containers", "--max-log-requests=50", "--ignore-errors"]
    words += [f"--selector={selector}", f"--namespace={namespace}", f"--tail={options.tail}"]
    words += [f"--context={options.context}"] if options.context else []
    words += [f"--kubeconfig={options.kubeconfig}"] if options.kubeconfig else []
    sys.stdout.flush()
    os.execv(program, [program, *words])  # noqa: S606 - an argument list, and no shell
