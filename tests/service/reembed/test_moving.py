"""A store goes over to vectors of another model while turns and searches go on, and back; real models, real processes.

The second model is MiniLM cut in half and projected (`tests/support/models.py`): its vectors are of other length and
direction, which is all that the mechanics depend on.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.identity import advance_identity, confirm_identity, read_identity
from simplemem_service.storage.local_blobs import LocalBlobStore
from tests.support.bucket import BucketServer, credentials
from tests.support.models import SMALL_DIMENSION, SMALL_MODEL
from tests.support.server import Starter, eventually, finish, list_sources

MINILM = "all-MiniLM-L6-v2"
ENTRIES = 300


class Traffic:
    """Searches and turns that go on until told to stop."""

    def __init__(self, asked: str, told: str) -> None:
        self.failures: list[str] = []
        self.searches = 0
        self.acknowledged: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._search, args=(asked,))]
        self._threads += [threading.Thread(target=self._tell, args=(told,))]

    @contextmanager
    def running(self) -> Iterator[Traffic]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()

    def _search(self, url: str) -> None:
        number = 0
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self._stop.is_set():
                number = (number + 37) % ENTRIES
                body = {"query": f"Where is parcel number {number}?", "filter": {"user_id": "ada"}, "top_k": 5}
                answer = client.post("/v1/search", json=body)
                if answer.status_code != 200 or not answer.json()["results"]:
                    self.failures.append(answer.text[:200])
                self.searches += 1
                time.sleep(0.02)

    def _tell(self, url: str) -> None:
        with httpx.Client(base_url=url, timeout=30) as client:
            while not self._stop.is_set():
                name = f"during-{id(self)}-{len(self.acknowledged)}"
                turn = {"id": name, "speaker": "Ada", "text": f"I met Ben at gate {len(self.acknowledged)} today."}
                answer = client.post("/v1/turns", json={"user_id": "ada", "session_id": "later", "turns": [turn]})
                if answer.status_code != 202:
                    self.failures.append(answer.text[:200])
                self.acknowledged.append(name)
                time.sleep(0.1)


def fill(client: httpx.Client) -> None:
    turns = [
        {"id": f"t{n}", "speaker": "Ada", "text": f"Parcel number {n} lies on shelf {n * 7} of hall {n % 9}."}
        for n in range(ENTRIES)
    ]
    for start in range(0, ENTRIES, 100):
        body = {"user_id": "ada", "session_id": f"s{start}", "turns": turns[start : start + 100]}
        operation = client.post("/v1/turns", json=body).raise_for_status().json()["operation_id"]
        assert finish(client, operation)["state"] == "Succeeded"


def reembed(client: httpx.Client, path: str = "/v1/reembed", **body: str) -> str:
    answer = client.post(path, json=body or None)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["operation_id"])


def check_whole(client: httpx.Client, model: str, traffic: Traffic) -> None:
    """All that was acknowledged is there once, and is found by the vectors of a model."""

    def settled() -> bool:
        found = list_sources(client, "ada")
        assert len(found) == len(set(found)), "a turn is there twice"
        return len(found) == ENTRIES + len(traffic.acknowledged)

    eventually(settled, within=30, what="all turns")
    assert client.get("/v1/status").json()["model"] == model
    body = {"query": "Where is parcel number 123?", "filter": {"user_id": "ada"}, "top_k": 3}
    found = client.post("/v1/search", json=body).json()["results"]
    assert any("t123" in entry["sources"] for entry in found)
    assert traffic.failures == []
    assert traffic.searches > 0


def test_a_store_moves_on_is_killed_moves_back_and_loses_nothing(
    tmp_path: Path, make_server: Starter, models: Path
) -> None:
    server = make_server(tmp_path, {"SIMPLEMEM_MODELS": str(models)})
    server.start()
    server.wait_ready()
    with server.client() as client:
        fill(client)
        operation = reembed(client, model=SMALL_MODEL)
        eventually(lambda: client.get("/v1/status").json()["reembedding"], within=30, what="a job under way")
        server.kill()
        server.start()
        server.wait_ready()
        traffic = Traffic(server.url, server.url)
        with traffic.running():
            ended = finish(client, operation, within=120)
            assert (ended["state"], ended["error"]) == ("Succeeded", None)
            assert ended["done"] == ended["total"] >= ENTRIES
            time.sleep(1)
        check_whole(client, SMALL_MODEL, traffic)
        assert client.get("/v1/status").json()["dimension"] == SMALL_DIMENSION
        # The MemoryStore still names the other one.
        check = server.readiness()["checks"]["embedding"]
        assert (check["ok"], check["reason"]) == (True, "ModelMismatch")
        assert f"simplemem reembed --model {MINILM}" in check["message"]
        entry = client.get("/v1/entries", params={"user_id": "ada", "limit": "1"}).json()["entries"][0]["entry_id"]
        client.delete(f"/v1/entries/{entry}", params={"wait": "true"}).raise_for_status()

        ended = finish(client, reembed(client, "/v1/reembed/rollback"), within=120)
        assert ended["state"] == "Succeeded", ended
        status = client.get("/v1/status").json()
        assert (status["model"], status["entries"]) == (MINILM, ENTRIES + len(traffic.acknowledged) - 1)
        assert client.get(f"/v1/entries/{entry}").status_code == 404
        found = client.post(
            "/v1/search", json={"query": "Whom did I meet at a gate?", "filter": {"user_id": "ada"}}
        ).json()
        assert any("Ben" in one["lossless_restatement"] for one in found["results"])

        assert finish(client, reembed(client, "/v1/reembed/drop"))["state"] == "Succeeded"
        ended = finish(client, reembed(client, "/v1/reembed/rollback"))
        assert (ended["state"], "nothing to go back to" in ended["error"]) == ("Failed", True)
    assert len(list((server.data / "tables").glob("entries*.lance"))) == 1
    assert server.stop() == 0


def test_a_model_that_is_nowhere_ends_the_operation_and_changes_nothing(tmp_path: Path, make_server: Starter) -> None:
    server = make_server(tmp_path, {"HF_HUB_OFFLINE": "1"})
    server.start()
    server.wait_ready()
    with server.client() as client:
        ended = finish(client, reembed(client, model="no-such-owner/no-such-model"))
        assert (ended["state"], "no-such-model" in ended["error"]) == ("Failed", True)
        status = client.get("/v1/status").json()
        assert (status["model"], status["reembedding"], status["ready"]) == (MINILM, None, True)


def test_readers_of_a_bucket_follow_the_writer(
    tmp_path: Path, make_server: Starter, models: Path, bucket_server: BucketServer
) -> None:
    environment = {**credentials(), "SIMPLEMEM_MODELS": str(models)}
    s3 = {"bucket": "memories", "prefix": "reembed", "endpoint": bucket_server.endpoint}
    spec: dict[str, Any] = {"tier": "CostEffective", "storage": {"s3": s3}, "embedding": {"model": MINILM}}
    writer = make_server(tmp_path / "writer", environment, **spec)
    reader = make_server(tmp_path / "reader", environment, **spec)
    writer.serve("ingest")
    reader.serve("retrieval")
    writer.wait_ready()
    reader.wait_ready()
    with reader.client() as client:
        fill(client)
        traffic = Traffic(reader.url, reader.url)
        with traffic.running():
            ended = finish(client, reembed(client, model=SMALL_MODEL), within=180)
            assert ended["state"] == "Succeeded", ended
            time.sleep(1)
        check_whole(client, SMALL_MODEL, traffic)


async def test_a_generation_is_created_by_one_process_only(tmp_path: Path) -> None:
    blobs: BlobStore = LocalBlobStore(tmp_path)
    await confirm_identity(blobs, StoreIdentity("a", 8))
    following = StoreIdentity("b", 16, generation=1, table="entries-1", base=7, synced=3)
    assert await advance_identity(blobs, following)
    assert not await advance_identity(blobs, StoreIdentity("c", 16, generation=1, table="entries-2"))
    assert await read_identity(blobs) == following
    assert json.loads((tmp_path / "identity.json").read_text()) == {"model": "a", "dimension": 8}
