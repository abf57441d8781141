"""Steps that say what they do and how long it took, and the one way to run a short program."""

import contextlib
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.harness.errors import HarnessError

TAIL_CHARACTERS = 4000
"""How much of a failing program's output an error shows: the end, where the cause stands."""


@contextlib.contextmanager
def step(text: str) -> Iterator[None]:
    """Print the text when the block ends, with its time in seconds.

    Parameters
    ----------
    text
        What the block does, as a noun phrase or an imperative.
    """
    started = time.monotonic()
    try:
        yield
    except BaseException:
        print(f"  {time.monotonic() - started:7.1f} s  {text}: FAILED", flush=True)
        raise
    print(f"  {time.monotonic() - started:7.1f} s  {text}", flush=True)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: str | bytes | None = None,
    timeout_seconds: float = 600,
) -> str:
    """Standard output of a program that must succeed.

    Raises
    ------
    HarnessError
        If the program cannot be started, ends with another status than 0, or exceeds the time; the message holds the
        end of its output.
    """
    words = [str(word) for word in argv]
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            words, env=env, cwd=cwd, input=data, capture_output=True, timeout=timeout_seconds, check=False
        )
    except FileNotFoundError as error:
        raise HarnessError(f"program '{words[0]}' was not found; install it or put it on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise HarnessError(f"'{' '.join(words)}' did not end within {timeout_seconds:.0f} s") from error
    if done.returncode != 0:
        output = (done.stdout + done.stderr).decode(errors="replace")[-TAIL_CHARACTERS:]
        raise HarnessError(f"'{' '.join(words)}' ended with {done.returncode}:\n{output}")
    return done.stdout.decode(errors="replace")
