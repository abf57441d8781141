"""A kubelet's view of /livez: a process of its own that asks at fixed times, a new connection each time.

    python benchmarks/probe.py PORT

Says "ready" once it runs, asks every `PERIOD_SECONDS` (whether or not those before are answered, so that a pause of the
service counts as often as it is long) until standard input is closed, then prints one JSON object:
`milliseconds` from opening the connection to the answer's end, by this process's monotonic clock, and `late`: by how
many milliseconds the machine woke this process after each time it had asked for. What a probe waits for the service
is in the first only, what it waits for a free core is in both.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time
from concurrent.futures import ThreadPoolExecutor

PERIOD_SECONDS = 0.02
"""Time from one probe to the next."""
TIMEOUT_SECONDS = 10
"""After this a probe counts as lost, and the run ends with an error."""
AT_ONCE = 64
"""Probes that may be under way at the same time."""


def main() -> None:
    """Probe until told to stop."""
    port = int(sys.argv[1])
    print("ready", flush=True)
    late: list[float] = []
    due = time.monotonic() + PERIOD_SECONDS
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = []
        while not select.select([sys.stdin], [], [], max(0.0, due - time.monotonic()))[0]:
            late.append(1000 * max(0.0, time.monotonic() - due))
            asked.append(pool.submit(probe, port))
            due += PERIOD_SECONDS
        times = [sent.result() for sent in asked]
    json.dump({"milliseconds": times, "late": late}, sys.stdout)


def probe(port: int) -> float:
    """Milliseconds of one probe. Raises `RuntimeError` unless it is answered with 200."""
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/livez")
        answer = connection.getresponse()
        answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        raise RuntimeError(f"/livez answered {answer.status}")
    return 1000 * (time.monotonic() - started)


if __name__ == "__main__":
    main()
