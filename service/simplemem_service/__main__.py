"""The command line. Subcommands import what they need when they run, so that `--help` and `cost` are quick."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simplemem_service.errors import ServiceError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit status."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except ServiceError as error:
        print(f"simplemem: {error}", file=sys.stderr)  # noqa: T201 - a command speaks to its user
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simplemem", description="Lifelong memory for LLM agents.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_up(commands)
    _add_serve(commands)
    _add_cost(commands)
    _add_demo(commands)
    return parser


def _add_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    up = commands.add_parser("up", help="run a MemoryStore on this machine, in one process")
    _add_file(up)
    up.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    up.add_argument("--port", type=int, default=8000, help="port to listen on; 0 picks a free one (default 8000)")
    up.add_argument("--data", type=Path, default=Path(".simplemem"), help="folder of the data (default .simplemem)")
    up.set_defaults(run=_run_up)


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="run in a container, as the operator configures it")
    serve.set_defaults(run=_run_serve)


def _add_cost(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cost = commands.add_parser("cost", help="show what a MemoryStore costs a month")
    _add_file(cost)
    cost.add_argument("--json", action="store_true", help="print JSON instead of a table")
    cost.set_defaults(run=_run_cost)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    demo = commands.add_parser("demo", help="remember a sample conversation and ask it three questions")
    demo.add_argument("-f", "--file", type=Path, help="the MemoryStore to run for it (default: tier Minimal)")
    demo.add_argument("--url", help="use a service that runs already, instead of starting one")
    demo.add_argument("--token", help="bearer token of that service")
    demo.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    demo.add_argument("--data", type=Path, help="folder of the data (default: a temporary one, removed at the end)")
    demo.set_defaults(run=_run_demo)


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, required=True, help="YAML file with one MemoryStore")


def _run_up(options: argparse.Namespace) -> int:
    from simplemem_service.commands.up import run_up

    return run_up(options.file, host=options.host, port=options.port, data=options.data)


def _run_serve(_options: argparse.Namespace) -> int:
    from simplemem_service.commands.serve import run_serve

    return run_serve()


def _run_cost(options: argparse.Namespace) -> int:
    from simplemem_service.commands.cost import run_cost

    return run_cost(options.file, as_json=options.json)


def _run_demo(options: argparse.Namespace) -> int:
    from simplemem_service.commands.demo import run_demo

    return run_demo(options.file, url=options.url, token=options.token, port=options.port, data=options.data)


if __name__ == "__main__":
    sys.exit(main())
