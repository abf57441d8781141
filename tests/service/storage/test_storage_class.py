"""The class of objects in a bucket, as a whole store asks a real S3 server for it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.bucket import BUCKET, BucketServer, credentials
from tests.support.server import Starter, list_sources, remember

SENT_BACK = ("content-length", "content-type", "content-range", "etag", "last-modified", "accept-ranges")


class Listener:
    """Stands before an S3 server, passes everything on and notes what is written."""

    def __init__(self, bucket: BucketServer) -> None:
        self.written: list[tuple[str, str | None, bool]] = []
        """Key, class, and whether the class was signed, of each object."""
        listener = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.command == "PUT":
                    asked = self.headers.get("x-amz-storage-class")
                    signed = self.headers.get("Authorization", "").partition("SignedHeaders=")[2].partition(",")[0]
                    key = self.path.partition("?")[0].removeprefix(f"/{BUCKET}/")
                    listener.written.append((key, asked, "x-amz-storage-class" in signed))
                onward = http.client.HTTPConnection("127.0.0.1", bucket.port)
                # With the host that was asked: it is part of the signature.
                onward.request(self.command, self.path, body, dict(self.headers.items()))
                answer = onward.getresponse()
                content = answer.read()
                onward.close()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() in SENT_BACK and (name.lower() != "content-length" or self.command == "HEAD"):
                        self.send_header(name, value)
                if self.command != "HEAD":
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                return

        for verb in ("GET", "PUT", "HEAD", "POST", "DELETE"):
            setattr(Handler, f"do_{verb}", Handler.pass_on)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def listener(bucket: BucketServer) -> Iterator[Listener]:
    listener = Listener(bucket)
    yield listener
    listener.close()


@pytest.mark.parametrize(("asked", "given"), [("STANDARD_IA", "STANDARD_IA"), ("GLACIER", None)])
def test_tables_are_written_in_the_class_asked_for_if_it_can_be_searched(
    tmp_path: Path, make_server: Starter, listener: Listener, asked: str, given: str | None
) -> None:
    place = {"bucket": BUCKET, "prefix": f"classes/{asked}", "endpoint": listener.url, "storageClass": asked}
    server = make_server(tmp_path, credentials(), storage={"s3": place}, lexical={"engine": "RankBM25"})
    server.start()
    server.wait_ready()
    with server.client() as client:
        ids = remember(client, "ada", "Ada keeps bees on the roof.", "Boris sold his boat.")
        found = client.post("/v1/search", json={"query": "Who keeps bees?"}).raise_for_status().json()
        assert found["results"][0]["sources"] == ids[:1]
    server.kill()
    tables = {one[1:] for one in listener.written if "/tables/" in one[0]}
    others = {one[1:] for one in listener.written if "/tables/" not in one[0]}
    assert tables == {(given, given is not None)}
    assert others == {(None, False)}
    server.start()
    server.wait_ready()
    with server.client() as client:
        assert sorted(list_sources(client, "ada")) == sorted(ids)
