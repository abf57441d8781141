"""`simplemem erase`: removes what a store keeps in its bucket. What the operator's Job runs once a store is deleted."""

from __future__ import annotations

import argparse
import asyncio
import os

from rich.console import Console

from simplemem_api import exits
from simplemem_service.commands.client import say
from simplemem_service.commands.errors import CommandError
from simplemem_service.commands.store_file import read_store
from simplemem_service.config import read_config
from simplemem_service.erasure import Eraser, place_to_erase
from simplemem_service.errors import ConfigError, ServiceError

SHOWN = 5
"""Names of what stays that a message repeats."""


def run(options: argparse.Namespace) -> int:
    """Remove; exit status 0 once nothing of the store is left."""
    store = read_store(options.file) if options.file else read_config(os.environ).store
    name = f"{store.namespace}/{store.name}"
    if options.store != name:
        raise CommandError(f"--store is '{options.store}'; to remove this store it must be '{name}'", exits.USAGE)
    try:
        eraser = Eraser(place_to_erase(store))
        erased = asyncio.run(eraser.erase())
    except ConfigError as error:
        raise CommandError(str(error), exits.USAGE) from error
    except ServiceError as error:
        raise CommandError(str(error)) from error
    if options.json:
        say({"place": eraser.url, "removed": erased.removed, "left": len(erased.left)})
        return exits.DONE
    told = f"{eraser.url}: {erased.removed} objects removed"
    if erased.left:
        told += f"; {len(erased.left)} that are not of this store stay: {', '.join(erased.left[:SHOWN])}"
    Console(soft_wrap=True).print(told, highlight=False)
    return exits.DONE
