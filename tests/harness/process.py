"""A long-running program: started with a log of its own, watched, and stopped by its process id."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.harness.errors import HarnessError

TAIL_LINES = 25
"""How many lines at the end of a failing program's log an error shows."""

STOP_SECONDS = 15.0
"""How long a program may take to end after SIGTERM, in seconds, before SIGKILL."""


class Process:
    """One long-running program.

    Parameters
    ----------
    name
        Name in messages and of the log file.
    argv
        The program and its arguments.
    log
        File that takes its output; it is appended to, so a restart keeps the first run's lines.
    env
        Its environment; None: ours.
    """

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._argv = [*_bound_to_parent(), *(str(word) for word in argv)]
        self._env = env
        self._popen: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the running program."""
        if self._popen is None:
            raise HarnessError(f"{self.name} was not started")
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether the program was started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    def start(self) -> None:
        """Start the program in a session of its own, so that Ctrl-C reaches only the one who stops it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._popen = subprocess.Popen(
                self._argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
            )

    def wait_until(self, is_ready: Callable[[], bool], what: str, within_seconds: float) -> None:
        """Poll until the check holds.

        Raises
        ------
        HarnessError
            If the program ends first or the time runs out; the message shows the end of its log.
        """
        deadline = time.monotonic() + within_seconds
        while not is_ready():
            self.check_alive()
            if time.monotonic() > deadline:
                raise HarnessError(f"{self.name}: {what} did not hold within {within_seconds:.0f} s\n{self.tail()}")
            time.sleep(0.1)

    def check_alive(self) -> None:
        """Raise HarnessError with the end of the log if the program has ended."""
        if not self.is_running:
            status = "never started" if self._popen is None else f"ended with {self._popen.returncode}"
            raise HarnessError(f"{self.name} {status}\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of the log, under a line that names it."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = text.splitlines()[-TAIL_LINES:]
        return "\n".join([f"--- end of {self.log}", *lines])

    def pause(self) -> None:
        """Stop the program where it stands: it keeps its connections but answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused program go on."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End the program at once, without a chance to say good-bye, and wait for it."""
        if self._popen is not None and self._popen.poll() is None:
            self._popen.kill()
            self._popen.wait()

    def stop(self, within_seconds: float = STOP_SECONDS) -> None:
        """End the program: SIGTERM, and SIGKILL when that is not enough. Nothing happens if it has ended."""
        if self._popen is None or self._popen.poll() is not None:
            return
        self._popen.terminate()
        with contextlib.suppress(ProcessLookupError):
            self.resume()
        try:
            self._popen.wait(within_seconds)
        except subprocess.TimeoutExpired:
            self.kill()


def _bound_to_parent() -> list[str]:
    """Prefix that has the kernel end the program when the thread that started it ends, however it ends."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
