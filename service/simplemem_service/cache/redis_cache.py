"""Redis, or a Redis Cluster, as a cache that may vanish at any time.

Every call is bounded by `TIME_LIMIT`, and a circuit breaker leaves out a server that does not answer. A value carries
a digest of its key, so that an answer that belongs to another question, or that somebody else wrote, is a miss.

A node of a cluster may come back at another address, while nobody answers at the one before. The client looks the
nodes up anew when a connection fails, but a call is given up long before that; so failed calls have it done here.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException, RedisError
from typing_extensions import override

from simplemem_service.breaker import CircuitBreaker
from simplemem_service.cache.base import Cache
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

TIME_LIMIT = timedelta(milliseconds=50)
"""How long one call may take; encoding a question takes 5 to 10 ms, so a slower cache is worth nothing."""
CONNECT_LIMIT = timedelta(seconds=2)
"""How long a connection may take to be made, in the background: name, TLS and the nodes of a cluster."""
LOOK_UP_LIMIT = timedelta(seconds=10)
"""How long looking up the nodes of a cluster may take, in the background: some of them may be silent."""
LOOK_UP_PAUSE = timedelta(seconds=3)
"""How long the nodes are not looked up again after that, however many calls fail."""
FORGET_LIMIT = timedelta(seconds=30)
"""How long removing a store's values may take: a million of them take about ten."""
SCANNED_KEYS = 500
"""Keys that one step of a search for keys looks at: a fraction of a millisecond of Redis' only thread."""
NAMESPACE = "simplemem:"
"""What all keys in Redis begin with."""
CHECK_BYTES = 8
"""Bytes of the key's digest in front of each value."""

_FAILURES = (RedisError, RedisClusterException, OSError, TimeoutError)


class RedisCache(Cache):
    """A Redis behind a time limit and a circuit breaker.

    Parameters
    ----------
    url
        redis:// or rediss://, as redis-py reads it; it may hold a password and is never logged.
    metrics
        Where failures are counted.
    breaker
        Decides when to ask again.
    """

    def __init__(self, url: str, metrics: Metrics, breaker: CircuitBreaker | None = None) -> None:
        self._url = url
        self._metrics = metrics
        self._breaker = breaker or CircuitBreaker()
        self._client: Redis | RedisCluster | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None

    @override
    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        client = self._ready_client()
        if client is None or not keys:
            return {}
        try:
            async with asyncio.timeout(TIME_LIMIT.total_seconds()):
                async with client.pipeline(transaction=False) as pipeline:
                    for key in keys:
                        pipeline.get(NAMESPACE + key)
                    found = await pipeline.execute()
        except _FAILURES as error:
            self._fail(error)
            return {}
        self._breaker.succeed()
        return {key: value[CHECK_BYTES:] for key, value in zip(keys, found, strict=True) if _belongs(key, value)}

    @override
    async def set_many(self, values: Mapping[str, bytes], lifetime: timedelta) -> None:
        client = self._ready_client()
        if client is None or not values:
            return
        try:
            async with asyncio.timeout(TIME_LIMIT.total_seconds()):
                async with client.pipeline(transaction=False) as pipeline:
                    for key, value in values.items():
                        pipeline.set(NAMESPACE + key, _check(key) + value, px=lifetime)
                    await pipeline.execute()
        except _FAILURES as error:
            self._fail(error)
            return
        self._breaker.succeed()

    @override
    async def forget(self, prefix: str) -> bool:
        """Search all keys for those of a store and remove them, also while the circuit is open."""
        try:
            async with asyncio.timeout(FORGET_LIMIT.total_seconds()):
                client = await self._awaited_client()
                if client is None:
                    return False
                await _remove(client, f"{NAMESPACE}{prefix}*")
        except _FAILURES as error:
            self._fail(error)
            return False
        self._breaker.succeed()
        return True

    @override
    async def close(self) -> None:
        """End all connections."""
        for task in (self._connecting, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await self._drop()

    def _ready_client(self) -> Redis | RedisCluster | None:
        """The client; None while there is none or it is left alone. Never waits."""
        if self._connecting is not None or not self._breaker.is_allowed():
            return None
        if self._client is None:
            self._connecting = asyncio.create_task(self._connect())
        return self._client

    async def _awaited_client(self) -> Redis | RedisCluster | None:
        """The client, connected first if need be; None where that fails."""
        if self._client is None:
            self._connecting = self._connecting or asyncio.create_task(self._connect())
            await self._connecting
        return self._client

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_LIMIT.total_seconds()):
                self._client = await _connected(self._url)
            self._breaker.succeed()
        except _FAILURES as error:
            self._fail(error)
        finally:
            self._connecting = None

    def _fail(self, error: BaseException) -> None:
        self._metrics.cache_errors_total.inc()
        if self._breaker.fail():
            # The kind alone: a message may hold the address with its password.
            logger.warning("redis left out for now", extra={"error": type(error).__name__})
        if isinstance(self._client, RedisCluster) and self._looking is None:
            self._looking = asyncio.create_task(self._look_up(self._client))

    async def _look_up(self, client: RedisCluster) -> None:
        """Ask where the nodes are now; where none of those known says so, the next call connects by name."""
        try:
            async with asyncio.timeout(LOOK_UP_LIMIT.total_seconds()):
                await client.nodes_manager.initialize()
        except _FAILURES as error:
            logger.debug("redis nodes not found", extra={"error": type(error).__name__})
            if self._client is client:
                await self._drop()
        else:
            await asyncio.sleep(LOOK_UP_PAUSE.total_seconds())
        finally:
            self._looking = None

    async def _drop(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                await client.aclose()
            except _FAILURES as error:
                logger.debug("redis not closed", extra={"error": type(error).__name__})


async def _connected(url: str) -> Redis | RedisCluster:
    """A client that has reached its server: of the cluster where the server is in one."""
    client = Redis.from_url(
        url,
        socket_timeout=CONNECT_LIMIT.total_seconds(),
        socket_connect_timeout=CONNECT_LIMIT.total_seconds(),
        retry=Retry(NoBackoff(), 0),
    )
    try:
        found = await client.info("cluster")
        if not found.get("cluster_enabled"):
            return client
    except BaseException:
        await client.aclose()
        raise
    await client.aclose()
    cluster = RedisCluster.from_url(
        url,
        # To find all nodes, with TLS where it is; a call is bounded by its own limit all the same.
        socket_timeout=CONNECT_LIMIT.total_seconds(),
        socket_connect_timeout=CONNECT_LIMIT.total_seconds(),
        retry=Retry(NoBackoff(), 1),
    )
    try:
        return await cluster.initialize()
    except BaseException:
        await cluster.aclose()
        raise


async def _remove(client: Redis | RedisCluster, pattern: str) -> None:
    """Remove all keys of a pattern, in a cluster on every node."""
    names: list[bytes] = []
    async for name in client.scan_iter(match=pattern, count=SCANNED_KEYS):
        names.append(name)
        if len(names) >= SCANNED_KEYS:
            await _unlink(client, names)
            names = []
    await _unlink(client, names)


async def _unlink(client: Redis | RedisCluster, names: Sequence[bytes]) -> None:
    # One by one: keys of several slots cannot go in one command. The pipeline of a cluster has no `unlink` of its own.
    async with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.execute_command("UNLINK", name)
        await pipeline.execute()


def _check(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()[:CHECK_BYTES]


def _belongs(key: str, value: bytes | None) -> bool:
    return value is not None and value[:CHECK_BYTES] == _check(key)
