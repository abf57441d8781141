"""A real KEDA beside a control plane: its operator, and the adapter that serves what it measures to the autoscalers."""

import os
from pathlib import Path

from typing_extensions import override

from tests.harness.aggregated import AggregatedGuest
from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.foreign_crds import KEDA as CRDS
from tests.harness.ports import free_ports

NAMESPACE = "keda"
"""Namespace of its objects."""

PROGRAMS = ("keda-operator", "keda-adapter")
"""What it consists of; its admission webhook is left out."""

API = "v1beta1.external.metrics.k8s.io"
"""API by which autoscalers read the adapter."""


class Keda(AggregatedGuest):
    """KEDA that runs on entry and is gone on exit.

    Parameters
    ----------
    plane
        Control plane whose objects it scales.
    folder
        Where its certificate and logs go.
    """

    namespace = NAMESPACE
    account = "keda"

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        super().__init__(plane, folder)
        self._programs = ensure(PROGRAMS)

    @override
    def _begin(self) -> None:
        CRDS.install(self.plane)
        self._create_account()
        self._start(*free_ports(5))
        self._wait(API)

    def _start(self, *ports: int) -> None:
        grpc, probes, metrics, secure, more = ports
        certificates = self._certificates()
        kubeconfig = self._kubeconfig()
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "WATCH_NAMESPACE": "",
            "POD_NAMESPACE": NAMESPACE,
            "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
        }
        commands = {
            "keda-operator": [
                f"--cert-dir={certificates}", f"--metrics-service-bind-address=127.0.0.1:{grpc}",
                f"--health-probe-bind-address=127.0.0.1:{probes}", f"--metrics-bind-address=127.0.0.1:{metrics}",
                "--zap-log-level=info", "--zap-encoder=console",
            ],
            "keda-adapter": [
                f"--cert-dir={certificates}", f"--tls-cert-file={certificates}/tls.crt",
                f"--tls-private-key-file={certificates}/tls.key", f"--metrics-service-address=localhost:{grpc}",
                "--bind-address=127.0.0.1", f"--secure-port={secure}", f"--port={more}",
                f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
                f"--lister-kubeconfig={kubeconfig}",
            ],
        }  # fmt: skip
        for name, flags in commands.items():
            self._run(name, [str(self._programs[name]), *flags], environment)
        self._serve(API, secure)
