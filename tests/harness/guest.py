"""A program of other projects that runs beside a control plane, outside pods, with an account that may do anything."""

from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.harness.control_plane import ControlPlane
from tests.harness.process import Process


class Guest(ABC):
    """Runs on entry and is gone on exit; its objects stay.

    Parameters
    ----------
    plane
        Control plane that it works on.
    folder
        Where its files and logs go.
    """

    namespace: ClassVar[str]
    """Namespace of its objects."""
    account: ClassVar[str]
    """Name of its ServiceAccount."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self._folder = folder
        self._processes: list[Process] = []

    def __enter__(self) -> Self:
        """Install its objects and start it; what started is stopped again if something does not."""
        try:
            self._begin()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop it."""
        self.stop()

    def stop(self) -> None:
        """End its programs."""
        for process in reversed(self._processes):
            process.stop(within_seconds=5)

    def kubectl(self, *args: str, **options: Any) -> str:
        """kubectl in its namespace."""
        return self.plane.kubectl("-n", self.namespace, *args, **options)

    @abstractmethod
    def _begin(self) -> None:
        """Install its objects and start it."""

    def _create_account(self) -> None:
        """Make its namespace, and its account there."""
        self.plane.kubectl("create", "namespace", self.namespace)
        self.kubectl("create", "serviceaccount", self.account)
        subject = f"--serviceaccount={self.namespace}:{self.account}"
        self.plane.kubectl("create", "clusterrolebinding", self.account, "--clusterrole=cluster-admin", subject)

    def _kubeconfig(self) -> Path:
        """Credentials of its account."""
        return self.plane.service_account_kubeconfig(self.namespace, self.account)

    def _run(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a program of it."""
        process = Process(name, command, self._folder / f"{name}.log", environment)
        self._processes.append(process)
        process.start()
