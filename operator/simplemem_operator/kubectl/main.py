"""The command line of `kubectl smem`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from simplemem_api import exits
from simplemem_operator.errors import OperatorError
from simplemem_operator.kubectl.bundle import support_bundle
from simplemem_operator.kubectl.errors import CommandError, exit_code_of
from simplemem_operator.kubectl.logs import logs
from simplemem_operator.kubectl.search import search
from simplemem_operator.kubectl.session import open_session
from simplemem_operator.kubectl.stores import cost, tier_advice, top

EXITS = (
    "exit codes: 0 done, 1 nothing found or failed, 2 wrong usage or settings, 3 the API server or the store does not "
    "answer, 4 not allowed"
)
COMPONENTS = ("retrieval", "ingest", "embedding", "redis", "backup")
"""Parts of a store that run pods."""


def main() -> None:
    """Run the command and end with its exit code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command; the exit code."""
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.command(open_session(options), options)
    except CommandError as error:
        print(f"kubectl smem: {error}", file=sys.stderr)
        return error.exit_code
    except OperatorError as error:
        print(f"kubectl smem: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    return code


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser("kubectl smem", description="MemoryStores for those who run them.", epilog=EXITS)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = _common()

    def add(name: str, command: object, text: str, *, needs_name: bool = False) -> argparse.ArgumentParser:
        child = commands.add_parser(name, help=text, description=text.capitalize(), parents=[common], epilog=EXITS)
        child.set_defaults(command=command)
        child.add_argument("name", nargs=None if needs_name else "?", help="name of a MemoryStore")
        return child

    add("top", top, "size, backlog and load of stores")
    add("cost", cost, "what stores cost a month, part by part")
    add("tier-advice", tier_advice, "whether the tier of each store fits, and which one would")
    _add_logs(add("logs", logs, "what the pods of a store wrote", needs_name=True))
    _add_search(add("search", search, "ask a store", needs_name=True))
    bundle = add("support-bundle", support_bundle, "stores, children, events and logs in one archive, without secrets")
    bundle.add_argument("-o", "--output", type=Path, help="file to write; it must not exist yet")
    return parser


def _common() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    where = common.add_mutually_exclusive_group()
    where.add_argument("-n", "--namespace", help="namespace; that of the context where none is named")
    where.add_argument("-A", "--all-namespaces", action="store_true", help="all namespaces")
    common.add_argument("--context", help="context of the kubeconfig")
    common.add_argument("--kubeconfig", help="file with credentials; KUBECONFIG where none is named")
    common.add_argument("--json", action="store_true", help="JSON for programs")
    return common


def _add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-c", "--component", choices=COMPONENTS, help="one part of the store only")
    parser.add_argument("--tail", type=int, default=100, help="lines of each container (100)")
    parser.add_argument("--since-seconds", type=int, help="lines of the last so many seconds only")
    parser.add_argument("-p", "--previous", action="store_true", help="of the containers before their last restart")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines, by kubectl logs")


def _add_search(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("question", help="what to ask")
    parser.add_argument("-u", "--user", help="this user's memories only")
    parser.add_argument("-k", "--top", type=int, help="how many to show, at most")
    parser.add_argument(
        "--token-file", type=Path, help="file with the store's token; SIMPLEMEM_TOKEN where none is named"
    )


if __name__ == "__main__":
    main()
