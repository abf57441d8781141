"""Clients of one service, in a process of their own so that they do not share an interpreter with what is measured.

    python benchmarks/load.py < load.json

Reads one JSON object: `port`, `path`, `clients`, `bodies` (requests, sent in this order by whichever client is free)
and `warm_up` (how many of the first are sent beforehand and not counted, by one client). Each client keeps one
connection. Prints one JSON object: `milliseconds` of each request, and `seconds` of all of them. Only the standard
library is used: its HTTP client costs the machine a fraction of a search.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

HEADERS = {"Content-Type": "application/json"}
TIMEOUT_SECONDS = 120
"""After this a request counts as lost, and the run ends with an error."""


def main() -> None:
    """Send everything and print the times."""
    load: dict[str, Any] = json.load(sys.stdin)
    bodies = [json.dumps(body).encode() for body in load["bodies"]]
    run(load["port"], load["path"], iter(bodies[: load["warm_up"]]))
    waiting = iter(bodies)
    started = time.perf_counter()
    with ThreadPoolExecutor(load["clients"]) as pool:
        clients = [pool.submit(run, load["port"], load["path"], waiting) for _ in range(load["clients"])]
        times = [time for client in clients for time in client.result()]
    json.dump({"milliseconds": times, "seconds": time.perf_counter() - started}, sys.stdout)


def run(port: int, path: str, waiting: Iterator[bytes]) -> list[float]:
    """Send what is waiting over one connection; the milliseconds of each request. Raises `RuntimeError` unless 2xx."""
    times = []
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        for body in waiting:
            started = time.perf_counter()
            connection.request("POST", path, body, HEADERS)
            answer = connection.getresponse()
            text = answer.read()
            times.append(1000 * (time.perf_counter() - started))
            if answer.status >= http.client.MULTIPLE_CHOICES:
                raise RuntimeError(f"{path} answered {answer.status}: {text[:256]!r}")
    finally:
        connection.close()
    return times


if __name__ == "__main__":
    main()
