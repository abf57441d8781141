"""Exit codes of the command line, and the errors that lead to them.

0    done
1    nothing found, not ready, or the operation failed
2    wrong usage or settings
3    the service does not answer
4    the token is missing, wrong, or not enough
130  interrupted
"""

from __future__ import annotations

from simplemem_service.errors import ServiceError

DONE = 0
FAILED = 1
USAGE = 2
UNREACHABLE = 3
REFUSED = 4
INTERRUPTED = 130


class CommandError(ServiceError):
    """A command cannot go on; the message names the next step."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
