"""Start and end of the process, and the settings of kopf."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import kopf
from typing_extensions import override

from simplemem_api.memorystore import GROUP, PLURAL, VERSION
from simplemem_operator.caches import Caches
from simplemem_operator.config import Config
from simplemem_operator.handlers.memorystore import Waker
from simplemem_operator.handlers.probes import ProbeServer
from simplemem_operator.loops import StoreLoops
from simplemem_operator.probe import Prober

CONNECT_SECONDS = 10
"""How long a watch may take to connect, in seconds; what its silence may be over its life, too."""

SYNC_SECONDS = 30.0
"""How long the first passes wait for the lists of children, in seconds; later ones say what keeps them."""

PAGE = 500
"""MemoryStores in one answer to a list."""


class NoDiffs(kopf.DiffBaseStorage):
    """Nothing of what was handled before: handlers of raw events are told no difference, which kopf would work out."""

    @override
    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence()

    @override
    def fetch(self, **_: Any) -> None:
        return None

    @override
    def store(self, **_: Any) -> None:
        return None


class Backoffs:
    """Waits between attempts to reach the API server, in seconds: growing, capped, without an end.

    kopf gives up after the last of its own, and the process with it; a server may be away for longer.
    """

    def __iter__(self) -> Iterator[float]:
        """Half a second, doubled up to eight."""
        wait = 0.5
        while True:
            yield wait
            wait = min(8.0, wait * 2)


def register(  # noqa: PLR0917 - what lives as long as the process
    registry: kopf.OperatorRegistry,
    config: Config,
    caches: Caches,
    loops: StoreLoops,
    prober: Prober,
    probes: ProbeServer,
    waker: Waker,
) -> None:
    """Register what runs at the start and at the end."""
    tasks: list[asyncio.Task[None]] = []

    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        _configure(settings, config)
        await probes.start(config.port)
        tasks.append(asyncio.create_task(loops.beat(), name="heartbeat"))
        loop = asyncio.get_running_loop()
        listener = waker.listener(loop)
        caches.start(listener)
        await loop.run_in_executor(None, caches.wait, SYNC_SECONDS)
        caches.start_stores(listener)
        # kopf lists them next, and a pass that it wakes wants to know them all.
        await loop.run_in_executor(None, caches.wait, SYNC_SECONDS)

    async def cleanup(**_: Any) -> None:
        caches.stop()
        for task in tasks:
            task.cancel()
        await loops.close()
        await prober.close()
        await probes.stop()

    kopf.on.startup(registry=registry, id="startup")(startup)
    kopf.on.cleanup(registry=registry, id="cleanup")(cleanup)


def _configure(settings: kopf.OperatorSettings, config: Config) -> None:
    # Events are ours to write, after the status; kopf's own would double them.
    settings.posting.enabled = False
    settings.persistence.finalizer = "simplemem.io/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="simplemem.io")
    settings.persistence.diffbase_storage = NoDiffs()
    settings.networking.error_backoffs = Backoffs()
    settings.watching.server_timeout = config.watch_seconds
    settings.watching.client_timeout = config.watch_seconds + CONNECT_SECONDS
    settings.watching.inactivity_timeout = config.watch_seconds + CONNECT_SECONDS
    settings.watching.connect_timeout = CONNECT_SECONDS
    settings.watching.chunk_size = PAGE
    if config.selector:
        settings.watching.label_selectors[GROUP, VERSION, PLURAL] = config.selector
    # The kinds that we watch are known; looking out for new ones would need a right to list all CRDs.
    settings.scanning.disabled = True
