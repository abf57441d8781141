"""The command line; `commands/catalogue.py` lists what there is, `simplemem_api/exits.py` the exit codes."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from simplemem_api import exits
from simplemem_service.commands.catalogue import COMMANDS
from simplemem_service.commands.errors import CommandError
from simplemem_service.errors import ServiceError

REST_SECONDS = 0.1
"""Pause at the end of what spoke to a bucket: a thread of obstore that still hands over its last answer while the
interpreter ends would abort the process (seen in 7 of 25 runs; 0 of 25 with .05 s)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    parser = build_parser()
    if "_ARGCOMPLETE" in os.environ:
        from argcomplete import autocomplete

        autocomplete(parser)
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except ServiceError as error:
        print(f"simplemem: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to its user
        return error.exit_code if isinstance(error, CommandError) else exits.USAGE
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough; standard output must not be flushed again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.DONE
    finally:
        if "obstore" in sys.modules:
            time.sleep(REST_SECONDS)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="simplemem",
        description="Lifelong memory for LLM agents.",
        epilog="exit codes: 0 done, 1 nothing found or failed, 2 wrong usage or settings, 3 the service does not "
        "answer, 4 the token is not good for it",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        added = commands.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(added)
        added.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
