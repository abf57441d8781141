"""A program beside a control plane that serves an API through it, as an APIService leads the API server there.

It runs outside pods, so the API server reaches it by the name of an ExternalName Service, and must be told
``--enable-aggregator-routing=false``, or it looks for pods behind it.
"""

import json
import time
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.guest import Guest
from tests.harness.steps import run

API_SERVER_FLAGS = ("--enable-aggregator-routing=false",)
"""What the API server must be told."""

READY_SECONDS = 60.0
"""How long it may take until an API is available, in seconds: some ten on a quiet machine."""


class AggregatedGuest(Guest):
    """A guest that serves APIs."""

    def log(self) -> str:
        """What its programs said last."""
        return "\n".join(process.tail() for process in self._processes)

    def _certificates(self) -> Path:
        """Folder with a certificate that all its programs have and trust."""
        folder = self._folder / "certs"
        folder.mkdir(parents=True)
        files: list[str | Path] = ["-keyout", folder / "tls.key", "-out", folder / "tls.crt"]
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        run(["openssl", "req", "-x509", *key, *files, *names])
        (folder / "ca.crt").symlink_to("tls.crt")
        return folder

    def _serve(self, api: str, port: int) -> None:
        """Lead the API server to a port of this machine for an API, named as its APIService is: version.group."""
        version, group = api.split(".", 1)
        service = {"name": f"{self.account}-{group.split('.')[0]}", "namespace": self.namespace}
        spec = {
            "group": group,
            "version": version,
            "service": service | {"port": port},
            "insecureSkipTLSVerify": True,
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        }
        objects = [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": service,
                "spec": {"type": "ExternalName", "externalName": "localhost"},
            },
            {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": api}, "spec": spec},
        ]
        listed = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.plane.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(listed))

    def _wait(self, api: str) -> None:
        """Return once the API server has found an API available."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            for process in self._processes:
                process.check_alive()
            found = json.loads(self.plane.kubectl("get", "apiservice", api, "-o", "json"))
            conditions = found.get("status", {}).get("conditions", [])
            if any(one["type"] == "Available" and one["status"] == "True" for one in conditions):
                return
            if time.monotonic() > deadline:
                raise HarnessError(f"{api} is not available: {conditions}\n{self.log()}")
            time.sleep(0.3)
