"""`simplemem backup`: has a running service copy its store, and waits for the end. What a CronJob runs."""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from simplemem_api import exits
from simplemem_service.api.access import Scope
from simplemem_service.api.token_file import read_own_token
from simplemem_service.commands.client import call, connect, say
from simplemem_service.commands.errors import CommandError
from simplemem_service.commands.phases import Phases

POLL_SECONDS = 1.0
"""Pause between two looks at the progress."""
AWAY_SECONDS = 180.0
"""How long a service that does not answer is waited for once a backup has begun: its pod may just be replaced."""


def run(options: argparse.Namespace) -> int:
    """Back up; exit status 0 once the copy is complete and verified."""
    options.token = options.token or _own_token(options.tokens)
    with connect(options) as client:
        backup: dict[str, Any] = call(client, "POST", "/v1/backup")
        if not options.no_wait:
            backup = _follow(client, backup["backup_id"])
    if options.json:
        say(backup)
    elif options.no_wait:
        Console().print(f"backup {backup['backup_id']} has begun")
    else:
        told = f"{backup['entries']} entries and {backup['turns']} turns"
        waiting = f", {backup['pending_turns']} turns in the journal" if backup["pending_turns"] else ""
        gone = f"; {len(backup['removed'])} older copies removed" if backup["removed"] else ""
        Console(soft_wrap=True).print(f"{backup['place']}: {told}{waiting}, verified{gone}", highlight=False)
    return exits.DONE


def _own_token(folder: str | None) -> str | None:
    """A token of the folder of a pod's tokens that may do it."""
    if not folder or not Path(folder).is_dir():
        return None
    token = read_own_token(Path(folder), Scope.ADMIN)
    if token is None and os.listdir(folder):  # noqa: PTH208 - whether there is anything
        told = (
            f"none of the tokens in {folder} has the scope admin, is bound to nobody and has not expired; add one to "
            "the token Secret"
        )
        raise CommandError(told, exits.REFUSED)
    return token


def _follow(client: httpx.Client, backup_id: str) -> dict[str, Any]:
    away_since: float | None = None
    with Phases() as phases:
        while True:
            try:
                backup: dict[str, Any] = call(client, "GET", f"/v1/backup/{backup_id}")
                away_since = None
            except httpx.TransportError:
                away_since = away_since or time.monotonic()
                if time.monotonic() - away_since > AWAY_SECONDS:
                    raise
                phases.show("waiting for the service", 0, 0)
            else:
                phases.show(backup["phase"] or "waiting for the writer", backup["done"], backup["total"])
                if backup["state"] == "Failed":
                    raise CommandError(f"backup {backup_id} failed: {backup['error']}; earlier copies are untouched")
                if backup["state"] == "Succeeded":
                    return backup
            time.sleep(POLL_SECONDS)
