"""Says over HTTP what pods would say of themselves at /readyz, for pods that exist on paper only.

The operator is pointed here by ``--probe-url``; its questions, their time-outs and what it makes of the answers are
real.
"""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

WELL = {
    "storage": {"ok": True, "reason": "VolumeBound", "message": "the table is open"},
    "embedding": {"ok": True, "reason": "ModelLoaded", "message": "all-MiniLM-L6-v2"},
    "index": {"ok": True, "reason": "Ready", "message": "the views follow the table"},
    "ingest": {"ok": True, "reason": "Ingesting", "message": "nothing waits"},
}
"""Checks of a pod that is well."""


class _Server(ThreadingHTTPServer):
    # It stands for many pods, each of which has a queue of its own.
    request_queue_size = 1024


class Answerer:
    """Answers for all pods; it listens on entry and is gone on exit."""

    def __init__(self) -> None:
        self.figures: dict[str, int] = {"entries": 10, "storage_bytes": 4096, "pending_turns": 0}
        """Figures of every pod."""
        self.more_figures: dict[str, dict[str, int]] = {}
        """Figures that are otherwise or besides, by namespace."""
        self.failing: dict[str, dict[str, Any]] = {}
        """Checks that are not as in ``WELL``, by namespace, each a name and its check."""
        self.hanging: set[str] = set()
        """Namespaces whose pods take the question and never answer."""
        self.asked: Counter[str] = Counter()
        """Questions so far, by namespace."""
        self._server = _Server(("127.0.0.1", 0), self._build_handler())
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Value for ``--probe-url``."""
        return f"http://127.0.0.1:{self._server.server_port}/{{namespace}}/{{name}}/readyz"

    def __enter__(self) -> Self:
        """Begin to answer."""
        threading.Thread(target=self._server.serve_forever, name="answerer", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()

    def report(self, namespace: str) -> dict[str, Any]:
        """What a pod of the namespace says."""
        checks = WELL | self.failing.get(namespace, {})
        figures = self.figures | self.more_figures.get(namespace, {})
        return {"ready": all(check["ok"] for check in checks.values()), "checks": checks, "figures": figures}

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        answerer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                namespace = self.path.split("/")[1]
                answerer.asked[namespace] += 1
                while namespace in answerer.hanging:
                    time.sleep(0.1)
                body = json.dumps(answerer.report(namespace)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler
