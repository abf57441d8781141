"""`simplemem restore`: brings a copy back into an empty store, or lists the copies there are.

On a laptop into the folder that `simplemem up` uses; in a pod, without `-f`, into the store that is mounted there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from simplemem_api import exits
from simplemem_api.resolved import ResolvedS3, ResolvedStore
from simplemem_api.storage_spec import S3StorageClass
from simplemem_service.backup.copies import list_copies
from simplemem_service.backup.manifest import ID_FORM, Manifest
from simplemem_service.backup.place import CopyPlace
from simplemem_service.commands.client import say
from simplemem_service.commands.errors import CommandError
from simplemem_service.commands.phases import Phases
from simplemem_service.commands.store_file import read_store
from simplemem_service.config import Config, read_config
from simplemem_service.errors import ServiceError
from simplemem_service.factory.storage import create_restorer


def run(options: argparse.Namespace) -> int:
    """Restore, or list; exit status 0 once the store is whole, verified and open."""
    config = _config(options)
    s3, copy_id = _source(options, config.store, os.environ)
    place = CopyPlace(s3, os.environ)
    try:
        if options.list:
            _show(asyncio.run(list_copies(place)), place, as_json=options.json)
            return exits.DONE
        copy = asyncio.run(_restore(config, place, copy_id))
    except CommandError:
        raise
    except ServiceError as error:
        raise CommandError(str(error)) from error
    told = f"{copy.rows('entries')} entries, {copy.rows('turns')} turns and {copy.pending_turns} turns in the journal"
    if options.json:
        say(_summary(copy))
    else:
        where = f"{config.store.namespace}/{config.store.name}"
        Console(soft_wrap=True).print(f"{where} is as it was at {copy.consistent_at}: {told}", highlight=False)
    return exits.DONE


async def _restore(config: Config, place: CopyPlace, copy_id: str | None) -> Manifest:
    with Phases() as phases:
        restorer = create_restorer(config, place, phases.show)
        copy = await restorer.choose(copy_id)
        await restorer.restore(copy)
    return copy


def _config(options: argparse.Namespace) -> Config:
    if options.file is None:
        return read_config(os.environ)
    store = read_store(options.file)
    return Config(store=store, data=Path(options.data).resolve() / store.namespace / store.name)


def _source(
    options: argparse.Namespace, store: ResolvedStore, environment: Mapping[str, str]
) -> tuple[ResolvedS3, str | None]:
    """Where the copies lie, and which one is meant."""
    named = store.backup.s3 if store.backup is not None else None
    if options.source is None:
        if named is None:
            raise CommandError("--from is missing, and the MemoryStore has no spec.backup.s3", exits.USAGE)
        return _with(named, options.endpoint, options.region), None
    scheme, _, rest = options.source.partition("://")
    bucket, _, prefix = rest.strip("/").partition("/")
    if scheme != "s3" or not bucket:
        raise CommandError(f"--from is '{options.source}'; it must be s3://BUCKET/PREFIX[/ID]", exits.USAGE)
    parts = prefix.split("/") if prefix else []
    copy_id = parts.pop() if parts and ID_FORM.fullmatch(parts[-1]) else None
    is_own = named is not None and named.bucket == bucket
    place = ResolvedS3(
        bucket=bucket,
        prefix="/".join(parts),
        region=(named.region if named and is_own else environment.get("AWS_REGION")) or "us-east-1",
        endpoint=named.endpoint if named and is_own else environment.get("AWS_ENDPOINT_URL"),
        credentials_secret_name=None,
        storage_class=S3StorageClass.STANDARD,
    )
    return _with(place, options.endpoint, options.region), copy_id


def _with(place: ResolvedS3, endpoint: str | None, region: str | None) -> ResolvedS3:
    return place.model_copy(update={"endpoint": endpoint or place.endpoint, "region": region or place.region})


def _summary(copy: Manifest) -> dict[str, object]:
    fields = asdict(copy)
    del fields["files"]
    return fields | {"size_bytes": copy.size_bytes, "entries": copy.rows("entries"), "turns": copy.rows("turns")}


def _show(copies: list[Manifest], place: CopyPlace, *, as_json: bool) -> None:
    if as_json:
        say([_summary(copy) for copy in copies])
        return
    table = Table("id", "store", "as of", "entries", "turns", "waiting", "MB", title=place.url(), title_justify="left")
    for copy in copies:
        size = f"{copy.size_bytes / 1e6:.1f}"
        figures = (copy.rows("entries"), copy.rows("turns"), copy.pending_turns)
        table.add_row(copy.copy_id, copy.store, copy.consistent_at[:19], *map(str, figures), size)
    Console().print(table)
