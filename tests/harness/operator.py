"""The operator as a program beside a control plane, under the account and the roles that the chart renders.

A right that the chart does not give is missing here too.
"""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.harness.build import ensure
from tests.harness.catalogue import KUBERNETES_VERSION
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import wait_established
from tests.harness.errors import HarnessError
from tests.harness.paths import REPOSITORY
from tests.harness.ports import free_ports
from tests.harness.process import Process

CHART = REPOSITORY / "charts" / "simplemem-operator"
"""The chart."""

PYTHON = REPOSITORY / ".venv" / "operator" / "bin" / "python"
"""Interpreter of the operator's environment."""

SYSTEM = "simplemem-system"
"""Namespace of the operator."""

ACCOUNT = "simplemem"
"""Release, and by that the operator's ServiceAccount."""

WRITER = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
"""The operator as the audit log names it."""

ACCESS_KINDS = (
    "CustomResourceDefinition",
    "ServiceAccount",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
)
"""What an operator that runs outside the cluster needs of the chart."""


def install_access(plane: ControlPlane, *sets: str, account: str = ACCOUNT) -> Path:
    """Install what the chart gives an operator, and the kubeconfig of its account.

    Parameters
    ----------
    plane
        Where to.
    *sets
        Values of the chart as ``name=value``.
    account
        Name of the release.
    """
    if not plane.kubectl("get", "namespace", SYSTEM, "--ignore-not-found"):
        plane.kubectl("create", "namespace", SYSTEM)
    helm = str(ensure(["helm"])["helm"])
    command = [helm, "template", account, str(CHART), "-n", SYSTEM, "--kube-version", KUBERNETES_VERSION]
    command += [part for value in sets for part in ("--set", value)]
    documents = _documents(plane, subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    wanted = [document for document in documents if document["kind"] in ACCESS_KINDS]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": wanted})
    plane.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=listed)
    wait_established(plane, "memorystores.simplemem.io")
    return plane.service_account_kubeconfig(SYSTEM, account)


def _documents(plane: ControlPlane, rendered: str) -> list[dict[str, Any]]:
    """The objects of a rendered chart; kubectl reads the YAML, since the standard library cannot."""
    flags = ["--dry-run=client", "--validate=false", "-o", "json"]
    text = plane.kubectl("create", *flags, "-f", "-", stdin=rendered)
    decoder, position = json.JSONDecoder(), 0
    found: list[dict[str, Any]] = []
    while position < len(text.rstrip()):
        document, position = decoder.raw_decode(text, position)
        found += document["items"] if document["kind"] == "List" else [document]
        position += len(text[position:]) - len(text[position:].lstrip())
    return found


class Operator:
    """The operator as a program.

    Parameters
    ----------
    kubeconfig
        Credentials.
    folder
        Where its log goes.
    name
        Name of the process in messages.
    flags
        More flags.
    sources
        A checkout whose operator runs; None: this one's.
    """

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        name: str = "operator",
        flags: Sequence[str] = (),
        sources: Path | None = None,
    ) -> None:
        (self.port,) = free_ports(1)
        words = [PYTHON, "-m", "simplemem_operator", "--kubeconfig", kubeconfig, "--metrics-port", self.port]
        words += ["--poll-seconds", "5", "--service-image", "example.com/service:1", *flags]
        paths = {"PYTHONPATH": f"{sources / 'crds'}:{sources / 'operator'}"} if sources else {}
        self.process = Process(name, [str(word) for word in words], folder / f"{name}.log", {**os.environ, **paths})

    def start(self) -> None:
        """Run it until it answers.

        Raises
        ------
        HarnessError
            If it ends or does not answer in time.
        """
        self.process.start()
        self.process.wait_until(lambda: self.healthz()[0] == 200, "/healthz", 30)

    def stop(self) -> None:
        """End it as a kubelet would."""
        self.process.stop(within_seconds=10)

    def healthz(self) -> tuple[int, str]:
        """Status and text of its liveness."""
        return self._probe("/healthz")

    def readyz(self) -> tuple[int, str]:
        """Status and text of its readiness."""
        return self._probe("/readyz")

    def _probe(self, path: str) -> tuple[int, str]:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except (URLError, OSError):
            return 0, ""

    def metrics(self, prefix: str) -> dict[str, float]:
        """Samples whose name begins with the prefix."""
        with urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(prefix)}

    def resident_bytes(self, *, most: bool = False) -> int:
        """Memory that it holds now, or the most it ever held, in bytes.

        Raises
        ------
        HarnessError
            If it does not run.
        """
        name = "VmHWM:" if most else "VmRSS:"
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        for line in status.splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
        raise HarnessError(f"process {self.process.pid} has no {name}")
