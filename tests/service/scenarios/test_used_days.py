"""What a search finds is noted as used, by a real process that is told to stop."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from simplemem_service.ingest.used_days import digest
from tests.support.server import Server


def test_a_store_that_forgets_the_unused_notes_what_searches_find(tmp_path: Path) -> None:
    server = Server(tmp_path, retention={"unusedDays": 90})
    server.start()
    try:
        with httpx.Client(base_url=server.url, timeout=60) as client:
            server.wait_ready()
            given = [{"lossless_restatement": "Ada lives in Rome."}, {"lossless_restatement": "Bo plays chess."}]
            body = {"user_id": "u", "entries": given}
            client.post("/v1/entries", json=body, params={"wait": "true"}).raise_for_status()
            question = {"query": "Who plays chess?", "top_k": 1, "filter": {"user_id": "u"}}
            (hit,) = client.post("/v1/search", json=question).raise_for_status().json()["results"]
    finally:
        server.stop()
    names = {path.name: path for path in (server.data / "used").iterdir()}
    assert "since" in names
    (noted,) = [json.loads(path.read_text()) for name, path in names.items() if name.endswith(".json")]
    assert noted == [digest(hit["entry_id"])]
