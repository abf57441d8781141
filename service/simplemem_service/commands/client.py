"""A running service as the commands see it: its errors become messages that name the next step."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import httpx

from simplemem_api import exits
from simplemem_service.commands.errors import CommandError

TIMEOUT_SECONDS = 60.0
"""Longest wait for an answer that is not streamed."""
PATIENCE_SECONDS = 60.0
"""How long a command comes again after 429 and 503."""
POLL_SECONDS = 0.05
"""First pause between two looks at an operation; doubled up to a second."""


@contextmanager
def connect(options: argparse.Namespace) -> Iterator[httpx.Client]:
    """A client of the service that the options name. Raises `CommandError` where it does not answer."""
    headers = {"Authorization": f"Bearer {options.token}"} if options.token else {}
    try:
        with httpx.Client(base_url=options.url, headers=headers, timeout=TIMEOUT_SECONDS) as client:
            yield client
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise CommandError(f"--url '{options.url}' is no address: {error}", exits.USAGE) from error
    except httpx.TransportError as error:
        reason = str(error) or type(error).__name__
        raise CommandError(
            f"{options.url} does not answer ({reason}); start one with `simplemem up -f FILE`, or name another with "
            "--url or SIMPLEMEM_URL",
            exits.UNREACHABLE,
        ) from error


class Answer(dict[str, Any]):
    """The body of an answer; a field that it lacks is told as what it is, a service of another kind.

    Parameters
    ----------
    url
        The address that gave it.
    fields
        What it says.
    """

    def __init__(self, url: object, fields: dict[str, Any]) -> None:
        super().__init__(fields)
        self._url = url

    def __missing__(self, field: str) -> NoReturn:
        """Raise `CommandError`."""
        raise unlike(self._url)


def call(client: httpx.Client, method: str, path: str, **options: Any) -> Answer:
    """The body of an answer; comes again a while if the service is busy or starting."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = client.request(method, path, **options)
        if answer.status_code not in (429, 503) or time.monotonic() > deadline:
            return read(answer)
        time.sleep(_pause(answer))


def read(answer: httpx.Response) -> Answer:
    """The body of an answer. Raises `CommandError` where it is an error."""
    if answer.is_error:
        raise refusal(answer)
    return body(answer)


def body(answer: httpx.Response) -> Answer:
    """The body of an answer of any status. Raises `CommandError` where it is none of SimpleMem's."""
    try:
        return Answer(answer.request.url, dict(answer.json()))
    except (ValueError, TypeError) as error:
        raise unlike(answer.request.url) from error


def unlike(url: object) -> CommandError:
    """What a service of another kind means to a user."""
    return CommandError(f"{url} answers something else than SimpleMem; check --url", exits.UNREACHABLE)


def _pause(answer: httpx.Response) -> float:
    # A proxy in between may name a date.
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isdigit() else 1.0


def refusal(answer: httpx.Response) -> CommandError:
    """What an error of the service means to a user."""
    try:
        problem = answer.json()
        told = f"{problem['code']}: {problem['detail']} (request {problem['request_id']})"
    except (ValueError, KeyError, TypeError):
        told = f"{answer.request.url} answers {answer.status_code}; check --url"
    if answer.status_code == 401:
        return CommandError(f"{told}; pass a token with --token or SIMPLEMEM_TOKEN", exits.REFUSED)
    if answer.status_code == 403:
        return CommandError(f"{told}; use a token that may", exits.REFUSED)
    if answer.status_code == 422:
        return CommandError(told, exits.USAGE)
    if answer.status_code == 503:
        return CommandError(f"{told}; `simplemem status` tells more", exits.UNREACHABLE)
    return CommandError(told, exits.FAILED)


def wait_ended(client: httpx.Client, operation_id: str) -> dict[str, Any]:
    """The operation once it has succeeded. Raises `CommandError` if it failed."""
    pause = POLL_SECONDS
    while True:
        ended = call(client, "GET", f"/v1/operations/{operation_id}")
        if ended["state"] == "Failed":
            raise CommandError(f"operation {operation_id} failed: {ended['error']}")
        if ended["state"] == "Succeeded":
            return ended
        time.sleep(pause)
        pause = min(2 * pause, 1.0)


def say(value: Any) -> None:
    """Print JSON for programs."""
    print(json.dumps(value, ensure_ascii=False, indent=2))  # noqa: T201 - a command speaks to its user
