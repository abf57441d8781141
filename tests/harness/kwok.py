"""Nodes that exist on paper: KWOK answers for their kubelets, so hundreds of pods "run" in no memory at all.

The scheduler, the controllers and the API server are real; containers, volumes' contents and networks are not. What a
pod would say of itself over HTTP is said by ``answerer``.

>>> with ControlPlane(tmp_path) as plane, Kwok(plane) as kwok:
...     kwok.add_nodes([FakeNode("cpu-1", "zone-a"), FakeNode("gpu-1", "zone-a", gpus=1)])
...     kwok.add_volumes(10)
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.ports import free_ports
from tests.harness.process import Process

GPU = "nvidia.com/gpu"
"""Resource, and taint of nodes that have it."""

T4_LABELS = {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}
"""Labels that GKE gives to nodes with a T4."""

STORAGE_CLASS = "standard"
"""Default class; its volumes are made by hand, so that no directory appears on this machine."""

POD_CIDR = "10.88.0.0/16"
"""Where pods get addresses from, which lead nowhere."""

STAGES = Path(__file__).resolve().parent / "stages" / "kwok.yaml"
"""What nodes and pods do."""

FAULT = "harness.simplemem.io/fault"
"""Annotation by which a pod asks for a fault; ``ImagePull``: its image is not found."""

READY_SECONDS = 60.0
"""How long the nodes may take to become Ready, in seconds."""


@dataclass(frozen=True)
class FakeNode:
    """A node."""

    name: str
    """Its name."""
    zone: str
    """Its zone."""
    gpus: int = 0
    """GPUs of kind T4."""
    gpu_labels: Mapping[str, str] = field(default_factory=lambda: T4_LABELS)
    """What a node that has some is labelled with."""
    gpu_taints: Mapping[str, str] = field(default_factory=lambda: {GPU: "present"})
    """Keys and values of the taints that keep others from it."""
    cpu: str = "64"
    """Processors."""
    memory: str = "256Gi"
    """Memory."""
    pods: int = 1000
    """Most pods."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """More labels."""

    @property
    def manifest(self) -> dict[str, Any]:
        """The Node."""
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
            "topology.kubernetes.io/zone": self.zone,
            **(self.gpu_labels if self.gpus else {}),
            **self.labels,
        }
        resources = {"cpu": self.cpu, "memory": self.memory, "pods": str(self.pods)}
        resources |= {GPU: str(self.gpus)} if self.gpus else {}
        keys = self.gpu_taints if self.gpus else {}
        taints = [{"key": key, "value": value, "effect": "NoSchedule"} for key, value in keys.items()]
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": self.name, "labels": labels, "annotations": {"kwok.x-k8s.io/node": "fake"}},
            "spec": {"taints": taints},
            "status": {"capacity": resources, "allocatable": resources},
        }


@dataclass(frozen=True)
class Kubelet:
    """What the nodes answer where the API server asks their kubelets."""

    log: Path
    """File that every container is said to have written."""
    service_port: int
    """Port of this machine where port-forwards to any port of any pod end."""

    @property
    def config(self) -> str:
        """The same for KWOK."""
        forward = {"target": {"address": "127.0.0.1", "port": self.service_port}}
        specs = {
            "ClusterLogs": {"logs": [{"logsFile": str(self.log), "follow": False}]},
            "ClusterPortForward": {"forwards": [forward]},
        }
        documents = [
            {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": kind, "metadata": {"name": "all"}, "spec": spec}
            for kind, spec in specs.items()
        ]
        return "\n---\n".join(json.dumps(document) for document in documents)


class Kwok:
    """KWOK beside a control plane; it starts on entry and is gone on exit.

    Parameters
    ----------
    plane
        A control plane that runs.
    kubelet
        What the nodes answer; None: they answer nothing.
    """

    def __init__(self, plane: ControlPlane, kubelet: Kubelet | None = None) -> None:
        self._plane = plane
        self._volumes = 0
        flags = [f"--kubeconfig={plane.kubeconfig}", "--manage-all-nodes", f"--config={STAGES}", f"--cidr={POD_CIDR}"]
        # Leases stand for the kubelets' heartbeats: far less is written than by patching every node.
        flags += ["--node-lease-duration-seconds=40", "--v=WARN"]
        if kubelet is not None:
            flags += _kubelet_flags(plane, kubelet)
        self.process = Process("kwok", [str(ensure(["kwok"])["kwok"]), *flags], plane.places.state / "log" / "kwok.log")

    def __enter__(self) -> Self:
        """Start it."""
        self.process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it; the nodes stay behind and become unreachable."""
        self.process.stop(within_seconds=5)

    def add_nodes(self, nodes: Iterable[FakeNode]) -> None:
        """Register nodes and wait until all are Ready.

        Raises
        ------
        HarnessError
            If KWOK ends or a node does not become Ready.
        """
        found = list(nodes)
        self._plane.kubectl("create", "-f", "-", stdin=_list([node.manifest for node in found]))
        names = [f"node/{node.name}" for node in found]
        self.process.check_alive()
        self._plane.kubectl("wait", "--for=condition=Ready", *names, f"--timeout={READY_SECONDS:.0f}s")

    def add_volumes(self, count: int, size: str = "1Ti") -> None:
        """Make volumes for claims to bind, and at the first call the default StorageClass."""
        manifests: list[dict[str, Any]] = []
        if not self._volumes:
            manifests.append(
                {
                    "apiVersion": "storage.k8s.io/v1",
                    "kind": "StorageClass",
                    "metadata": {
                        "name": STORAGE_CLASS,
                        "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                    },
                    "provisioner": "kubernetes.io/no-provisioner",
                }
            )
        manifests += [_volume(number, size) for number in range(self._volumes, self._volumes + count)]
        self._volumes += count
        self._plane.kubectl("create", "-f", "-", stdin=_list(manifests), timeout_seconds=300)


def _kubelet_flags(plane: ControlPlane, kubelet: Kubelet) -> list[str]:
    (port,) = free_ports(1)
    pki, config = plane.places.pki, plane.places.state / "kubelet.yaml"
    config.write_text(kubelet.config)
    return [
        f"--config={config}",
        "--node-ip=127.0.0.1",
        f"--node-port={port}",
        f"--server-address=127.0.0.1:{port}",
        f"--tls-cert-file={pki.certificate('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
    ]


def _volume(number: int, size: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"paper-{number:04}"},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": STORAGE_CLASS,
            "hostPath": {"path": "/nonexistent"},
        },
    }


def _list(items: list[dict[str, Any]]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
