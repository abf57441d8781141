"""Clients that send turns without a pause, and what must hold of those that were acknowledged."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
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
    """Clients that send one turn after another until told to stop.

    Parameters
    ----------
    url
        Where to.
    timeout_seconds
        How long a client waits for an answer.
    pause_seconds
        How long it waits after one, so that turns need not come faster than they are written.
    """

    def __init__(self, url: str, timeout_seconds: float = 5, pause_seconds: float = 0) -> None:
        self.acknowledged: dict[str, str] = {}
        self.refused: Counter[Refusal] = Counter()
        # Of its own, since a turn with an id that was given before is the same turn.
        self._name = uuid.uuid4().hex[:8]
        self._url = url
        self._timeout = timeout_seconds
        self._pause = pause_seconds
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
                name = f"{self._name}-{sender}-{number}"
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
                    time.sleep(self._pause)
                else:
                    code = str(answer.json().get("code"))
                    self.refused[Refusal(answer.status_code, code, "retry-after" in answer.headers)] += 1
                    time.sleep(0.05)


class Outcome(NamedTuple):
    """What became of the turns of a stream, once nothing waits any more."""

    acknowledged: int
    """Turns that were acknowledged."""
    lost: int
    """Of these, those that no entry cites."""
    doubled: int
    """Turns that more than one entry cites."""
    failed: int
    """Operations that did not succeed, or that nobody knows any more."""
    entries: int
    """Entries in the whole store."""
    turns: int
    """Turns in the whole store."""
    cited: int
    """Turns of the stream that entries cite, those included whose answer got lost."""
    pending: int
    """Turns that still wait."""


def settle(server: Server, acknowledged: Mapping[str, str], within: float = 60) -> Outcome:
    """Wait until every operation has ended, and count."""
    with server.client() as client:
        ended = [_end(client, operation, within) for operation in set(acknowledged.values())]
        found = list_sources(client, USER)
        status = client.get("/v1/status").json()
    return Outcome(
        acknowledged=len(acknowledged),
        lost=len(set(acknowledged) - set(found)),
        doubled=len(found) - len(set(found)),
        failed=sum(state != "Succeeded" for state in ended),
        entries=status["entries"],
        turns=status["turns"],
        cited=len(found),
        pending=status["pending_turns"] or 0,
    )


def _end(client: httpx.Client, operation: str, within: float) -> str:
    try:
        return str(finish(client, operation, within)["state"])
    except httpx.HTTPStatusError as error:
        return f"HTTP {error.response.status_code}"


def check_all_there_once(server: Server, acknowledged: Mapping[str, str], others: int = 0) -> None:
    """Every acknowledged turn is the source of one entry, every operation has ended well, and nothing waits; beside
    them there are so many turns of others.
    """
    outcome = settle(server, acknowledged)
    assert (outcome.lost, outcome.doubled, outcome.failed, outcome.pending) == (0, 0, 0, 0), outcome
    assert outcome.entries == outcome.turns == outcome.cited + others, outcome
