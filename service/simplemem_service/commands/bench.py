"""`simplemem bench`: a short measurement of a running service: how fast it remembers and how fast it answers."""

from __future__ import annotations

import argparse
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx
from rich.console import Console
from rich.table import Table

from simplemem_api import exits
from simplemem_service.commands.client import call, connect, say, wait_ended
from simplemem_service.commands.errors import CommandError

PLACES = ("Rome", "Oslo", "Lima", "Kyoto", "Accra", "Quito", "Riga", "Perth")
THINGS = ("a tandem", "two cellos", "a red kite", "an old atlas", "nine bees", "a brass lamp", "some stamps")
PEOPLE = ("Ada", "Ben", "Mina", "Theo")
BATCH_TURNS = 50


def run(options: argparse.Namespace) -> int:
    """Measure; exit status 0."""
    if min(options.turns, options.seconds, options.concurrency) <= 0:
        raise CommandError("--turns, --seconds and --concurrency must be above 0", exits.USAGE)
    user = f"bench-{uuid.uuid4().hex[:12]}"
    with connect(options) as client, Console(stderr=True).status("measuring"):
        try:
            figures = _remember(client, user, options.turns)
            figures |= _search(client, user, options.seconds, options.concurrency)
        finally:
            _clean_up(client, user)
    if options.json:
        say(figures)
    else:
        table = Table("figure", "value", "unit")
        for name, value in figures.items():
            figure, _, unit = name.rpartition("_")
            table.add_row(figure, f"{value:g}", unit)
        Console().print(table)
    return exits.DONE


def _remember(client: httpx.Client, user: str, count: int) -> dict[str, float]:
    turns = [{"id": str(n), "speaker": PEOPLE[n % 4], "text": _sentence(n)} for n in range(count)]
    started, accepted, operations = time.perf_counter(), [], []
    for start in range(0, count, BATCH_TURNS):
        body = {"user_id": user, "session_id": "bench", "turns": turns[start : start + BATCH_TURNS]}
        sent = time.perf_counter()
        operations.append(call(client, "POST", "/v1/turns", json=body)["operation_id"])
        accepted.append(time.perf_counter() - sent)
    for operation in operations:
        wait_ended(client, operation)
    took = time.perf_counter() - started
    return {"accept_p50_ms": _percentile(accepted, 50), "searchable_turns_per_s": round(count / took, 1)}


def _search(client: httpx.Client, user: str, seconds: float, concurrency: int) -> dict[str, float]:
    deadline = time.perf_counter() + seconds

    def ask(worker: int) -> list[float]:
        times: list[float] = []
        while time.perf_counter() < deadline:
            number = worker * 10_007 + len(times)
            query = f"What did {PEOPLE[number % 4]} buy in {PLACES[number % 8]} on day {number % 97}?"
            started = time.perf_counter()
            call(client, "POST", "/v1/search", json={"query": query, "filter": {"user_id": user}})
            times.append(time.perf_counter() - started)
        return times

    started = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        times = [one for part in pool.map(ask, range(concurrency)) for one in part]
    took = time.perf_counter() - started
    figures = {f"search_p{share}_ms": _percentile(times, share) for share in (50, 95, 99)}
    return figures | {"searches_per_s": round(len(times) / took, 1)}


def _clean_up(client: httpx.Client, user: str) -> None:
    answer = client.delete("/v1/entries", params={"user_id": user})
    if answer.is_error:
        told = f"the turns of user '{user}' stay, since this token may not erase ({answer.status_code})"
        Console(stderr=True).print(told)


def _sentence(number: int) -> str:
    return f"On day {number % 97} I bought {THINGS[number % 7]} number {number} in {PLACES[number % 8]}."


def _percentile(times: list[float], share: int) -> float:
    """Milliseconds that so many percent of the times stay below."""
    ordered = sorted(times)
    place = min(len(ordered) - 1, round(share / 100 * (len(ordered) - 1)))
    return round(1000 * ordered[place], 2)
