"""Free loopback ports."""

import random
import socket

FIRST, LAST = 20000, 30000
"""Range to choose from: below what Linux gives to outgoing connections (32768 on), which could take a port between
the choice and its use."""


def free_ports(count: int) -> list[int]:
    """Ports that nothing on the loopback address listens on now.

    They are drawn at random, so that several test runs beside each other hardly ever meet.

    Parameters
    ----------
    count
        How many.
    """
    chosen: list[int] = []
    while len(chosen) < count:
        port = random.randrange(FIRST, LAST)  # noqa: S311 - no secret
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            if port not in chosen and probe.connect_ex(("127.0.0.1", port)) != 0:
                chosen.append(port)
    return chosen
