"""`simplemem doctor`: what a cluster, a bucket and this machine lack for a store, each with the next step."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version

from rich.console import Console
from rich.table import Table
from rich.text import Text

from simplemem_api import exits
from simplemem_api.resolved import ResolvedStore
from simplemem_service.commands.bucket_checks import try_buckets
from simplemem_service.commands.client import say
from simplemem_service.commands.cluster_checks import check_cluster
from simplemem_service.commands.findings import Finding, State
from simplemem_service.commands.key_checks import check_keys
from simplemem_service.commands.kubectl import Kubectl
from simplemem_service.commands.store_file import read_store

MARKS = {State.OK: "[green]ok[/]", State.NOTE: "[yellow]note[/]", State.PROBLEM: "[red]problem[/]"}


def run(options: argparse.Namespace) -> int:
    """Show what was found; exit status 1 if there is a problem."""
    store = read_store(options.file) if options.file else None
    findings = [*check_machine(store)]
    if not options.local:
        findings += check_cluster(Kubectl(options.context), store)
    elif store is not None:
        findings += try_buckets(store)
    if options.json:
        say({"findings": [asdict(finding) for finding in findings]})
    else:
        Console().print(_table(findings))
    is_well = all(finding.state is not State.PROBLEM for finding in findings)
    return exits.DONE if is_well else exits.FAILED


def check_machine(store: ResolvedStore | None) -> Iterator[Finding]:
    """What this machine has, and what a store needs of it under `simplemem up`."""
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("program", State.OK, f"simplemem {version('simplemem-kubernetes')}, Python {python}")
    if store is not None:
        yield from check_keys(store)


def _table(findings: list[Finding]) -> Table:
    table = Table("check", "")
    for name in ("found", "next step"):
        # Addresses and names are of use only whole.
        table.add_column(name, overflow="fold")
    for one in findings:
        table.add_row(one.check, Text.from_markup(MARKS[one.state]), Text(one.found), Text(one.next_step))
    return table
