"""The error that ends a command, and what errors of the Kubernetes API end it with."""

from __future__ import annotations

from simplemem_api import exits
from simplemem_operator.errors import ApiUnavailableError, ForbiddenError, OperatorError


class CommandError(Exception):
    """A command cannot go on; the message names the next step."""

    def __init__(self, message: str, exit_code: int = exits.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def exit_code_of(error: OperatorError) -> int:
    """The exit code that stands for an error of the Kubernetes API."""
    if isinstance(error, ForbiddenError):
        return exits.REFUSED
    return exits.UNREACHABLE if isinstance(error, ApiUnavailableError) else exits.FAILED
