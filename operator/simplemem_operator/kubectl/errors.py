"""Exit codes, the same as those of `simplemem`, and the error that leads to them.

0    done
1    nothing found, or it failed
2    wrong usage or settings
3    the API server or the store does not answer
4    not allowed
130  interrupted
"""

from __future__ import annotations

from simplemem_operator.errors import ApiUnavailableError, ForbiddenError, OperatorError

DONE = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
REFUSED = 4
INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on; the message names the next step."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def exit_code_of(error: OperatorError) -> int:
    """The exit code that stands for an error of the Kubernetes API."""
    if isinstance(error, ForbiddenError):
        return REFUSED
    return UNREACHABLE if isinstance(error, ApiUnavailableError) else FAILED
