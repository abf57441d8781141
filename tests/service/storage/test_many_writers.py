"""Processes that append to one table at once, from which a lease keeps those of the service: LanceDB's own part."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from simplemem_service.config import read_config
from simplemem_service.factory.storage import create_blobs, create_storage
from simplemem_service.models.query import EntryFilter
from tests.support.appender import TINY
from tests.support.bucket import BUCKET, BucketServer
from tests.support.server import ROOT
from tests.support.stores import make_store

PROCESSES = 4
ROWS_EACH = 10
ROWS = 1 + PROCESSES * ROWS_EACH
"""One that all of them append, and each one's own."""


@pytest.mark.parametrize("place", ["folder", "bucket"])
async def test_what_four_processes_append_at_once_is_there_once(
    place: str, tmp_path: Path, bucket: BucketServer
) -> None:
    s3 = {"bucket": BUCKET, "prefix": "four-appenders", "endpoint": bucket.endpoint}
    spec: dict[str, Any] = {"storage": {"s3": s3}} if place == "bucket" else {"tier": "Minimal"}
    (tmp_path / "store.json").write_text(make_store(**spec).model_dump_json(by_alias=True))
    place_of = {"SIMPLEMEM_STORE_FILE": str(tmp_path / "store.json"), "SIMPLEMEM_DATA": str(tmp_path / "data")}
    config = read_config(place_of)
    storage, _ = create_storage(config, create_blobs(config))
    await storage.open(TINY)
    append_at_once(place_of)
    counts = await storage.counts()
    assert (counts.entries, counts.turns) == (ROWS, ROWS)
    found = await storage.list_entries(EntryFilter(), after=-1, limit=2 * ROWS)
    assert [entry.text for entry in found] == [f"text {number}" for number in range(ROWS)]
    await storage.close()


def append_at_once(place_of: dict[str, str]) -> None:
    """Let processes append, none before all are ready."""
    paths = os.pathsep.join(str(ROOT / part) for part in (".", "crds", "service"))
    environment = {**os.environ, **place_of, "PYTHONPATH": paths}
    command = [sys.executable, "-m", "tests.support.appender"]
    with ExitStack() as started:
        processes = []
        for number in range(PROCESSES):
            numbers = [str(1 + number * ROWS_EACH), str(ROWS_EACH)]
            process = subprocess.Popen(
                [*command, *numbers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            started.enter_context(process)
            started.callback(process.kill)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.wait(60) for process in processes] == [0] * PROCESSES
