"""Clients that send turns without a pause, and what must hold of those that were acknowledged."""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import NamedTuple

import httpx

from tests.support.server import Server, finish, list_sources

USER = "streamer"
"""Whose turns they are."""


class Refusal(NamedTuple):
    """How a turn was not acknowledged."""

    status: int
    """HTTP status; 0 where there was no answer."""
    code: str
    """Code of the problem."""
    can_wait: bool
    """Whether the answer says when to try again."""


class Stream:
    """Clients that send one turn after another until told to stop."""

    def __init__(self, url: str, timeout_seconds: float = 5) -> None:
        self.acknowledged: dict[str, str] = {}
        self.refused: Counter[Refusal] = Counter()
        self._url = url
        self._timeout = timeout_seconds
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(n,)) for n in range(4)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, sender: int) -> None:
        number = 0
        with httpx.Client(base_url=self._url, timeout=self._timeout) as client:
            while not self._stop.is_set():
                number += 1
                name = f"{id(self)}-{sender}-{number}"
                turn = {"id": name, "speaker": "Ada", "text": f"Parcel {name} arrived at shelf {number * 7}."}
                body = {"user_id": USER, "session_id": f"s{sender}", "turns": [turn]}
                try:
                    answer = client.post("/v1/turns", json=body)
                except httpx.HTTPError:
                    self.refused[Refusal(0, "", can_wait=False)] += 1
                    time.sleep(0.02)
                    continue
                if answer.status_code == httpx.codes.ACCEPTED:
                    self.acknowledged[name] = answer.json()["operation_id"]
                else:
                    code = str(answer.json().get("code"))
                    self.refused[Refusal(answer.status_code, code, "retry-after" in answer.headers)] += 1
                    time.sleep(0.05)


def check_all_there_once(server: Server, acknowledged: dict[str, str], others: int = 0) -> None:
    """Every acknowledged turn is the source of one entry, every operation has ended well, and nothing waits; beside
    them there are so many turns of others.
    """
    with server.client() as client:
        for operation in set(acknowledged.values()):
            assert finish(client, operation)["state"] == "Succeeded"
        found = list_sources(client, USER)
        assert not set(acknowledged) - set(found), "an acknowledged turn is lost"
        assert len(found) == len(set(found)), "a turn is there twice"
        status = client.get("/v1/status").json()
        assert status["entries"] == status["turns"] == len(found) + others
        assert status["pending_turns"] in (0, None)
