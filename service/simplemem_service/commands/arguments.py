"""The arguments of each command; nothing is imported here that takes time."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8000"
"""Where `simplemem up` listens."""


def add_up(parser: argparse.ArgumentParser) -> None:
    """Arguments of `up`."""
    _add_file(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on; 0 picks a free one (default 8000)")
    parser.add_argument("--data", type=Path, default=Path(".simplemem"), help="folder of the data (default .simplemem)")


def add_nothing(_parser: argparse.ArgumentParser) -> None:
    """A command without arguments."""


def add_cost(parser: argparse.ArgumentParser) -> None:
    """Arguments of `cost`."""
    parser.add_argument("-f", "--file", type=Path, help="YAML file with one MemoryStore; without it all tiers")
    parser.add_argument("--fragments", type=_count, help="turns remembered a month, where not the reference 10000")
    parser.add_argument("--queries", type=_count, help="questions asked a month, where not the reference 1000")
    parser.add_argument(
        "--prices", type=Path, help="file of prices in place of the built-in ones, as the operator takes"
    )
    _add_json(parser)


def add_doctor(parser: argparse.ArgumentParser) -> None:
    """Arguments of `doctor`."""
    parser.add_argument("-f", "--file", type=Path, help="YAML file with the MemoryStore that is to run")
    parser.add_argument("--context", help="context of the kubeconfig (default: the current one)")
    parser.add_argument("--local", action="store_true", help="look at this machine and the bucket, at no cluster")
    _add_json(parser)


def add_demo(parser: argparse.ArgumentParser) -> None:
    """Arguments of `demo`."""
    parser.add_argument("-f", "--file", type=Path, help="the MemoryStore to run for it (default: tier Minimal)")
    parser.add_argument("--url", help="use a service that runs already, instead of starting one")
    parser.add_argument("--token", default=os.environ.get("SIMPLEMEM_TOKEN"), help="bearer token of that service")
    parser.add_argument("--port", type=int, default=8000, help="port to listen on (default 8000)")
    parser.add_argument("--data", type=Path, help="folder of the data (default: a temporary one, removed at the end)")


def add_ingest(parser: argparse.ArgumentParser) -> None:
    """Arguments of `ingest`."""
    _add_service(parser)
    parser.add_argument("file", help="conversation to remember: text, or JSON lines of turns; - for standard input")
    _add_user(parser)
    parser.add_argument("--session", help="which conversation (default: the file's name)")
    parser.add_argument(
        "--format", choices=("auto", "text", "jsonl"), default="auto", help="what the file holds (default auto)"
    )
    parser.add_argument("--no-wait", action="store_true", help="end once the turns are durable, not yet searchable")


def add_search(parser: argparse.ArgumentParser) -> None:
    """Arguments of `search`."""
    _add_service(parser)
    parser.add_argument("query", help="the question")
    _add_user(parser)
    parser.add_argument("--session", help="only this conversation")
    parser.add_argument("--person", action="append", default=[], help="only where this person takes part; repeatable")
    parser.add_argument("-k", "--top-k", type=int, help="how many memories (default: the store's)")
    parser.add_argument("--max-tokens", type=int, help="longest context (default: the store's)")
    parser.add_argument("--context", action="store_true", help="print the context for a prompt instead of a table")
    parser.add_argument("--explain", action="store_true", help="show each signal's share of the score")


def add_status(parser: argparse.ArgumentParser) -> None:
    """Arguments of `status`."""
    _add_service(parser)


def add_export(parser: argparse.ArgumentParser) -> None:
    """Arguments of `export`."""
    _add_service(parser)
    _add_user(parser)
    parser.add_argument("-o", "--output", default="-", help="file to write (default: standard output)")
    parser.add_argument("--resume", action="store_true", help="go on with a file whose export was cut off")


def add_import(parser: argparse.ArgumentParser) -> None:
    """Arguments of `import`."""
    _add_service(parser)
    parser.add_argument("file", help="file that `simplemem export` wrote; - for standard input")
    parser.add_argument("--compress", action="store_true", help="make memories of the turns, instead of keeping them")


def add_reembed(parser: argparse.ArgumentParser) -> None:
    """Arguments of `reembed`."""
    _add_service(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="the model to go over to, as spec.embedding.model names it")
    what.add_argument("--rollback", action="store_true", help="use the vectors of before again")
    what.add_argument("--drop-old", action="store_true", help="let go of the vectors of before, and of the way back")
    parser.add_argument("--wait", action="store_true", help="show the progress, and end once all searches use them")


def add_backup(parser: argparse.ArgumentParser) -> None:
    """Arguments of `backup`."""
    _add_service(parser)
    tokens = os.environ.get("SIMPLEMEM_TOKENS")
    parser.add_argument("--tokens", default=tokens, help="folder of tokens to pick one from (default SIMPLEMEM_TOKENS)")
    parser.add_argument("--no-wait", action="store_true", help="end once it has begun")


def add_restore(parser: argparse.ArgumentParser) -> None:
    """Arguments of `restore`."""
    source = "s3://BUCKET/PREFIX, or one copy: s3://BUCKET/PREFIX/ID (default: spec.backup.s3; the newest copy)"
    parser.add_argument("--from", dest="source", metavar="S3_URL", help=source)
    store = "YAML file with the MemoryStore to restore into (default: the one that is mounted in this pod)"
    parser.add_argument("-f", "--file", type=Path, help=store)
    parser.add_argument("--data", type=Path, default=Path(".simplemem"), help="folder of the data (default .simplemem)")
    parser.add_argument("--list", action="store_true", help="show the copies there are, and restore nothing")
    parser.add_argument("--endpoint", help="address of an S3-compatible server (default: spec.backup.s3.endpoint)")
    parser.add_argument("--region", help="region of the bucket (default: spec.backup.s3.region)")
    _add_json(parser)


def add_erase(parser: argparse.ArgumentParser) -> None:
    """Arguments of `erase`."""
    confirm = "the store that is meant, so that no other is removed by mistake"
    parser.add_argument("--store", metavar="NAMESPACE/NAME", required=True, help=confirm)
    store = "YAML file with the MemoryStore (default: the one that is mounted in this pod)"
    parser.add_argument("-f", "--file", type=Path, help=store)
    _add_json(parser)


def add_bench(parser: argparse.ArgumentParser) -> None:
    """Arguments of `bench`."""
    _add_service(parser)
    parser.add_argument("--turns", type=int, default=200, help="turns to remember first (default 200)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to search (default 5)")
    parser.add_argument("--concurrency", type=int, default=4, help="searches at a time (default 4)")


def add_completion(parser: argparse.ArgumentParser) -> None:
    """Arguments of `completion`."""
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="which shell")


def _add_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--file", type=Path, required=True, help="YAML file with one MemoryStore")


def _add_service(parser: argparse.ArgumentParser) -> None:
    url, token = os.environ.get("SIMPLEMEM_URL", DEFAULT_URL), os.environ.get("SIMPLEMEM_TOKEN")
    parser.add_argument("--url", default=url, help=f"the service (default: SIMPLEMEM_URL, else {DEFAULT_URL})")
    parser.add_argument("--token", default=token, help="bearer token (default: SIMPLEMEM_TOKEN)")
    _add_json(parser)


def _add_user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--user", help="whose memory")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' must be a whole number from 0")
    return int(text)
