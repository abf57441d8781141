"""Takes the picture of the console in docs/images: the sample conversation, asked one question.

python -m tests.console.picture docs/images/console.png
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.support.browser import Browser
from tests.support.server import Server, finish

QUESTION = "When is Ingrid getting married?"
HEIGHT = 1000


def take(path: Path) -> None:
    """Start a store with the sample conversation and write a picture of its console."""
    with tempfile.TemporaryDirectory() as folder:
        server, browser = Server(Path(folder) / "store"), Browser(Path(folder))
        server.start()
        try:
            server.wait_ready()
            user = _remember(server)
            page = browser.open(f"{server.url}/", height=HEIGHT)
            page.wait_text("#store-state", "ready")
            page.fill("#timeline-user", user)
            page.press("Enter")
            page.wait_text("#timeline-message", "memories")
            page.fill("#query", QUESTION)
            page.press("Enter")
            page.wait_text("#search-message", "memories in")
            page.click("#search-results summary")
            page.read("document.activeElement.blur(); scrollTo({top: 0, behavior: 'instant'})")
            page.screenshot(path)
        finally:
            browser.close()
            server.kill()


def _remember(server: Server) -> str:
    sample = resources.files("simplemem_service.samples") / "conversation.jsonl"
    turns: list[dict[str, Any]] = [json.loads(line) for line in sample.read_text(encoding="utf-8").splitlines()]
    user = "demo"
    with server.client() as client:
        for session, group in groupby(turns, key=lambda turn: turn.get("session_id", "demo")):
            own = [{key: turn[key] for key in ("id", "speaker", "text", "timestamp") if key in turn} for turn in group]
            body = {"user_id": user, "session_id": session, "turns": own}
            finish(client, client.post("/v1/turns", json=body).raise_for_status().json()["operation_id"])
        client.post("/v1/synthesis", json={"user_id": user}, params={"wait": "true"}).raise_for_status()
    return user


if __name__ == "__main__":
    take(Path(sys.argv[1]))
