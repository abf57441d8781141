"""`simplemem doctor`: what a cluster, a bucket and this machine lack for a store, each with the next step."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simplemem_api import exits
from simplemem_api.resolved import ResolvedStore
from simplemem_service.commands.client import say
from simplemem_service.commands.cluster_checks import Finding, Kubectl, State, check_cluster
from simplemem_service.commands.store_file import read_store
from simplemem_service.errors import ServiceError

MARKS = {State.OK: "[green]ok[/]", State.NOTE: "[yellow]note[/]", State.PROBLEM: "[red]problem[/]"}
KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "openai": "OPENAI_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "groq": "GROQ_API_KEY",
}
"""Environment variable of each provider's key, by the first part of a LiteLLM name."""


def run(options: argparse.Namespace) -> int:
    """Show what was found; exit status 1 if there is a problem."""
    store = read_store(options.file) if options.file else None
    findings = [*check_machine(store, os.environ)]
    if not options.local:
        findings += check_cluster(Kubectl(options.context), store)
    if options.json:
        say({"findings": [asdict(finding) for finding in findings]})
    else:
        Console().print(_table(findings))
    is_well = all(finding.state is not State.PROBLEM for finding in findings)
    return exits.DONE if is_well else exits.FAILED


def check_machine(store: ResolvedStore | None, environment: Mapping[str, str]) -> Iterator[Finding]:
    """What this machine has, and what a store needs of it under `simplemem up`."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("program", State.OK, f"simplemem {version('simplemem')}, Python {python}")
    if store is None:
        return
    if store.storage.s3 is not None:
        yield asyncio.run(_check_bucket(store))
    yield from _check_keys(store, environment)


async def _check_bucket(store: ResolvedStore) -> Finding:
    # Only here: it loads what talks to S3.
    from simplemem_service.storage.s3_blobs import S3BlobStore

    s3 = store.storage.s3
    if s3 is None:
        raise AssertionError("a store in a bucket has one")
    place = f"s3://{s3.bucket}/{s3.prefix}" + (f" at {s3.endpoint}" if s3.endpoint else "")
    blobs = S3BlobStore(s3)
    try:
        await blobs.check()
    except ServiceError as error:
        step = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY as the store's Secret has them; the bucket must exist"
        return Finding("bucket", State.PROBLEM, f"{place}: {error}", step)
    finally:
        await blobs.close()
    return Finding("bucket", State.OK, f"{place} can be written with the keys of this environment")


def _check_keys(store: ResolvedStore, environment: Mapping[str, str]) -> Iterator[Finding]:
    if store.llm.is_rules_by_choice or store.llm.api_base is not None:
        return
    for name in dict.fromkeys(KEYS.get(model.partition("/")[0], "") for model in store.llm.models):
        if not name:
            continue
        if environment.get(name):
            yield Finding("model key", State.OK, f"{name} is set in this environment")
        else:
            step = f"on a cluster: put it into the Secret of llm.secretName; here: export {name}; Rules mode needs none"
            yield Finding("model key", State.NOTE, f"{name} is not set in this environment", step)


def _table(findings: list[Finding]) -> Table:
    table = Table("check", "", "found", "next step")
    for one in findings:
        table.add_row(one.check, Text.from_markup(MARKS[one.state]), Text(one.found), Text(one.next_step))
    return table
