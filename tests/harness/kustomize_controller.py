"""A real kustomize-controller of Flux beside a control plane, and the commits of a repository that it is shown.

Flux's source-controller is left out: it would clone a repository and serve each commit as a tarball, which is done here
in its place, by the status that it would write. Nor is there a helm-controller.
"""

import hashlib
import json
import os
import tarfile
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.flux import install_crds
from tests.harness.guest import Guest
from tests.harness.ports import free_ports

NAMESPACE = "flux-system"
"""Namespace of its objects."""

PROGRAM = "kustomize-controller"
"""Name of the program."""


class KustomizeController(Guest):
    """A kustomize-controller that runs on entry and is gone on exit.

    Parameters
    ----------
    plane
        Control plane that it keeps in step.
    folder
        Where its files and logs go.
    """

    namespace = NAMESPACE
    account = PROGRAM

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        super().__init__(plane, folder)
        self._artifacts = folder / "artifacts"
        self._artifacts.mkdir(parents=True)
        handler = partial(_Quiet, directory=str(self._artifacts))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)

    @override
    def _begin(self) -> None:
        # First, since a server that was never begun cannot be stopped.
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        install_crds(self.plane, self._folder / "crds")
        self._create_account()
        environment = {**os.environ, "KUBECONFIG": str(self._kubeconfig()), "RUNTIME_NAMESPACE": NAMESPACE}
        (health,) = free_ports(1)
        flags = [f"--health-addr=127.0.0.1:{health}", "--metrics-addr=0", "--requeue-dependency=1s"]
        self._run(PROGRAM, [str(ensure([PROGRAM])[PROGRAM]), *flags], environment)

    @override
    def stop(self) -> None:
        super().stop()
        self._server.shutdown()
        self._server.server_close()

    def commit(self, repository: str, files: Mapping[str, str]) -> str:
        """Revision of a new commit of a GitRepository that holds these files, by their paths, and no others."""
        body = _tarball(files)
        digest = hashlib.sha256(body).hexdigest()
        (self._artifacts / f"{digest}.tar.gz").write_bytes(body)
        revision = f"main@sha1:{digest[:40]}"
        url = f"http://127.0.0.1:{self._server.server_port}/{digest}.tar.gz"
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        artifact = {"url": url, "path": f"{digest}.tar.gz", "digest": f"sha256:{digest}"}
        artifact |= {"revision": revision, "lastUpdateTime": moment}
        self._patch_status("gitrepository", repository, {"artifact": artifact})
        self.make_ready("gitrepository", repository)
        return revision

    def make_ready(self, kind: str, name: str) -> None:
        """Say of an object what the controller that is left out would say."""
        generation = json.loads(self.kubectl("get", kind, name, "-o", "json"))["metadata"]["generation"]
        moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "by the test"}
        condition = {**ready, "lastTransitionTime": moment, "observedGeneration": generation}
        self._patch_status(kind, name, {"observedGeneration": generation, "conditions": [condition]})

    def _patch_status(self, kind: str, name: str, status: Mapping[str, Any]) -> None:
        patch = json.dumps({"status": status})
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing."""


def _tarball(files: Mapping[str, str]) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, BytesIO(text.encode()))
    return buffer.getvalue()
