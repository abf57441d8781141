"""A real KEDA beside a control plane: its operator, and the adapter that serves what it measures to the autoscalers.

Both run outside pods, so the adapter is reached by the name of an ExternalName Service; the API server must be told
``--enable-aggregator-routing=false``, or it looks for pods behind it.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.errors import HarnessError
from tests.harness.foreign_crds import KEDA as CRDS
from tests.harness.guest import Guest
from tests.harness.ports import free_ports
from tests.harness.steps import run

NAMESPACE = "keda"
"""Namespace of its objects."""

PROGRAMS = ("keda-operator", "keda-adapter")
"""What it consists of; its admission webhook is left out."""

API_SERVICE = "v1beta1.external.metrics.k8s.io"
"""API by which autoscalers read the adapter."""

READY_SECONDS = 60.0
"""How long it may take until the API is available, in seconds: some ten on a quiet machine."""


class Keda(Guest):
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
        self._wait()

    def log(self) -> str:
        """What its programs said last."""
        return "\n".join(process.tail() for process in self._processes)

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
        objects = {"apiVersion": "v1", "kind": "List", "items": _aggregation(secure)}
        self.plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(objects))

    def _certificates(self) -> Path:
        """Folder with a certificate that both programs have and trust."""
        folder = self._folder / "certs"
        folder.mkdir(parents=True)
        files: list[str | Path] = ["-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        run(["openssl", "req", "-x509", *key, *files, *names])
        (folder / "ca.crt").symlink_to("tls.crt")
        return folder

    def _wait(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            for process in self._processes:
                process.check_alive()
            found = json.loads(self.plane.kubectl("get", "apiservice", API_SERVICE, "-o", "json"))
            conditions = found.get("status", {}).get("conditions", [])
            if any(one["type"] == "Available" and one["status"] == "True" for one in conditions):
                return
            if time.monotonic() > deadline:
                raise HarnessError(f"{API_SERVICE} is not available: {conditions}\n{self.log()}")
            time.sleep(0.3)


def _aggregation(port: int) -> list[dict[str, Any]]:
    """What leads the API server to the adapter."""
    service = {"name": "keda-metrics-apiserver", "namespace": NAMESPACE, "port": port}
    group, version = "external.metrics.k8s.io", "v1beta1"
    spec = {"group": group, "version": version, "service": service, "insecureSkipTLSVerify": True}
    priorities = {"groupPriorityMinimum": 100, "versionPriority": 100}
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": service["name"], "namespace": NAMESPACE},
            "spec": {"type": "ExternalName", "externalName": "localhost"},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": API_SERVICE},
            "spec": spec | priorities,
        },
    ]
