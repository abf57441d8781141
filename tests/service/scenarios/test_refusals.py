"""What a store does when its volume, its bucket, its model or its tokens are not as they should be."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.bucket import BucketServer, credentials
from tests.support.careless_bucket import careless_bucket
from tests.support.server import Server, eventually, finish, list_sources, remember
from tests.support.volumes import small_volume

TURN = {"speaker": "Ada", "text": "I moved to Rome."}
MINILM = {"model": "all-MiniLM-L6-v2"}


@contextmanager
def running(server: Server) -> Iterator[httpx.Client]:
    server.start()
    try:
        with server.client() as client:
            yield client
    finally:
        server.kill()


def test_a_full_volume_refuses_turns_keeps_answering_and_loses_nothing(tmp_path: Path) -> None:
    with small_volume(tmp_path / "data", size="4m"):
        server = Server(tmp_path)
        with running(server) as client:
            server.wait_ready()
            kept = remember(client, "ada", "I moved to Rome.")
            filler = tmp_path / "data" / "filler"
            with pytest.raises(OSError, match="No space"):
                filler.write_bytes(os.urandom(8_000_000))
            answer = client.post("/v1/turns", json={"user_id": "ada", "turns": [TURN | {"text": "x" * 50_000}]})
            assert (answer.status_code, answer.json()["code"]) == (503, "StorageUnavailable")
            assert answer.headers["retry-after"]
            eventually(lambda: server.reason("storage") == "StorageUnwritable", within=40, what="the reason at /readyz")
            assert "No space left" in server.readiness()["checks"]["storage"]["message"]
            assert client.get("/livez").status_code == 200
            found = client.post("/v1/search", json={"query": "Where does Ada live?", "filter": {"user_id": "ada"}})
            assert found.json()["results"][0]["sources"] == kept
            filler.unlink()
            server.wait_ready()
            remember(client, "ben", "I have a cat.")
            assert list_sources(client, "ada") == kept


def test_accepted_turns_wait_for_a_full_volume_to_have_room(tmp_path: Path) -> None:
    with small_volume(tmp_path / "data", size="4m"):
        server = Server(tmp_path)
        with running(server) as client:
            server.wait_ready()
            tables = server.data / "tables"
            tables.rename(tables.with_name("away"))
            tables.write_bytes(b"in the way")
            operation = client.post("/v1/turns", json={"user_id": "ada", "turns": [TURN]}).json()["operation_id"]
            eventually(lambda: server.reason("ingest") == "IngestFailing", within=40, what="the reason at /readyz")
            assert client.get(f"/v1/operations/{operation}").json()["state"] in ("Pending", "Running")
            tables.unlink()
            tables.with_name("away").rename(tables)
            assert finish(client, operation)["state"] == "Succeeded"
            eventually(lambda: server.reason("ingest") == "Ingesting", within=40, what="ingest works again")


def test_a_bucket_that_refuses_is_told_tried_again_and_used_when_it_is_there(tmp_path: Path) -> None:
    bucket = BucketServer(tmp_path)
    s3 = {"bucket": "memories", "prefix": "p", "endpoint": bucket.endpoint}
    server = Server(tmp_path, credentials(), tier="CostEffective", embedding=MINILM, storage={"s3": s3})
    with ExitStack() as stack:
        stack.callback(bucket.stop)
        client = stack.enter_context(running(server))
        eventually(lambda: server.reason("storage") == "BucketRefused", within=90, what="the reason at /readyz")
        assert client.get("/livez").status_code == 200
        refused = client.post("/v1/turns", json={"turns": [TURN]})
        assert (refused.status_code, refused.json()["code"]) == (503, "NotReady")
        bucket.start()
        server.wait_ready()
        kept = remember(client, "ada", "I moved to Rome.")
        bucket.stop()
        answer = client.post("/v1/turns", json={"turns": [TURN]})
        assert (answer.status_code, answer.json()["code"]) == (503, "StorageUnavailable")
        eventually(lambda: server.reason("storage") == "BucketRefused", within=30, what="the reason at /readyz")
        found = client.post("/v1/search", json={"query": "Where does Ada live?", "filter": {"user_id": "ada"}})
        assert found.json()["results"][0]["sources"] == kept
        bucket.start()
        server.wait_ready()
        remember(client, "ben", "I have a cat.")


def test_a_bucket_that_would_lose_what_it_was_given_gets_no_turn(tmp_path: Path) -> None:
    with careless_bucket(ignored=frozenset({"if-none-match", "if-match"})) as endpoint:
        s3 = {"bucket": "memories", "prefix": "p", "endpoint": endpoint}
        server = Server(tmp_path, credentials(), tier="CostEffective", embedding=MINILM, storage={"s3": s3})
        with running(server) as client:
            eventually(lambda: server.reason("storage") == "BucketRefused", within=90, what="the reason at /readyz")
            assert "ignores the header If-None-Match" in server.readiness()["checks"]["storage"]["message"]
            refused = client.post("/v1/turns", json={"turns": [TURN]})
            assert (refused.status_code, refused.json()["code"]) == (503, "NotReady")


def test_a_model_that_cannot_be_found_is_told_and_the_process_stays(tmp_path: Path) -> None:
    embedding = {"model": "no-such-owner/no-such-model", "dimension": 384}
    server = Server(tmp_path, {"HF_HUB_OFFLINE": "1"}, embedding=embedding)
    with running(server) as client:
        eventually(lambda: server.reason("embedding") == "ModelNotFound", within=90, what="the reason at /readyz")
        report = client.get("/readyz")
        assert report.status_code == 503
        assert "no-such-model" in report.json()["checks"]["embedding"]["message"]
        assert client.get("/livez").status_code == 200
        answer = client.post("/v1/search", json={"query": "Where?"})
        assert (answer.status_code, answer.json()["code"]) == (503, "NotReady")
        assert "no-such-model" in answer.json()["detail"]


def test_a_store_keeps_to_its_own_model_and_never_mixes(tmp_path: Path) -> None:
    server = Server(tmp_path, {"HF_HUB_OFFLINE": "1"})
    server.data.mkdir(parents=True)
    (server.data / "identity.json").write_text('{"model": "all-mpnet-base-v2", "dimension": 768}')
    with running(server) as client:
        eventually(lambda: server.reason("embedding") == "ModelNotFound", within=90, what="the reason at /readyz")
        assert "'all-mpnet-base-v2'" in server.readiness()["checks"]["embedding"]["message"]
        assert client.get("/livez").status_code == 200


def test_the_process_answers_while_the_model_loads(tmp_path: Path) -> None:
    server = Server(tmp_path)
    with running(server) as client:
        eventually(server.readiness, within=60, what="an answer")
        slowest, seen = 0.0, set()
        while not server.readiness().get("ready"):
            started = time.monotonic()
            assert client.get("/livez").status_code == 200
            slowest = max(slowest, time.monotonic() - started)
            seen.add(server.reason("embedding"))
        assert "ModelLoading" in seen
        assert slowest < 2


class Api:
    """The routes that tell or take something."""

    calls: tuple[tuple[str, str, dict[str, Any] | None], ...] = (
        ("POST", "/v1/turns", {"turns": [TURN]}),
        ("POST", "/compress", {"raw_conversation": "Ada: Hello"}),
        ("POST", "/retrieve", {"query": "Where?"}),
        ("POST", "/v1/search", {"query": "Where?"}),
        ("GET", "/v1/entries", None),
        ("GET", "/v1/entries/x", None),
        ("GET", "/v1/status", None),
        ("GET", "/v1/operations/x", None),
    )


def test_a_store_with_tokens_lets_in_whoever_has_one(tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "ci").write_text("first-token\n")
    server = Server(tmp_path, {"SIMPLEMEM_TOKENS": str(tokens)}, access={"tokenSecretName": "t"})
    with running(server) as client:
        server.wait_ready()
        for method, path, body in Api.calls:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic first-token"}):
                answer = client.request(method, path, json=body, headers=headers)
                assert (answer.status_code, answer.json()["code"]) == (401, "Unauthorized"), path
                assert answer.headers["www-authenticate"].startswith("Bearer")
            allowed = client.request(method, path, json=body, headers={"Authorization": "Bearer first-token"})
            assert allowed.status_code != 401, path
        for path in ("/livez", "/readyz", "/metrics", "/"):
            assert client.get(path).status_code == 200
        (tokens / "other").write_text("second-token")
        (tokens / "ci").unlink()

        def status(token: str) -> int:
            return client.get("/v1/status", headers={"Authorization": f"bearer {token}"}).status_code

        eventually(lambda: status("second-token") == 200, within=30, what="the new token")
        assert status("first-token") == 401
        (tokens / "other").unlink()
        eventually(lambda: status("second-token") == 401, within=30, what="nobody gets in without tokens")
        assert "second-token" not in server.log()
