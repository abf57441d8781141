"""The processes that load and probe a service, against a small server."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from benchmarks.service import ROOT, probing


class Answering(ThreadingHTTPServer):
    """Remembers what was sent; pauses where asked to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[Any] = []
        self.probes = 0
        self.pause_until = 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Answering

    def do_GET(self) -> None:
        self.server.probes += 1
        time.sleep(max(0.0, self.server.pause_until - time.monotonic()))
        self._answer(200)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self._answer(500 if body == "fail" else 200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
        pass


@pytest.fixture
def server() -> Iterator[Answering]:
    with Answering() as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def load(server: Answering, bodies: list[Any], **more: Any) -> subprocess.CompletedProcess[str]:
    given = {"port": server.server_port, "path": "/x", "clients": 4, "bodies": bodies, "warm_up": 0} | more
    command = [sys.executable, str(ROOT / "benchmarks" / "load.py")]
    return subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=False)


def test_every_request_is_sent_once_by_all_clients_together(server: Answering) -> None:
    sent = json.loads(load(server, list(range(40))).stdout)
    assert sorted(server.bodies) == list(range(40))
    assert len(sent["milliseconds"]) == 40
    assert 0 < max(sent["milliseconds"]) <= 1000 * sent["seconds"]


def test_the_warm_up_is_sent_and_not_counted(server: Answering) -> None:
    sent = json.loads(load(server, [1, 2, 3], warm_up=2).stdout)
    assert sorted(server.bodies) == [1, 1, 2, 2, 3]
    assert len(sent["milliseconds"]) == 3


def test_a_refused_request_ends_the_load(server: Answering) -> None:
    done = load(server, ["fail"])
    assert done.returncode != 0
    assert "/x answered 500" in done.stderr


def test_a_pause_counts_as_often_as_it_is_long(server: Answering) -> None:
    with probing(server.server_port) as probed:
        time.sleep(0.3)
        server.pause_until = time.monotonic() + 0.4
        time.sleep(0.6)
    assert server.probes == len(probed["milliseconds"]) == len(probed["late"])
    slow = [found for found in probed["milliseconds"] if found > 100]
    assert len(slow) >= 8, "15 of the 20 probes within the pause should have waited for more than 100 ms of it"
    assert max(probed["milliseconds"]) < 2000
