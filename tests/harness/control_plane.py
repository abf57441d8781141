"""A real control plane on free loopback ports: etcd, kube-apiserver, kube-controller-manager, kube-scheduler.

It needs neither root nor a network namespace, and several run side by side. What it decides: which programs run, in
which order, and when they are ready. What flags they get stands in ``control_plane_flags``.

>>> with ControlPlane(tmp_path) as plane:
...     plane.kubectl("get", "namespaces")
...     plane.kubeconfig  # for a client library
"""

import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.harness import build
from tests.harness.control_plane_flags import (
    ADMIN,
    AUDIT_POLICY,
    CONTROLLER_MANAGER,
    SCHEDULER,
    ControlPlaneOptions,
    Places,
    api_server_flags,
    controller_manager_flags,
    etcd_flags,
    scheduler_config,
    scheduler_flags,
)
from tests.harness.errors import HarnessError
from tests.harness.kubeconfig import write_kubeconfig
from tests.harness.pki import Pki
from tests.harness.ports import free_ports
from tests.harness.process import Process
from tests.harness.steps import run

READY_SECONDS = 60.0
"""How long a program may take until it is ready: 4 s on a quiet machine, more when both cores compile."""

ENVIRONMENT = {"GOGC": "400", "GOMEMLIMIT": "3GiB"}
"""Environment of the programs unless ours says otherwise: garbage is collected a quarter as often while a program is
small, since cores are what tests wait for, and memory is not.
"""

SERVER_NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
"""DNS names under which the API server's certificate is valid; the cluster domain comes on top."""


class ControlPlane:
    """A control plane that starts on entry and is gone on exit.

    Parameters
    ----------
    state_dir
        Folder for its files; those of an earlier run there are taken up again, data included.
    options
        What runs, and how.
    """

    def __init__(self, state_dir: Path, options: ControlPlaneOptions | None = None) -> None:
        self.options = options or ControlPlaneOptions()
        names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl"]
        self._programs = build.ensure(names)
        state = state_dir.resolve()
        etcd_port, peer_port, free_port = free_ports(3)
        self.places = Places(state, Pki(state / "pki"), self.options.api_port or free_port, etcd_port, peer_port)
        self.server = f"https://127.0.0.1:{self.places.api_port}"
        self.kubeconfig = state / f"{ADMIN}.kubeconfig"
        self.audit_log = self.places.audit_log
        self._processes: dict[str, Process] = {}
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Self:
        """Start everything; what started is stopped again if something does not."""
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop everything."""
        self.stop()

    @property
    def processes(self) -> tuple[Process, ...]:
        """The programs that were started, in that order."""
        return tuple(self._processes.values())

    def process(self, name: str) -> Process:
        """The program of this name, as ``etcd`` or ``kube-apiserver``.

        Raises
        ------
        HarnessError
            If it was not started.
        """
        if name not in self._processes:
            raise HarnessError(f"'{name}' does not run here; running are {', '.join(self._processes)}")
        return self._processes[name]

    def start(self) -> None:
        """Start the programs one after the other and wait until each is ready.

        Raises
        ------
        HarnessError
            If one ends or is not ready in time; the message shows the end of its log.
        """
        self._write_files()
        self._launch("etcd", etcd_flags(self.places))
        policy = self.places.state / "audit-policy.json"
        self._launch("kube-apiserver", api_server_flags(self.places, self.options, policy))
        self._wait_for_api_server()
        if self.options.controllers:
            config = self.kubeconfig_for(CONTROLLER_MANAGER)
            flags = controller_manager_flags(self.places, self.options, config)
            self._launch("kube-controller-manager", flags, self.options.controller_manager_prefix)
        if self.options.has_scheduler:
            config = self.places.state / "scheduler.json"
            config.write_text(json.dumps(scheduler_config(self.kubeconfig_for(SCHEDULER))))
            self._launch("kube-scheduler", scheduler_flags(config))
        self._wait_for_controllers()

    def stop(self) -> None:
        """Stop what runs, clients before servers. Nothing happens if nothing runs."""
        for process in reversed(self.processes):
            # etcd is not asked to hand over leadership, and the API server not to drain: nobody is left to serve.
            process.stop(within_seconds=5)

    def kubectl(self, *args: str, stdin: str | None = None, timeout_seconds: float = 60) -> str:
        """Standard output of kubectl as ``admin``.

        Parameters
        ----------
        *args
            Arguments after the program's name.
        stdin
            Text for ``-f -``.
        timeout_seconds
            When to give up.

        Raises
        ------
        HarnessError
            If kubectl fails; the message holds what it printed.
        """
        words = [str(self._programs["kubectl"]), "--kubeconfig", str(self.kubeconfig), *args]
        return run(words, stdin=stdin, timeout_seconds=timeout_seconds)

    def kubeconfig_for(self, user: str) -> Path:
        """Kubeconfig of ``admin`` or of a user named in the options."""
        if user not in self._tokens:
            raise HarnessError(f"user '{user}' is unknown; name it in ControlPlaneOptions.users")
        return self._write_kubeconfig(user, self._tokens[user])

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Kubeconfig of a ServiceAccount that exists, valid for a day; it may do what RBAC grants, and no more."""
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=24h").strip()
        return self._write_kubeconfig(f"{namespace}.{name}", token)

    def writes(self, user: str | None = None) -> list[dict[str, Any]]:
        """Audit events of all write requests so far, oldest first.

        Parameters
        ----------
        user
            Only those of this user, as ``admin`` or ``system:serviceaccount:NAMESPACE:NAME``.
        """
        lines = self.audit_log.read_text().splitlines() if self.audit_log.exists() else []
        events = [json.loads(line) for line in lines if line.endswith("}")]
        return [event for event in events if user is None or event["user"]["username"] == user]

    @contextlib.contextmanager
    def paused(self, name: str = "kube-apiserver") -> Iterator[None]:
        """Let a program stand still for the block: its connections stay open, and nothing comes back on them."""
        self.process(name).pause()
        try:
            yield
        finally:
            self.process(name).resume()

    def stop_api_server(self, *, at_once: bool = False) -> None:
        """End the API server: connections are closed, and new ones refused.

        Parameters
        ----------
        at_once
            Kill it, instead of letting it finish requests.
        """
        process = self.process("kube-apiserver")
        if at_once:
            process.kill()
        else:
            # Left alone it would wait up to a minute for watches that their clients keep open.
            process.stop(within_seconds=3)

    def start_api_server(self) -> None:
        """Start the API server again on its old port and data, and wait until it is ready."""
        self.process("kube-apiserver").start()
        self._wait_for_api_server()

    def restart_api_server(self, *, down_seconds: float = 0.0) -> None:
        """End the API server, and start it again after the given time."""
        self.stop_api_server()
        time.sleep(down_seconds)
        self.start_api_server()

    def _write_files(self) -> None:
        state = self.places.state
        (state / "log").mkdir(parents=True, exist_ok=True)
        network = self.options.service_cidr.split("/")[0].rsplit(".", 1)[0]
        addresses = dict.fromkeys(["127.0.0.1", self.options.address, f"{network}.1"])
        self.places.pki.create(addresses, [*SERVER_NAMES, "kubernetes.default.svc.cluster.local"])
        (state / "audit-policy.json").write_text(json.dumps(AUDIT_POLICY))
        components: dict[str, tuple[str, ...]] = {CONTROLLER_MANAGER: (), SCHEDULER: ()}
        users = {ADMIN: ("system:masters",), **components, **self.options.users}
        self._tokens = self.places.pki.tokens(users)
        for user in users:
            self.kubeconfig_for(user)

    def _write_kubeconfig(self, name: str, token: str) -> Path:
        path = self.places.state / f"{name.replace(':', '.')}.kubeconfig"
        return write_kubeconfig(path, self.server, self.places.pki.ca, token)

    def _launch(self, name: str, flags: list[str], prefix: tuple[str, ...] = ()) -> None:
        log = self.places.state / "log" / f"{name}.log"
        process = Process(name, [*prefix, self._programs[name], *flags], log, {**ENVIRONMENT, **os.environ})
        self._processes[name] = process
        process.start()

    def _answers(self, *args: str) -> bool:
        try:
            self.kubectl(*args, "--request-timeout=5s", timeout_seconds=10)
        except HarnessError:
            return False
        return True

    def _wait_for_api_server(self) -> None:
        self.process("etcd").check_alive()
        process = self.process("kube-apiserver")
        process.wait_until(lambda: self._answers("get", "--raw", "/readyz"), "/readyz", READY_SECONDS)

    def _wait_for_controllers(self) -> None:
        """Wait for the account that pods need, which the controller-manager makes once its controllers run."""
        if "*" in self.options.controllers and "-serviceaccount-controller" not in self.options.controllers:
            process = self.process("kube-controller-manager")
            account = ("get", "serviceaccount", "default", "--namespace=default")
            process.wait_until(lambda: self._answers(*account), "creating ServiceAccount default", READY_SECONDS)
        for process in self.processes:
            process.check_alive()
