"""Everything that helps to find out what is wrong with stores, in one archive, with the secrets left out."""

from __future__ import annotations

import argparse
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from simplemem_api import exits
from simplemem_operator.errors import NotFoundError, OperatorError
from simplemem_operator.kinds import EVENTS, KINDS, PODS, Kind
from simplemem_operator.kubectl.errors import CommandError
from simplemem_operator.kubectl.logs import Stream, select_pods, streams_of
from simplemem_operator.kubectl.scrub import clean_object, clean_text
from simplemem_operator.kubectl.session import Session
from simplemem_operator.kubectl.tables import as_json
from simplemem_operator.labels import MANAGER
from simplemem_operator.models.desired import Manifest

LOG_LINES = 5_000
"""Lines of each container, at most: some minutes of a busy store, a day of a quiet one."""

CRD_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/memorystores.simplemem.io"
"""Where the API server keeps the definition of a MemoryStore."""


class Bundle:
    """An archive under way.

    Parameters
    ----------
    session
        The cluster.
    archive
        Where the files go.
    """

    def __init__(self, session: Session, archive: tarfile.TarFile) -> None:
        self._session = session
        self._archive = archive
        self._now = datetime.now(UTC).timestamp()
        self.notes: list[str] = []
        """What could not be read, and why."""

    def add(self, path: str, text: str) -> None:
        """Put a text into the archive."""
        content = text.encode()
        member = tarfile.TarInfo(f"support-bundle/{path}")
        member.size, member.mtime, member.mode = len(content), int(self._now), 0o600
        self._archive.addfile(member, io.BytesIO(content))

    def add_object(self, path: str, manifest: Manifest) -> None:
        """Put an object into the archive, without secrets."""
        self.add(f"{path}.json", as_json(clean_object(manifest)))

    def try_reading(self, what: str, read: Callable[[], Any]) -> Any:
        """What a call gives; None where it fails, which is noted: a bundle with holes helps more than none."""
        try:
            return read()
        except NotFoundError:
            return None
        except OperatorError as error:
            self.notes.append(f"{what}: {clean_text(str(error))}")
            return None

    def list_objects(self, kind: Kind, namespace: str | None, selector: str = "") -> list[Manifest]:
        """Objects, as far as they may be read."""
        where = namespace or "all namespaces"
        found = self.try_reading(
            f"{kind.plural} of {where}", lambda: [*self._session.list_objects(kind, namespace, selector)]
        )
        return found or []

    def add_store(self, store: Manifest) -> None:
        """A store with its children, pods, logs and events."""
        namespace, name = store["metadata"]["namespace"], store["metadata"]["name"]
        folder = f"stores/{namespace}/{name}"
        self.add_object(f"{folder}/memorystore", store)
        for kind in KINDS.values():
            for child in self.list_objects(kind, namespace, select_pods(name)):
                self.add_object(f"{folder}/children/{kind.name}-{child['metadata']['name']}", child)
        self.add_pods(folder, self.list_objects(PODS, namespace, select_pods(name)))
        concerning = [event for event in self.list_objects(EVENTS, namespace) if _concerns(event, name)]
        self.add(f"{folder}/events.json", as_json([clean_object(event) for event in concerning]))

    def add_operator(self) -> None:
        """The operator's own Deployments, pods and logs."""
        selector = f"app.kubernetes.io/name={MANAGER}"
        for deployment in self.list_objects(KINDS["Deployment"], None, selector):
            metadata = deployment["metadata"]
            self.add_object(f"operator/{metadata['namespace']}/deployment-{metadata['name']}", deployment)
        self.add_pods("operator", self.list_objects(PODS, None, selector))

    def add_pods(self, folder: str, pods: Iterable[Manifest]) -> None:
        """Pods with what they write now, and what they wrote before they were last restarted."""
        for pod in pods:
            self.add_object(f"{folder}/pods/{pod['metadata']['name']}", pod)
            for stream in streams_of(pod):
                self.add_log(folder, stream)
                if _restarted(pod, stream.container):
                    self.add_log(folder, stream, previous=True)

    def add_log(self, folder: str, stream: Stream, *, previous: bool = False) -> None:
        """The last lines of a container."""
        name = f"{stream.pod}-{stream.container}{'.previous' if previous else ''}"
        read = partial(stream.read, self._session, tail=LOG_LINES, previous=previous)
        text = self.try_reading(f"log {stream.namespace}/{name}", read)
        if text is not None:
            self.add(f"{folder}/logs/{name}.log", clean_text(text))

    def add_cluster(self) -> None:
        """Versions of the API server and of our definition."""
        version = self.try_reading("version", lambda: self._session.api.call("GET", "/version"))
        self.add("version.json", as_json(version))
        crd = self.try_reading("the definition of MemoryStore", lambda: self._session.api.call("GET", CRD_PATH))
        if crd is not None:
            self.add_object("crd", {key: crd[key] for key in ("metadata", "status")})


def support_bundle(session: Session, options: argparse.Namespace) -> int:
    """Write the archive and print its name; 1 if there are no stores to tell of."""
    path = options.output or Path(f"smem-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    stores = session.list_stores(options.name)
    try:
        # Not for others on the machine: it tells much of a cluster.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CommandError(f"--output: {error}", exits.FAILED) from error
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        bundle = Bundle(session, archive)
        bundle.add_cluster()
        for store in stores:
            bundle.add_store(store)
        bundle.add_operator()
        bundle.add("notes.txt", "\n".join([*(f"not read: {note}" for note in bundle.notes), ""]))
    told = {"file": str(path), "stores": len(stores), "notRead": bundle.notes}
    print(json.dumps(told) if options.json else "\n".join([str(path), *(f"not read: {note}" for note in bundle.notes)]))
    return exits.DONE


def _concerns(event: Manifest, store: str) -> bool:
    name = str(event.get("involvedObject", {}).get("name", ""))
    return name == store or name.startswith(f"{store}-")


def _restarted(pod: Manifest, container: str) -> bool:
    status = pod.get("status", {})
    states = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
    return any(state["name"] == container and state["restartCount"] for state in states)
