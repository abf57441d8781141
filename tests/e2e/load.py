"""Searches and turns from the background, and what came of them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.stores import entries, finish


@dataclass(slots=True)
class Load:
    """Searches of several clients, each with a connection of its own, so that every ready pod gets its share."""

    pause: float = 0.0
    """Seconds between two searches of a client."""
    answered: int = 0
    """Searches that came back with their result."""
    failed: list[str] = field(default_factory=list)
    """What the others came back with."""


@contextmanager
def load(url: str, question: Callable[[int], dict[str, Any]], clients: int, pause: float = 0.0) -> Iterator[Load]:
    """Search as long as the block runs.

    Parameters
    ----------
    url
        Address of the store.
    question
        Body of the search of that number.
    clients
        Searches at the same time.
    pause
        Seconds between two searches of a client.
    """
    state, stop, lock = Load(pause), threading.Event(), threading.Lock()
    numbers = itertools.count()

    def ask() -> None:
        with httpx.Client(base_url=url, headers={"Connection": "close"}, timeout=30) as client:
            while not stop.is_set():
                try:
                    answer = client.post("/v1/search", json=question(next(numbers)))
                    is_right = answer.status_code == httpx.codes.OK and bool(answer.json()["results"])
                    found = "" if is_right else answer.text[:200]
                except httpx.HTTPError as error:
                    found = repr(error)
                with lock:
                    state.answered += not found
                    state.failed += [found] if found else []
                stop.wait(state.pause)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield state
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass(slots=True)
class Written:
    """Turns of a client, each with an id of its own."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    """Operation of each turn that the store took, by the turn's id."""
    failed: list[str] = field(default_factory=list)
    """What the others came back with."""


@contextmanager
def writing(url: str, user: str, name: str, pause: float = 0.0) -> Iterator[Written]:
    """Send one turn after another as long as the block runs.

    Parameters
    ----------
    url
        Address of the store.
    user
        Whose turns they are.
    name
        What their ids begin with.
    pause
        Seconds between two of them.
    """
    state, stop = Written(), threading.Event()

    def send() -> None:
        with httpx.Client(base_url=url, headers={"Connection": "close"}, timeout=5) as client:
            for number in itertools.count(1):
                if stop.wait(pause):
                    return
                text = f"Parcel number {number} of {name} arrived at shelf {number * 7}."
                turn = {"id": f"{name}{number}", "speaker": "Ada", "text": text, "timestamp": "2026-04-01T09:00:00Z"}
                try:
                    answer = client.post("/v1/turns", json={"user_id": user, "session_id": name, "turns": [turn]})
                except httpx.HTTPError as error:
                    state.failed.append(repr(error))
                    stop.wait(0.1)
                    continue
                if answer.status_code == httpx.codes.ACCEPTED:
                    state.acknowledged[turn["id"]] = answer.json()["operation_id"]
                else:
                    state.failed.append(answer.text[:200])

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield state
    finally:
        stop.set()
        thread.join()


def check_all_there_once(url: str, user: str, written: Written) -> None:
    """Wait until all that was taken is done, and see that the user has an entry of each turn, and no other of it."""
    with httpx.Client(base_url=url, timeout=30) as client:
        for operation in written.acknowledged.values():
            assert finish(client, operation)["state"] == "Succeeded"
    found = [source for entry in entries(url, user) for source in entry["sources"]]
    missing = set(written.acknowledged) - set(found)
    assert not missing, f"{len(missing)} of {len(written.acknowledged)} lost: {sorted(missing)[:5]}"
    assert len(found) == len(set(found)), "a turn is there twice"
