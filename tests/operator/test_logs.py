"""The operator's lines: JSON, one a line, with their fields, and nothing of what a Secret holds."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest
from kubernetes.client import ApiClient, Configuration

from simplemem_operator.api import Api
from simplemem_operator.cluster import Cluster
from simplemem_operator.errors import OperatorError
from simplemem_operator.kinds import SECRETS
from simplemem_operator.logs import Formatter

PLANTED = "hunter22hunter22"
TOKEN = "token-of-the-operator"
PROGRAM = """
import logging
from simplemem_operator.logs import configure_logging
configure_logging("INFO")
log = logging.getLogger("simplemem_operator.reconcile")
log.debug("not asked for")
logging.getLogger("kopf.objects").info("every event")
log.info("applied", extra={"store": "team-a/notes", "object": "Service team-a/notes", "reason": "two\\nlines"})
"""


def line_of(record: logging.LogRecord) -> dict[str, Any]:
    text = Formatter("%(asctime)s %(level)s %(name)s %(message)s").format(record)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


def record_of(message: str, *args: object, raised: BaseException | None = None, **fields: object) -> logging.LogRecord:
    info = (type(raised), raised, raised.__traceback__) if raised else None
    made = logging.LogRecord("simplemem_operator.loops", logging.WARNING, "loops.py", 1, message, args, info)
    vars(made).update(fields)
    return made


def test_a_line_is_its_sentence_and_its_fields() -> None:
    line = line_of(record_of("pass failed", store="team-a/notes", error='403: "no"\nsecond line', run=2))
    assert line.pop("asctime")
    assert line == {
        "level": "WARNING", "name": "simplemem_operator.loops", "message": "pass failed",
        "store": "team-a/notes", "error": '403: "no"\nsecond line', "run": 2,
    }  # fmt: skip


def test_an_exception_is_told_with_its_place_in_one_line() -> None:
    with pytest.raises(KeyError) as raised:
        json.loads("{}")["spec"]
    line = line_of(record_of("pass ended unexpectedly", raised=raised.value, store="team-a/notes"))
    assert line["store"] == "team-a/notes"
    assert line["exc_info"].splitlines()[0] == "Traceback (most recent call last):"
    assert line["exc_info"].splitlines()[-1] == "KeyError: 'spec'"
    assert "test_logs.py" in line["exc_info"]


def test_a_field_that_json_does_not_know_is_told_in_words() -> None:
    line = line_of(record_of("%s of %d", "one", 2, seen={1}, at=datetime(2026, 3, 1, tzinfo=UTC)))
    assert (line["message"], line["seen"], line["at"][:10]) == ("one of 2", "{1}", "2026-03-01")


def test_the_process_writes_what_was_asked_for_in_utc() -> None:
    environment = {**os.environ, "TZ": "Asia/Tokyo"}
    before = time.time()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    (line,) = [json.loads(text) for text in done.stderr.splitlines()]
    assert (done.stdout, line["level"], line["message"]) == ("", "INFO", "applied")
    assert (line["object"], line["reason"]) == ("Service team-a/notes", "two\nlines")
    written = datetime.strptime(line["asctime"], "%Y-%m-%d %H:%M:%S,%f").replace(tzinfo=UTC)
    assert before - 1 <= written.timestamp() <= time.time()


@contextmanager
def answering(status: int, body: str) -> Iterator[Cluster]:
    """The API as the operator uses it, at a server with one answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == f"Bearer {TOKEN}"
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        settings = Configuration(host=f"http://127.0.0.1:{server.server_port}")
        settings.api_key = {"BearerToken": f"Bearer {TOKEN}"}
        settings.retries = False
        yield Cluster(Api(ApiClient(settings)))
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"data": {"OPENAI_API_KEY": "' + PLANTED),
        (403, json.dumps({"message": 'User "x" cannot get resource "secrets"'})),
        (500, "etcd is away"),
    ],
    ids=["cut-off", "forbidden", "away"],
)
def test_a_secret_that_cannot_be_read_leaves_neither_its_values_nor_our_token_in_the_log(
    status: int, body: str
) -> None:
    with answering(status, body) as cluster, pytest.raises((OperatorError, ValueError)) as raised:
        cluster.read(SECRETS, "team-a", "llm-keys")
    error = raised.value
    text = json.dumps(line_of(record_of("pass ended unexpectedly", raised=error, told=str(error))))
    assert type(error).__name__ in text
    assert PLANTED not in text
    assert TOKEN not in text
