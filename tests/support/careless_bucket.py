"""An S3 server that ignores conditions of writes, as older ones do; no test can make a real one forget them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def careless_bucket(*, ignored: frozenset[str]) -> Iterator[str]:
    """The endpoint of such a server; `ignored` names headers in lower case."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(ignored))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _build_handler(ignored: frozenset[str]) -> type[BaseHTTPRequestHandler]:
    objects: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found = _tag(objects[self.path]) if self.path in objects else None
            wanted = self.headers["if-match"]
            is_taken = self.headers["if-none-match"] == "*" and found is not None
            if (is_taken and "if-none-match" not in ignored) or (
                wanted not in (None, found) and "if-match" not in ignored
            ):
                self._reply(412)
                return
            objects[self.path] = body
            self._reply(200, _tag(body))

        def do_GET(self) -> None:
            found = objects.get(self.path)
            self._reply(404) if found is None else self._reply(200, _tag(found), found)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self._reply(501)

        def _reply(self, status: int, tag: str | None = None, content: bytes = b"") -> None:
            self.send_response(status)
            if tag is not None:
                self.send_header("ETag", tag)
            self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    return Handler


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
