"""/healthz, /readyz and /metrics of the operator."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from simplemem_operator.caches import Caches
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.metrics import CACHED


class ProbeServer:
    """A small HTTP server in the event loop of the reconcile loop: where that hangs, this does, and liveness fails."""

    def __init__(self, heartbeat: Heartbeat, caches: Caches) -> None:
        self._heartbeat = heartbeat
        self._caches = caches
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        """Listen on all addresses."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, port=port).start()

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(self._heartbeat.complaint())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._heartbeat.complaint() or self._caches.blindness)

    async def _metrics(self, _: web.Request) -> web.Response:
        for kind, size in self._caches.sizes().items():
            CACHED.labels(kind=kind).set(size)
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answer(complaint: str) -> web.Response:
    return web.Response(text=complaint or "ok", status=503 if complaint else 200)
