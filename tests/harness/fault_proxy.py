"""Stands between a client and the API server and makes of it what tests need: slow, broken, silent, or a trap.

The client speaks plain HTTP to it, with its own token; it speaks TLS to the server. Everything passes unchanged unless
a test says otherwise.
"""

import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.harness.control_plane import ControlPlane

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods that write."""

HOP_HEADERS = frozenset({"host", "connection", "accept-encoding", "transfer-encoding", "content-length"})
"""Headers that belong to one connection; without Accept-Encoding, answers come as plain text."""

UPSTREAM_SECONDS = 120.0
"""How long the server may take to say anything, in seconds."""


@dataclass(frozen=True)
class Request:
    """A request on its way."""

    method: str
    """Method."""
    path: str
    """Path with its query."""

    @property
    def is_write(self) -> bool:
        """Whether it writes."""
        return self.method in WRITES

    @property
    def is_watch(self) -> bool:
        """Whether its answer does not end."""
        return "watch=true" in self.path


@dataclass(frozen=True)
class Fault:
    """An answer in the server's stead."""

    status: int
    """Status."""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers."""


class FaultProxy:
    """The proxy; it listens on entry and is gone on exit.

    Parameters
    ----------
    plane
        The control plane behind it.
    """

    def __init__(self, plane: ControlPlane) -> None:
        self._address = urlsplit(plane.server).netloc
        self._tls = ssl.create_default_context(cafile=str(plane.places.pki.ca))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _build_handler(self))
        self._server.daemon_threads = True
        self._stopped = threading.Event()
        self._cuts = 0
        self.flowing = threading.Event()
        """Cleared by a test that holds back what comes on the watches."""
        self.flowing.set()
        self.answer: Callable[[Request], Fault | None] = lambda _: None
        """Gives the answer to a request that must not reach the server."""
        self.before: Callable[[Request], None] = lambda _: None
        """Is called before a request is passed on; it may block."""
        self.after: Callable[[Request], None] = lambda _: None
        """Is called when the server has answered and the client does not know it yet; it may block."""

    def __enter__(self) -> Self:
        """Begin to listen."""
        threading.Thread(target=self._server.serve_forever, name="fault proxy", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Listen no more, and close what is open."""
        self._stopped.set()
        self.flowing.set()
        self._server.shutdown()
        self._server.server_close()

    def kubeconfig(self, original: Path, target: Path) -> Path:
        """A kubeconfig with the credentials of another one and the way through here."""
        config = json.loads(original.read_text())
        config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{self._server.server_port}"}
        target.touch(mode=0o600)
        target.write_text(json.dumps(config))
        return target

    def cut_watches(self) -> None:
        """Let nothing more come on the watches that are open, and leave their connections as they are."""
        self._cuts += 1

    def relay(self, request: Request, headers: dict[str, str], body: bytes, handler: "_Handler") -> None:
        """Pass a request on and its answer back."""
        upstream = HTTPSConnection(self._address, context=self._tls, timeout=UPSTREAM_SECONDS)
        try:
            self.before(request)
            upstream.request(request.method, request.path, body=body or None, headers=headers)
            answer = upstream.getresponse()
            if request.is_watch and answer.status == 200:
                self._relay_watch(answer, handler)
                return
            data = answer.read()
            self.after(request)
            handler.respond(answer.status, {"Content-Type": answer.headers.get("Content-Type", "")}, data)
        except (HTTPException, OSError):
            # The server is away, or the client has gone: what a cut connection is to either.
            handler.close_connection = True
        finally:
            upstream.close()

    def _relay_watch(self, answer: HTTPResponse, handler: "_Handler") -> None:
        cuts = self._cuts
        handler.begin(answer.status, {"Content-Type": answer.headers.get("Content-Type", "")})
        while not self._stopped.is_set():
            chunk = answer.read1(65536)
            if self._cuts != cuts:
                self._stopped.wait()
                return
            self.flowing.wait()
            handler.write_chunk(chunk)
            if not chunk:
                return


class _Handler(BaseHTTPRequestHandler):
    """One connection of the client."""

    protocol_version = "HTTP/1.1"
    proxy: FaultProxy

    def handle_request(self) -> None:
        """Answer a request of any method."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(self.command, self.path)
        fault = self.proxy.answer(request)
        if fault is not None:
            status = {"kind": "Status", "apiVersion": "v1", "code": fault.status, "message": "injected by the test"}
            headers = {"Content-Type": "application/json", **fault.headers}
            self.respond(fault.status, headers, json.dumps(status).encode())
            return
        headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_HEADERS}
        self.proxy.relay(request, headers, body, self)

    def respond(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def begin(self, status: int, headers: dict[str, str]) -> None:
        """Send the head of an answer that comes in chunks."""
        self.send_response(status)
        for key, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(key, value)
        self.end_headers()

    def write_chunk(self, chunk: bytes) -> None:
        """Send a chunk; an empty one ends the answer."""
        self.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _build_handler(proxy: FaultProxy) -> type[_Handler]:
    methods = {f"do_{method}": _Handler.handle_request for method in ("GET", *WRITES)}
    return type("Handler", (_Handler,), {"proxy": proxy, **methods})
