"""The command line, run as users run it."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.server import ROOT, Server, Starter, eventually
from tests.support.stores import make_manifest, make_store


def run(*arguments: str, settings: Mapping[str, str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "simplemem_service", *arguments]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'service'}", **(settings or {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120, **options)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_store(**spec: Any) -> str:
        path = tmp_path / "store.yaml"
        path.write_text(yaml.safe_dump(make_manifest(**spec)))
        return str(path)

    return write_store


def test_cost_prints_the_items_and_their_total(write: Any) -> None:
    table = run("cost", "-f", write(tier="CostEffective"))
    assert table.returncode == 0
    assert "66.41" in table.stdout
    cost = json.loads(run("cost", "-f", write(tier="Minimal"), "--json").stdout)
    assert cost["monthlyUSD"] == "32.84"
    assert [item["name"] for item in cost["items"]] == ["server", "LLM"]


def test_cost_shows_all_tiers_at_a_load_and_which_is_for_it(write: Any) -> None:
    table = run("cost", "--fragments", "50000", "--queries", "5000")
    assert table.returncode == 0
    assert "GPUAccelerated is for that" in table.stdout
    found = json.loads(run("cost", "--fragments", "50000", "--queries", "5000", "--json").stdout)
    assert (found["tier"], len(found["tiers"])) == ("GPUAccelerated", 5)
    items = {item["name"]: item["monthlyUSD"] for item in found["tiers"]["CostEffective"]["items"]}
    # Five times the reference month of 10,000 turns and 1,000 queries: 5 x 5.26.
    assert items == {"server": "60.00", "LLM": "26.30", "S3 backup": "1.15"}
    own = json.loads(
        run("cost", "-f", write(tier="Minimal"), "--fragments", "1000", "--queries", "100", "--json").stdout
    )
    assert own["monthlyUSD"] == "30.28"
    wrong = run("cost", "--fragments", "-5")
    assert wrong.returncode == 2
    assert "'-5' must be a whole number" in wrong.stderr or "expected one argument" in wrong.stderr


def test_cost_takes_prices_of_ones_own_and_refuses_wrong_ones(write: Any, tmp_path: Path) -> None:
    prices = tmp_path / "prices.yaml"
    prices.write_text("{catalogue: acme, tiers: {Minimal: {server: 12}}}")
    arguments = ("cost", "-f", write(tier="Minimal"), "--prices", str(prices), "--json")
    cost = json.loads(run(*arguments).stdout)
    assert (cost["monthlyUSD"], cost["catalogue"]) == ("14.84", "acme")
    prices.write_text("{catalogue: acme, tiers: {Minimal: {servers: 12}}}")
    done = run(*arguments)
    assert done.returncode == 2
    assert f"{prices}: " in done.stderr
    assert "no item 'servers'; Minimal has server" in done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["cost", "--help"], ["up", "--help"], ["ingest", "--help"]])
def test_help_and_cost_load_no_heavy_library(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom simplemem_service.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'lancedb', 'transformers', 'litellm', 'fastapi'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    paths = f"{ROOT / 'crds'}:{ROOT / 'service'}"
    cost = ["cost", "-f", str(ROOT / "manifests" / "minimal.yaml")]
    for call in (arguments, cost):
        done = subprocess.run(
            [sys.executable, "-c", code, *call], env={"PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"tier": "Huge"}, ["spec.tier", "'Minimal'", "'Hybrid'", "Huge"]),
        ({"tier": "Minimal", "storage": {"pvc": {"size": "ten"}}}, ["spec.storage.pvc.size", "ten"]),
        ({"tier": "Minimal", "speling": 1}, ["spec.speling", "no such field"]),
        ({"tier": "Minimal", "suspend": True}, ["team-a/notes", "suspend"]),
        (
            {"storage": {"lanceDBCloud": {"uri": "db://x", "apiKeySecretName": "s"}}},
            ["LANCEDB_API_KEY is missing"],
        ),
        ({"tier": "Minimal", "access": {"tokenSecretName": "t"}}, ["'t'", "SIMPLEMEM_TOKENS"]),
    ],
)
def test_a_store_that_cannot_run_here_is_refused_with_the_reason(
    write: Any, tmp_path: Path, spec: dict[str, Any], told: list[str]
) -> None:
    done = run("up", "-f", write(**spec), "--port", "0", "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert all(word in done.stderr for word in told), done.stderr


@pytest.mark.parametrize("text", ["", "tier: Minimal", "{", "kind: MemoryStore\n---\nkind: MemoryStore", "\x00"])
def test_a_file_that_is_no_store_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "store.yaml").write_text(text)
    for command in ("up", "cost"):
        done = run(command, "-f", str(tmp_path / "store.yaml"))
        assert done.returncode == 2
        assert "store.yaml" in done.stderr
        assert "Traceback" not in done.stderr
    assert "No such file" in run("up", "-f", str(tmp_path / "missing.yaml")).stderr


def test_a_busy_port_is_told(write: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = run("up", "-f", write(tier="Minimal"), "--port", port, "--data", str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        f"simplemem: cannot listen on 127.0.0.1:{port}: Address already in use; choose another with --host or --port"
    ]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "SIMPLEMEM_STORE_FILE"),
        ({"SIMPLEMEM_STORE_FILE": "STORE", "SIMPLEMEM_ROLE": "everything"}, "must be one of all, retrieval, ingest"),
        ({"SIMPLEMEM_STORE_FILE": "STORE", "SIMPLEMEM_PORT": "many"}, "SIMPLEMEM_PORT is 'many'"),
        ({"SIMPLEMEM_STORE_FILE": "STORE", "SIMPLEMEM_LOG_LEVEL": "loud"}, "SIMPLEMEM_LOG_LEVEL is 'loud'"),
    ],
)
def test_a_container_with_wrong_settings_says_which(tmp_path: Path, settings: dict[str, str], told: str) -> None:
    (tmp_path / "store.json").write_text(make_store().model_dump_json(by_alias=True))
    filled = {key: value.replace("STORE", str(tmp_path / "store.json")) for key, value in settings.items()}
    paths = f"{ROOT / 'crds'}:{ROOT / 'service'}"
    done = subprocess.run(
        [sys.executable, "-m", "simplemem_service", "serve"],
        env={"PYTHONPATH": paths, **filled}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_says_when_it_is_ready_and_stops_cleanly(
    tmp_path: Path, number: signal.Signals, make_server: Starter
) -> None:
    server = make_server(tmp_path)
    server.start()
    server.wait_ready()
    eventually(lambda: f"ready {server.url}" in server.log().splitlines(), within=30, what="the line that says so")
    assert server.process is not None
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    assert "Traceback" not in server.log()


def test_a_stop_lets_a_request_in_progress_finish(tmp_path: Path, make_server: Starter) -> None:
    server = make_server(tmp_path)
    server.start()
    server.wait_ready()
    text = "\n".join(f"Ada: Parcel number {n} has arrived from town {n * 7}." for n in range(150))
    with server.client() as client, httpx.Client(base_url=server.url) as other, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/compress", json={"raw_conversation": text})
        time.sleep(0.3)
        assert other.get("/livez").status_code == 200
        status = server.stop()
        assert answer.result().json() == {"compressed_entries": 150}
    assert status == 0


def test_the_demo_remembers_asks_and_shows_sources_and_cost(server: Server) -> None:
    done = run("demo", "--url", server.url, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    for told in ("66 turns", "f5-8", "f3-5", "f6-5", "32.84", server.url):
        assert told in done.stdout, told


def test_a_demo_of_ones_own_file_starts_the_store_and_leaves_nothing_behind(tmp_path: Path) -> None:
    here, scratch = tmp_path / "here", tmp_path / "scratch"
    here.mkdir()
    scratch.mkdir()
    minimal = str(ROOT / "manifests" / "minimal.yaml")
    settings = {"TMPDIR": str(scratch)}
    done = run("demo", "-f", minimal, "--port", "0", settings=settings, cwd=here, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, "")
    told = " ".join(done.stdout.split())
    for words in (
        "66 turns of 3 people on 6 days are searchable: 66 new entries",
        "I walk to work now.",
        "Mara is allergic to hazelnuts",
        "f6-5: Jonas, 2026-07-04",
        "default/notes, tier Minimal: planned cost",
        "stopping the store, since nobody sits at a terminal",
    ):
        assert words in told, words
    assert "\x1b" not in done.stdout, "colours are for terminals"
    (address,) = re.findall(r"store ready at (\S+) after", told)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/livez")
    assert [*here.iterdir(), *scratch.iterdir()] == []


def test_a_demo_without_a_service_says_so() -> None:
    done = run("demo", "--url", "http://127.0.0.1:9")
    assert done.returncode == 3
    assert "does not answer" in done.stderr
