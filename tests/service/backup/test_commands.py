"""`simplemem backup` and `simplemem restore`, as users and CronJobs run them: real processes, a real bucket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket import BUCKET, BucketServer, credentials
from tests.support.server import ROOT, Server, Starter, eventually, list_sources, remember

TEXTS = ("I keep the parcel in hall 7.", "The red tandem stands in Ghent.", "Ring twice on Friday.")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = f"{ROOT / 'crds'}:{ROOT / 'service'}"
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "COLUMNS": "200", **credentials(), **environment}
    command = [sys.executable, "-m", "simplemem_service", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=settings, timeout=60)


def to_bucket(bucket: BucketServer, prefix: str) -> dict[str, Any]:
    return {"s3": {"bucket": BUCKET, "prefix": prefix, "endpoint": bucket.endpoint}, "keep": 2}


def found(server: Server, question: str) -> list[str]:
    with server.client() as client:
        answer = client.post("/v1/search", json={"query": question, "filter": {"user_id": "ada"}, "top_k": 1})
        return [str(entry["sources"][0]) for entry in answer.raise_for_status().json()["results"]]


def test_a_store_is_copied_listed_and_restored_by_commands(
    tmp_path: Path, bucket: BucketServer, make_server: Starter
) -> None:
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    (tokens / "reader").write_text('{"token": "reader-secret", "scopes": ["read"]}')
    spec: dict[str, Any] = {"backup": to_bucket(bucket, uuid.uuid4().hex), "access": {"tokenSecretName": "t"}}
    server = make_server(tmp_path / "old", {**credentials(), "SIMPLEMEM_TOKENS": str(tokens)}, **spec)
    server.start()
    server.wait_ready()
    pod = {"SIMPLEMEM_URL": server.url, "SIMPLEMEM_TOKENS": str(tokens)}
    refused = run("backup", **pod)
    assert (refused.returncode, "none of the tokens" in refused.stderr) == (4, True), refused.stderr
    (tokens / "root").write_text("root-secret")
    with server.client(headers={"Authorization": "Bearer root-secret"}) as client:
        eventually(lambda: client.get("/v1/status").status_code == 200, within=30, what="the new token")
        assert client.get("/v1/backup").json() == {"current": None, "last": None, "last_succeeded": None}
        kept = remember(client, "ada", *TEXTS)
        made = run("backup", **pod)
        assert made.returncode == 0, made.stderr
        assert "3 entries and 3 turns, verified" in made.stdout
        last = client.get("/v1/backup").json()["last_succeeded"]
        assert (last["state"], last["entries"], last["turns"]) == ("Succeeded", 3, 3)
    report = server.readiness()
    assert report["checks"]["backup"]["reason"] == "BackedUp"
    assert report["figures"]["last_backup_seconds"] > 1_700_000_000
    assert server.stop() == 0

    file = str(tmp_path / "old" / "store.yaml")
    copies = json.loads(run("restore", "--list", "-f", file, "--json").stdout)
    assert [(copy["copy_id"], copy["entries"]) for copy in copies] == [(last["backup_id"], 3)]
    occupied = run("restore", "-f", file, "--data", str(tmp_path / "old" / "data"))
    assert (occupied.returncode, "the store is not empty" in occupied.stderr) == (1, True), occupied.stderr
    restored = run("restore", "-f", file, "--data", str(tmp_path / "new" / "data"), "--from", last["place"],
                   "--endpoint", bucket.endpoint)  # fmt: skip
    assert restored.returncode == 0, restored.stderr
    assert "3 entries, 3 turns" in restored.stdout
    again = make_server(tmp_path / "new", compression={"densityThreshold": "0"})
    again.start()
    again.wait_ready()
    with again.client() as client:
        assert sorted(list_sources(client, "ada")) == kept
    assert found(again, "Where is the tandem?") == ["ada-1"]


def test_a_store_in_a_bucket_is_copied_by_its_writer_and_restored_elsewhere(
    tmp_path: Path, bucket: BucketServer, make_server: Starter
) -> None:
    place = uuid.uuid4().hex
    spec: dict[str, Any] = {
        "tier": "GPUAccelerated",
        "embedding": {"model": "all-MiniLM-L6-v2", "device": "CPU"},
        "backup": to_bucket(bucket, f"copies/{place}"),
        "storage": {"s3": {"bucket": BUCKET, "prefix": f"old/{place}", "endpoint": bucket.endpoint}},
    }
    writer = make_server(tmp_path / "writer", credentials(), **spec)
    reader = make_server(tmp_path / "reader", credentials(), **spec)
    writer.serve("ingest")
    reader.serve("retrieval")
    writer.wait_ready()
    reader.wait_ready()
    with reader.client() as client:
        kept = remember(client, "ada", *TEXTS)
    made = run("backup", "--json", SIMPLEMEM_URL=reader.url)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["entries"] == len(TEXTS)
    assert writer.readiness()["checks"]["backup"]["reason"] == "BackedUp"
    assert "backup" not in reader.readiness()["checks"]

    pod = {"SIMPLEMEM_STORE_FILE": str(writer.folder / "store.json"), "SIMPLEMEM_DATA": str(tmp_path / "pod")}
    occupied = run("restore", **pod)
    assert (occupied.returncode, "the store is not empty" in occupied.stderr) == (1, True), occupied.stderr
    assert (writer.stop(), reader.stop()) == (0, 0)
    spec["storage"]["s3"]["prefix"] = f"new/{place}"
    restored = make_server(tmp_path / "restored", credentials(), **spec)
    (tmp_path / "restored" / "store.json").write_text(
        (writer.folder / "store.json").read_text().replace(f"old/{place}", f"new/{place}")
    )
    done = run("restore", SIMPLEMEM_STORE_FILE=str(tmp_path / "restored" / "store.json"), SIMPLEMEM_DATA=str(tmp_path))
    assert done.returncode == 0, done.stderr
    restored.serve("all")
    restored.wait_ready()
    with restored.client() as client:
        assert sorted(list_sources(client, "ada")) == kept


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("restore", "--from", "https://x/y", "-f", "FILE"), "must be s3://BUCKET/PREFIX"),
        (("restore", "-f", "FILE"), "--from is missing, and the MemoryStore has no spec.backup.s3"),
    ],
)
def test_a_wrong_source_is_told(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    file = tmp_path / "store.yaml"
    file.write_text("apiVersion: simplemem.io/v1alpha1\nkind: MemoryStore\nmetadata: {name: notes}\nspec: {}\n")
    ended = run(*(str(file) if argument == "FILE" else argument for argument in arguments))
    assert ended.returncode == 2
    assert told in ended.stderr
