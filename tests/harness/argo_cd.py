"""A real Argo CD beside a control plane: repo server, the controllers of Applications and of sets of them, and Redis.

It has no user interface and no users; what it does is told by the Application objects. Git repositories are folders,
named by ``file://`` addresses.
"""

import base64
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.harness.foreign_crds import ARGO_CD
from tests.harness.guest import Guest
from tests.harness.packages import install
from tests.harness.ports import free_ports
from tests.harness.steps import run

NAMESPACE = "argocd"
"""Namespace of its objects."""

RESYNC_SECONDS = 3
"""How often it looks into Git."""

CONFIG_MAPS = ("argocd-rbac-cm", "argocd-gpg-keys-cm", "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm")
"""ConfigMaps that must be there, empty."""


class ArgoCd(Guest):
    """Argo CD that runs on entry and is gone on exit.

    Parameters
    ----------
    plane
        Control plane that it keeps in step with Git.
    folder
        Where its files and logs go.
    """

    namespace = NAMESPACE
    account = "argocd"

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        install({"redis-server": "redis-server", "git": "git"})
        super().__init__(plane, folder)
        self._program = ensure(["argocd"])["argocd"]

    @override
    def _begin(self) -> None:
        self._install()
        self._start()

    def _install(self) -> None:
        ARGO_CD.install(self.plane)
        self._create_account()
        objects = [*_configuration(), self._cluster(), _project()]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
        self.kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def _cluster(self) -> dict[str, Any]:
        """The cluster itself, which outside a pod has no address of its own accord."""
        token = self.kubectl("create", "token", self.account, "--duration=24h").strip()
        authority = base64.b64encode(self.plane.places.pki.ca.read_bytes()).decode()
        config = {"bearerToken": token, "tlsClientConfig": {"caData": authority}}
        data = {"name": "here", "server": self.plane.server, "config": json.dumps(config)}
        return _object("Secret", "here", data, {"argocd.argoproj.io/secret-type": "cluster"})

    def _start(self) -> None:
        redis, repo, *others = free_ports(8)
        programs = self._folder / "bin"
        programs.mkdir(parents=True)
        for name in ("argocd-repo-server", "argocd-application-controller", "argocd-applicationset-controller"):
            (programs / name).symlink_to(self._program)
        (programs / "helm").symlink_to(ensure(["helm"])["helm"])
        environment = self._environment(programs)
        store = ["--redis", f"127.0.0.1:{redis}"]
        server = ["--repo-server", f"127.0.0.1:{repo}", "--repo-server-plaintext"]
        here = ["--namespace", NAMESPACE, "--loglevel", "warn"]
        resync = ["--app-resync", str(RESYNC_SECONDS), "--app-resync-jitter", "0", "--self-heal-timeout-seconds", "1"]
        ports = [f"127.0.0.1:{port}" for port in others]
        commands = {
            "redis-server": ["--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            "argocd-repo-server": [
                *store, "--port", str(repo), "--address", "127.0.0.1", "--metrics-address", "127.0.0.1",
                "--metrics-port", str(others[0]), "--disable-tls", "--loglevel", "warn",
            ],
            "argocd-application-controller": [*store, *server, *here, *resync, "--metrics-port", str(others[1])],
            "argocd-applicationset-controller": [
                *here, "--argocd-repo-server", f"127.0.0.1:{repo}", "--repo-server-plaintext",
                "--metrics-addr", ports[2], "--probe-addr", ports[3], "--webhook-addr", ports[4],
            ],
        }  # fmt: skip
        for name, flags in commands.items():
            path = shutil.which(name, path=f"{programs}{os.pathsep}{os.environ['PATH']}") or name
            self._run(name, [path, *flags], environment)

    def _environment(self, programs: Path) -> dict[str, str]:
        paths = {name: self._folder / name.lower() for name in ("TLS", "SSH", "GPG")}
        for path in [*paths.values(), self._folder / "tmp"]:
            path.mkdir(parents=True)
        return {
            **os.environ,
            **{f"ARGOCD_{name}_DATA_PATH": str(path) for name, path in paths.items()},
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_RECONCILIATION_TIMEOUT": f"{RESYNC_SECONDS}s",
            "ARGOCD_RECONCILIATION_JITTER": "0s",
            "ARGOCD_PLUGINSOCKFILEPATH": str(self._folder),
            "KUBECONFIG": str(self._kubeconfig()),
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(self._folder / "tmp"),
        }


class GitRepository:
    """A folder with a branch ``main``, as a team keeps its stores in.

    Parameters
    ----------
    folder
        Where it lies; made here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        """Address for Argo CD."""
        return f"file://{self._folder}"

    def commit(self, files: Mapping[str, str | None]) -> None:
        """Commit files by their paths, each with its text, or None to remove it."""
        for name, text in files.items():
            path = self._folder / name
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        self._git("add", "--all")
        who = ("-c", "user.name=team", "-c", "user.email=team@example.com")
        self._git(*who, "commit", "--quiet", "--message", "Change stores")

    def _git(self, *words: str) -> None:
        run(["git", "-C", self._folder, *words])


def _object(kind: str, name: str, data: Mapping[str, str], labels: Mapping[str, str] | None = None) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": NAMESPACE,
        "labels": {"app.kubernetes.io/part-of": "argocd", **(labels or {})},
    }
    field = "stringData" if kind == "Secret" else "data"
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, field: dict(data)}


def _configuration() -> list[dict[str, Any]]:
    empty = [_object("ConfigMap", name, {}) for name in CONFIG_MAPS]
    settings = {"timeout.reconciliation": f"{RESYNC_SECONDS}s"}
    secret = _object("Secret", "argocd-secret", {"server.secretkey": "of no use without users"})
    return [*empty, _object("ConfigMap", "argocd-cm", settings), secret]


def _project() -> dict[str, Any]:
    anything = {"group": "*", "kind": "*"}
    spec = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": [anything],
    }
    metadata = {"name": "default", "namespace": NAMESPACE}
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata, "spec": spec}
