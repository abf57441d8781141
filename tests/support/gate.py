"""A way to a server that can be shut, or that holds back one request; so that a process stands still in mid-commit."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

CHUNK = 1 << 16


class Gate:
    """Passes connections on to a local port.

    Bytes go through unread, but for the first line of a request, which a client sends at the start of a packet.
    """

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._held = b""
        self._on_hold: Callable[[], None] = lambda: None
        self._opened = threading.Event()
        self._opened.set()
        self._lock = threading.Lock()
        self.has_held = threading.Event()
        """Set once a request is being held back."""
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold_next(self, path: str, on_hold: Callable[[], None]) -> None:
        """Hold back the next PUT whose path has that part, and call when it is there."""
        with self._lock:
            self.has_held.clear()
            self._opened.clear()
            self._held, self._on_hold = path.encode(), on_hold

    def open(self) -> None:
        """Pass on what is held back."""
        self._opened.set()

    def close(self) -> None:
        self.open()
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            back = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
            back.start()
            _pass_on(client, server, self._look_at)
            back.join()

    def _look_at(self, data: bytes) -> None:
        line = data.split(b"\r\n", 1)[0]
        with self._lock:
            is_wanted = bool(self._held) and line.startswith(b"PUT ") and self._held in line
            if is_wanted:
                self._held = b""
        if is_wanted:
            self._on_hold()
            self.has_held.set()
            self._opened.wait()


def _pass_on(source: socket.socket, target: socket.socket, look_at: Callable[[bytes], None] = lambda _: None) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            look_at(data)
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
