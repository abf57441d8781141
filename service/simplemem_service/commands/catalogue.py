"""All commands: the only list of them. Each imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from simplemem_service.commands import arguments


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the command line."""

    name: str
    """What is typed."""
    help: str
    """What it does."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    """Declares what it takes."""
    module: str
    """Module of this package whose `run` carries it out."""

    def run(self, options: argparse.Namespace) -> int:
        """Carry it out; the exit status."""
        return int(import_module(f"simplemem_service.commands.{self.module}").run(options))


COMMANDS = (
    Command("up", "run a MemoryStore on this machine, in one process", arguments.add_up, "up"),
    Command("serve", "run in a container, as the operator configures it", arguments.add_nothing, "serve"),
    Command("cost", "show what a MemoryStore costs a month", arguments.add_cost, "cost"),
    Command("doctor", "show what a cluster, a bucket and this machine lack", arguments.add_doctor, "doctor"),
    Command("demo", "remember a sample conversation and ask it three questions", arguments.add_demo, "demo"),
    Command("ingest", "remember a conversation from a file", arguments.add_ingest, "ingest"),
    Command("search", "find memories", arguments.add_search, "search"),
    Command("status", "show what a store holds and how far it is behind", arguments.add_status, "status"),
    Command("export", "write everything that is remembered to a file", arguments.add_export, "export"),
    Command("import", "take over what an export wrote", arguments.add_import, "take_over"),
    Command("reembed", "move to the vectors of another model, or back", arguments.add_reembed, "reembed"),
    Command("backup", "copy a store to its bucket, and verify the copy", arguments.add_backup, "backup"),
    Command("restore", "bring a copy back into an empty store", arguments.add_restore, "restore"),
    Command("erase", "remove what a deleted store left in its bucket", arguments.add_erase, "erase"),
    Command("bench", "measure a running service", arguments.add_bench, "bench"),
    Command("completion", "print the completion script of a shell", arguments.add_completion, "completion"),
)
"""In the order of the help."""
