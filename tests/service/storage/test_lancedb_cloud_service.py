"""A whole service whose tables lie on LanceDB Cloud and whose journal lies on its volume."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simplemem_service.config import Config, read_lancedb_host
from simplemem_service.errors import ConfigError
from simplemem_service.factory.parts import create_parts
from simplemem_service.storage.lance_cloud import CloudPlace
from simplemem_service.telemetry import Metrics
from tests.support.bucket import BUCKET, BucketServer, credentials
from tests.support.cloud_server import API_KEY, CloudServer
from tests.support.embedding import TinyEmbedding
from tests.support.server import Server, Starter, eventually, finish, list_sources, remember
from tests.support.stores import make_store

CLOUD = {"lanceDBCloud": {"uri": "db://memories", "apiKeySecretName": "cloud-key"}}


def found(server: Server, user: str, query: str) -> list[str]:
    with server.client() as client:
        answer = client.post("/v1/search", json={"query": query, "filter": {"user_id": user}})
        return [hit["lossless_restatement"] for hit in answer.raise_for_status().json()["results"]]


def test_a_service_remembers_finds_exports_removes_and_starts_again(
    make_server: Starter, cloud: CloudServer, tmp_path: Path
) -> None:
    server = make_server(tmp_path / "service", {**cloud.environment(), "SIMPLEMEM_CANARY_SECONDS": "0"}, storage=CLOUD)
    server.serve("all")
    server.wait_ready()
    with server.client() as client:
        remember(client, "ada", "Ada moved to Rome in May.", "Ada keeps two bee hives on the roof.")
        remember(client, "ben", "Ben repairs violins in Cremona.")
        assert any("Rome" in text for text in found(server, "ada", "Where did Ada move to?"))
        lines = client.get("/v1/export", params={"user_id": "ada"}).raise_for_status().text.splitlines()
        assert sum("Rome" in line for line in map(str, map(json.loads, lines))) >= 1
        entry = client.get("/v1/entries", params={"user_id": "ada", "limit": "1"}).json()["entries"][0]
        client.delete(f"/v1/entries/{entry['entry_id']}", params={"wait": "true"}).raise_for_status()
        assert len(list_sources(client, "ada")) == 1
        client.delete("/v1/entries", params={"user_id": "ben", "wait": "true"}).raise_for_status()
        assert list_sources(client, "ben") == []
        assert found(server, "ben", "violins") == []
    assert server.stop() == 0, server.log()[-2000:]
    server.serve("all")
    server.wait_ready()
    assert found(server, "ada", "bees on the roof")
    assert found(server, "ben", "violins") == []
    assert not list(server.folder.rglob("*.lance"))
    assert API_KEY not in server.log()


def test_an_outage_of_the_cloud_loses_no_accepted_turn(
    make_server: Starter, cloud: CloudServer, tmp_path: Path
) -> None:
    server = make_server(tmp_path / "service", {**cloud.environment(), "SIMPLEMEM_CANARY_SECONDS": "0"}, storage=CLOUD)
    server.serve("all")
    server.wait_ready()
    cloud.refused["/merge_insert/"] = (503, "out of order")
    with server.client() as client:
        turn = {"id": "t", "speaker": "Ada", "text": "Ada sails to Crete in June."}
        accepted = client.post("/v1/turns", json={"user_id": "ada", "session_id": "s", "turns": [turn]})
        assert accepted.status_code == 202
        eventually(lambda: cloud.bodies("/merge_insert/"), within=60, what="a merge that is refused")
        server.kill()
        cloud.refused.clear()
        server.serve("all")
        server.wait_ready()
        assert finish(client, accepted.json()["operation_id"])["state"] == "Succeeded"
        assert list_sources(client, "ada") == ["t"]


def test_pods_share_the_cloud_and_a_journal_in_a_bucket(
    make_server: Starter, cloud: CloudServer, bucket: BucketServer, tmp_path: Path
) -> None:
    journal = {"bucket": BUCKET, "endpoint": bucket.endpoint, "prefix": "shared"}
    storage = {"lanceDBCloud": {**CLOUD["lanceDBCloud"], "journal": journal}}
    settings = {**cloud.environment(), **credentials(), "SIMPLEMEM_CANARY_SECONDS": "0"}
    writer, one, two = [make_server(tmp_path / name, settings, storage=storage) for name in ("writer", "one", "two")]
    writer.serve("ingest")
    for reader in (one, two):
        reader.serve("retrieval")
    for server in (writer, one, two):
        server.wait_ready()
    with one.client() as client:
        remember(client, "ada", "Ada moved to Rome in May.")
    eventually(lambda: found(two, "ada", "Where did Ada move to?"), within=40, what="the turn in the other pod")
    writer.kill()
    with two.client() as client:
        turn = {"id": "t", "speaker": "Ada", "text": "Ada sails to Crete in June."}
        accepted = client.post("/v1/turns", json={"user_id": "ada", "session_id": "s", "turns": [turn]})
        assert accepted.status_code == 202
        writer.serve("ingest")
        writer.wait_ready()
        assert finish(client, accepted.json()["operation_id"])["state"] == "Succeeded"
    for reader in (one, two):
        eventually(
            lambda reader=reader: any("Crete" in text for text in found(reader, "ada", "sailing")),  # type: ignore[misc]
            within=40,
            what="what came while the writer was away",
        )
    assert not [name for _, name in bucket.requests() if "shared" in name and ".lance" in name]


def test_two_stores_share_a_database(make_server: Starter, cloud: CloudServer, tmp_path: Path) -> None:
    settings = {**cloud.environment(), "SIMPLEMEM_CANARY_SECONDS": "0"}
    servers = [make_server(tmp_path / name, settings, name=name, storage=CLOUD) for name in ("notes", "diary")]
    for number, server in enumerate(servers):
        server.serve("all")
        server.wait_ready()
        with server.client() as client:
            remember(client, "ada", f"Ada rents boat number {number + 3}.")
    for number, server in enumerate(servers):
        assert [f"number {number + 3}" in text for text in found(server, "ada", "Which boat?")] == [True]


def test_a_store_without_its_key_and_a_host_that_is_none_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LANCEDB_HOST is 'cloud'"):
        read_lancedb_host({"LANCEDB_HOST": "cloud"})
    assert read_lancedb_host({"LANCEDB_HOST": ""}) is None
    with pytest.raises(ConfigError, match="LANCEDB_API_KEY is missing"):
        create_parts(Config(make_store(storage=CLOUD), data=tmp_path), TinyEmbedding(), Metrics())
    config = Config(make_store(storage=CLOUD), data=tmp_path, lancedb_api_key="key-of-theirs")
    assert "key-of-theirs" not in repr(config)
    assert "key-of-theirs" not in repr(CloudPlace("db://x", "us-east-1", "key-of-theirs"))
