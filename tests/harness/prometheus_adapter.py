"""A real prometheus-adapter beside a control plane: it serves what a Prometheus has measured to the autoscalers."""

import json
import os
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.harness.aggregated import AggregatedGuest
from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.ports import free_ports

PROGRAM = "prometheus-adapter"
"""Its name in the catalogue of programs."""

APIS = ("v1beta2.custom.metrics.k8s.io", "v1beta1.external.metrics.k8s.io", "v1beta1.metrics.k8s.io")
"""What autoscalers read: metrics of objects, metrics of anything, processors and memory of pods."""


class PrometheusAdapter(AggregatedGuest):
    """A prometheus-adapter that runs on entry and is gone on exit.

    Parameters
    ----------
    plane
        Control plane whose autoscalers it serves.
    folder
        Where its certificate and log go.
    prometheus
        Base URL of the Prometheus.
    config
        Content of its configuration: ``rules``, ``externalRules``, ``resourceRules``.
    """

    namespace = "prometheus-adapter"
    account = "prometheus-adapter"

    def __init__(self, plane: ControlPlane, folder: Path, prometheus: str, config: dict[str, Any]) -> None:
        super().__init__(plane, folder)
        self._prometheus = prometheus
        self._config = config
        self._program = ensure([PROGRAM])[PROGRAM]

    @override
    def _begin(self) -> None:
        self._create_account()
        (port,) = free_ports(1)
        certificates, kubeconfig = self._certificates(), self._kubeconfig()
        config = self._folder / "config.yaml"
        # JSON is YAML.
        config.write_text(json.dumps(self._config))
        command = [
            str(self._program), f"--prometheus-url={self._prometheus}", f"--config={config}",
            "--metrics-relist-interval=2s", "--metrics-max-age=60s", "--bind-address=127.0.0.1",
            f"--secure-port={port}", f"--tls-cert-file={certificates}/tls.crt",
            f"--tls-private-key-file={certificates}/tls.key", f"--lister-kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}", f"--authorization-kubeconfig={kubeconfig}",
        ]  # fmt: skip
        self._run(PROGRAM, command, dict(os.environ))
        for api in APIS:
            self._serve(api, port)
        for api in APIS:
            self._wait(api)
