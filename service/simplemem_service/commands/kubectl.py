"""The reader's own kubectl, through which `simplemem doctor` asks a cluster, with the reader's rights."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from simplemem_service.commands.findings import Finding, State

SECONDS = 20
"""How long one question may take."""


class Kubectl:
    """The reader's kubectl.

    Parameters
    ----------
    context
        Context of the kubeconfig; None: the current one.
    """

    def __init__(self, context: str | None) -> None:
        self._program = shutil.which("kubectl")
        self._options = ["--context", context] if context else []
        self.error = "" if self._program else "there is no kubectl on the PATH"

    @property
    def found_nothing(self) -> bool:
        """Whether the last call was answered that there is no such object."""
        return "(NotFound)" in self.error

    def read(self, *words: str) -> dict[str, Any] | None:
        """The JSON that a call gives; None if it fails, and then `error` says why."""
        if self._program is None:
            return None
        # What an earlier call said is not about this one.
        self.error = ""
        command = [self._program, *self._options, *words, "-o", "json", f"--request-timeout={SECONDS}s"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * SECONDS)  # noqa: S603 - no shell
        except subprocess.TimeoutExpired:
            self.error = f"kubectl did not answer within {2 * SECONDS} s"
            return None
        if done.returncode:
            self.error = done.stderr.strip().rpartition("\n")[2][:300]
            return None
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def items(self, *words: str) -> list[dict[str, Any]]:
        """The objects that a call lists; none where it fails, and then `error` says why."""
        return list((self.read("get", *words) or {}).get("items", ()))

    def unseen(self, check: str) -> Finding:
        """The finding of a check whose call has failed."""
        return Finding(check, State.NOTE, f"not known: {self.error}", "ask somebody who may read it in the cluster")
