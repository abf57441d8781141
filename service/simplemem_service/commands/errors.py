"""The error that ends a command."""

from __future__ import annotations

from simplemem_api import exits
from simplemem_service.errors import ServiceError


class CommandError(ServiceError):
    """A command cannot go on; the message names the next step."""

    def __init__(self, message: str, exit_code: int = exits.FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code
