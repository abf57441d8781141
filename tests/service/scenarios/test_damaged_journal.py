"""A journal whose last bytes are missing: what was never acknowledged goes unseen, what was is missed loudly."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.support.server import Server, Starter, eventually, finish, list_sources, remember


@pytest.fixture
def server(tmp_path: Path, make_server: Starter) -> Server:
    server = make_server(tmp_path)
    server.start()
    server.wait_ready()
    return server


def leave_waiting(server: Server, *texts: str) -> list[str]:
    """Operations that were acknowledged and not worked off when the process was killed."""
    tables = server.data / "tables"
    with server.client() as client:
        tables.rename(tables.with_name("away"))
        tables.write_bytes(b"in the way")
        operations = []
        for number, text in enumerate(texts):
            turn = {"id": f"waiting-{number}", "speaker": "Ada", "text": text}
            answer = client.post("/v1/turns", json={"user_id": "ada", "session_id": "s", "turns": [turn]})
            operations.append(str(answer.raise_for_status().json()["operation_id"]))
    server.kill()
    tables.unlink()
    tables.with_name("away").rename(tables)
    return operations


def logged(server: Server, message: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in server.log().splitlines() if message in line]
    return [line for line in lines if line.get("message") == message]


def test_an_acknowledged_segment_that_was_cut_is_missed_loudly_and_the_rest_is_there(server: Server) -> None:
    with server.client() as client:
        remember(client, "ada", "I moved to Rome.")
    whole, cut = leave_waiting(server, "I have a cat.", "I swim.")
    waiting = sorted((server.data / "journal" / "open").iterdir())
    assert [path.name for path in waiting] == [one.rpartition(".")[0] for one in (whole, cut)]
    waiting[-1].write_bytes(waiting[-1].read_bytes()[:-10])
    server.start()
    server.wait_ready()
    with server.client() as client:
        assert finish(client, whole)["state"] == "Succeeded"
        ended = finish(client, cut)
        assert (ended["state"], ended["error"]) == ("Failed", "its journal segment is damaged and was set aside")
        assert list_sources(client, "ada") == ["ada-0", "waiting-0"]
        assert "simplemem_damaged_segments_total 1.0" in client.get("/metrics").text
        (line,) = logged(server, "journal segment set aside")
        assert (line["level"], line["segment"], line["turns"]) == ("error", waiting[-1].name, 1)
        told = server.readiness()["checks"]["ingest"]["message"]
        assert waiting[-1].name in told
        assert "'journal/damaged'" in told
        assert len((server.data / "journal" / "damaged" / waiting[-1].name).read_bytes()) > 0
        remember(client, "ben", "I play chess.")
    server.kill()
    server.start()
    server.wait_ready()
    eventually(lambda: waiting[-1].name in server.readiness()["checks"]["ingest"]["message"], within=40, what="told")


def test_what_was_cut_off_while_it_was_written_goes_unseen(server: Server) -> None:
    (kept,) = leave_waiting(server, "I have a cat.")
    (whole,) = (server.data / "journal" / "open").iterdir()
    unfinished = server.data / "tmp" / "cut-off"
    unfinished.write_bytes(whole.read_bytes()[:-10])
    long_ago = time.time() - 7200
    os.utime(unfinished, (long_ago, long_ago))
    server.start()
    server.wait_ready()
    with server.client() as client:
        assert finish(client, kept)["state"] == "Succeeded"
        remember(client, "ben", "I play chess.")
        assert list_sources(client, "ada") == ["waiting-0"]
        assert "simplemem_damaged_segments_total 0.0" in client.get("/metrics").text
    assert not unfinished.exists()
    (line,) = logged(server, "unfinished files of an earlier process removed")
    assert (line["level"], line["files"]) == ("warning", 1)
