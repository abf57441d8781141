"""Searches from the background, and what came of them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx


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
