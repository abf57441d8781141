"""Start and end of the process, and the settings of kopf."""

from __future__ import annotations

import asyncio
from typing import Any

import kopf

from simplemem_operator.config import Config
from simplemem_operator.handlers.probes import ProbeServer
from simplemem_operator.loops import StoreLoops

WATCH_SECONDS = 60
"""Life of a watch, in seconds: a connection that died without a word is noticed by the next one at the latest."""

CONNECT_SECONDS = 10
"""How long a watch may take to connect, in seconds."""


def register(registry: kopf.OperatorRegistry, config: Config, loops: StoreLoops, probes: ProbeServer) -> None:
    """Register what runs at the start and at the end."""
    tasks: list[asyncio.Task[None]] = []

    async def startup(settings: kopf.OperatorSettings, **_: Any) -> None:
        # Events are ours to write, after the status; kopf's own would double them.
        settings.posting.enabled = False
        settings.persistence.finalizer = "simplemem.io/finalizer"
        settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="simplemem.io")
        settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix="simplemem.io")
        settings.watching.server_timeout = WATCH_SECONDS
        settings.watching.client_timeout = WATCH_SECONDS + CONNECT_SECONDS
        settings.watching.connect_timeout = CONNECT_SECONDS
        # The kinds that we watch are known; looking out for new ones would need a right to list all CRDs.
        settings.scanning.disabled = True
        await probes.start(config.port)
        tasks.append(asyncio.create_task(loops.beat(), name="heartbeat"))

    async def cleanup(**_: Any) -> None:
        for task in tasks:
            task.cancel()
        await loops.close()
        await probes.stop()

    kopf.on.startup(registry=registry, id="startup")(startup)
    kopf.on.cleanup(registry=registry, id="cleanup")(cleanup)
