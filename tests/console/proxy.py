"""A proxy that puts a store below a path, as an Ingress does, and can be taken away."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import httpx


class PathProxy:
    """Serves an address below a prefix and nothing beside it.

    Parameters
    ----------
    target
        Address that requests go on to.
    prefix
        Path that is cut off, with a slash at both ends.
    """

    def __init__(self, target: str, prefix: str) -> None:
        self._client = httpx.Client(base_url=target, timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(self._client, prefix))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{prefix}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Be gone: connections are refused from now on."""
        self._server.shutdown()
        self._server.server_close()
        self._client.close()


def _build_handler(client: httpx.Client, prefix: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            length = int(self.headers.get("content-length", "0"))
            headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
            path = f"/{self.path.removeprefix(prefix)}"
            answer = client.request(self.command, path, headers=headers, content=self.rfile.read(length))
            self.send_response(answer.status_code)
            for key, value in answer.headers.items():
                if key not in ("content-length", "transfer-encoding", "content-encoding", "connection"):
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: object) -> None:
            return

    return Handler
