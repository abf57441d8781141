"""What Prometheus' discovery of Kubernetes finds, as files, since Debian builds Prometheus without it."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.e2e import kube

PERIOD_SECONDS = 2.0
META = "__meta_kubernetes_"


class Discovery:
    """Keeps `pods.json` and `endpoints.json` of a folder true."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Write the files now and from time to time."""
        self._write()
        self._thread.start()

    def stop(self) -> None:
        """Write them no more."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(PERIOD_SECONDS):
            try:
                self._write()
            except AssertionError as error:
                print(f"discovery: {error}", flush=True)

    def _write(self) -> None:
        for name, found in (("pods", pod_targets()), ("endpoints", endpoint_targets())):
            new = self._folder / f".{name}.json"
            new.write_text(json.dumps(list(found)))
            new.rename(self._folder / f"{name}.json")


def pod_targets() -> Iterator[dict[str, Any]]:
    """A target for each named port of each pod, as the role `pod` has it."""
    for pod in kube.listed("pods"):
        address, metadata = pod["status"].get("podIP"), pod["metadata"]
        own = {"namespace": metadata["namespace"], "pod_name": metadata["name"], "pod_phase": pod["status"]["phase"]}
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()) if address else ():
                of_port = {"pod_container_name": container["name"], "pod_container_port_name": port.get("name", "")}
                labels = own | of_port | _labels("pod_label_", metadata)
                yield _target(f"{address}:{port['containerPort']}", labels)


def endpoint_targets() -> Iterator[dict[str, Any]]:
    """A target for each port of each endpoint of each Service, as the role `endpointslice` has it."""
    services = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in kube.listed("services")}
    for piece in kube.listed("endpointslices"):
        where = piece["metadata"]["namespace"]
        name = piece["metadata"].get("labels", {}).get("kubernetes.io/service-name", "")
        service = services.get((where, name))
        own = {"namespace": where, "service_name": name}
        own |= _labels("service_label_", service["metadata"]) if service else {}
        for endpoint in piece.get("endpoints") or ():
            pod = endpoint.get("targetRef", {}).get("name", "")
            for port in piece.get("ports") or ():
                labels = own | {"pod_name": pod, "endpointslice_port_name": port.get("name", "")}
                yield _target(f"{endpoint['addresses'][0]}:{port['port']}", labels)


def _labels(prefix: str, metadata: Mapping[str, Any]) -> dict[str, str]:
    return {prefix + re.sub(r"\W", "_", key): value for key, value in metadata.get("labels", {}).items()}


def _target(address: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"targets": [address], "labels": {META + key: value for key, value in labels.items()}}
