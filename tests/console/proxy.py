"""A proxy that puts a store below a path, as an Ingress does; it can be taken away, fall silent and answer wrongly."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

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
        self.answers: dict[str, tuple[int, Any]] = {}
        """Status and body that are answered instead of the store's, by path without query and prefix."""
        self.delays: dict[str, float] = {}
        """Seconds by which the answer comes late, by the same paths."""
        self.is_silent = False
        """Whether connections are closed without an answer."""
        self._client = httpx.Client(base_url=target, timeout=30)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(self, self._client, prefix))
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


def _build_handler(proxy: PathProxy, client: httpx.Client, prefix: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if proxy.is_silent:
                self.close_connection = True
                return
            if not self.path.startswith(prefix):
                self.send_error(404)
                return
            path = f"/{self.path.removeprefix(prefix)}"
            plain = path.partition("?")[0]
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            delay = proxy.delays.get(plain, 0)
            if plain in proxy.answers:
                status, content = proxy.answers[plain]
                time.sleep(delay)
                self._reply(status, {"Content-Type": "application/json"}, json.dumps(content).encode())
                return
            headers = {key: value for key, value in self.headers.items() if key.lower() not in ("host", "connection")}
            answer = client.request(self.command, path, headers=headers, content=body)
            time.sleep(delay)
            self._reply(answer.status_code, answer.headers, answer.content)

        do_POST = do_GET  # noqa: N815 - the names that http.server looks for

        def _reply(self, status: int, headers: Any, content: bytes) -> None:
            self.send_response(status)
            for key, value in headers.items():
                if key.lower() not in ("content-length", "transfer-encoding", "content-encoding", "connection"):
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            return

    return Handler
