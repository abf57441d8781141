"""An HTTP server that listens first, says when the service is ready, and ends with exit status 0 when asked to.

It ends in time whatever is under way: what has not ended by itself then, such as a thread that reads a large table, is
cut off. Nothing acknowledged is lost by that, as nothing is by a `kill -9`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import uvicorn
from fastapi import FastAPI

from simplemem_service.constants import DRAIN_TIMEOUT, KEEP_ALIVE, READY_POLL
from simplemem_service.errors import ConfigError
from simplemem_service.lifecycle import Service

STOP_LEEWAY = timedelta(seconds=5)
"""How long a stop may take beyond `DRAIN_TIMEOUT`, and the threads left at its end; together within the 30 s of grace
that Kubernetes gives."""

logger = logging.getLogger(__name__)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `ConfigError` if the port is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(2048)
        except OSError:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"cannot listen on {host}:{port}: {reason}; choose another with --host or --port") from error
    listening.set_inheritable(False)
    return listening


def run_server(app: FastAPI, listening: socket.socket, on_ready: Callable[[], None]) -> int:
    """Serve until SIGINT or SIGTERM; 0 after a clean end, 1 if the server could not start.

    Parameters
    ----------
    app
        The application.
    listening
        The socket to serve on.
    on_ready
        Called once, when /readyz first says 200.
    """
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(KEEP_ALIVE.total_seconds()),
        timeout_graceful_shutdown=int(DRAIN_TIMEOUT.total_seconds()),
    )
    server = _Server(config)
    deadline = server.deadline
    # uvicorn's own choice of a loop: uvloop, which takes a third of the time a request costs beside the search.
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(server, app.state.service, listening, on_ready))
        # What follows waits for every thread, however long it takes.
        deadline.begin(STOP_LEEWAY)
    deadline.cancel()
    return 0 if server.started else 1


async def _serve(
    server: uvicorn.Server, service: Service, listening: socket.socket, on_ready: Callable[[], None]
) -> None:
    announcing = asyncio.create_task(_announce(service, on_ready))
    try:
        await server.serve(sockets=[listening])
    finally:
        announcing.cancel()


async def _announce(service: Service, on_ready: Callable[[], None]) -> None:
    while not service.health.is_ready:  # noqa: ASYNC110 - several parts make up readiness, none of them an event
        await asyncio.sleep(READY_POLL.total_seconds())
    on_ready()


class _Deadline:
    """Ends the process when its time is over; the first of several times counts."""

    def __init__(self) -> None:
        self._timers: list[threading.Timer] = []

    def begin(self, time: timedelta) -> None:
        """End the process after some time."""
        timer = threading.Timer(time.total_seconds(), self._end)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)

    def cancel(self) -> None:
        """It has ended by itself."""
        for timer in self._timers:
            timer.cancel()

    @staticmethod
    def _end() -> None:
        logger.warning("work under way was cut off by the stop; the next start takes it up")
        logging.shutdown()
        # Not sys.exit, which would wait for the very threads that do not end.
        os._exit(0)


class _Server(uvicorn.Server):
    """uvicorn re-raises the signal that stopped it, which would end the process as if killed; this one does not."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.deadline = _Deadline()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def _stop(self) -> None:
        if not self.should_exit:
            self.deadline.begin(DRAIN_TIMEOUT + STOP_LEEWAY)
        # A second signal does not wait for open requests.
        self.force_exit = self.should_exit
        self.should_exit = True
        self.config.app.state.service.health.is_draining = True  # type: ignore[union-attr] # always a FastAPI here
