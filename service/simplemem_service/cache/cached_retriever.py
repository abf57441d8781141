"""Search results that are worked out once a version of what users find, for all pods.

The version is part of the key, so a change makes all results of before unreachable; upkeep and the service's own checks
change nothing. A value holds ids and scores,
never what somebody said: entries and context come from this pod's own views.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Protocol

from simplemem_service.cache.base import Cache
from simplemem_service.cache.scope import CacheScope
from simplemem_service.index.follow import Follower
from simplemem_service.models.query import Hit, Query, Retrieved, SearchPlan
from simplemem_service.pipeline.context import build_context
from simplemem_service.telemetry import Metrics

LIFETIME = timedelta(minutes=10)
"""How long a result is kept; bounds what a store made anew under an old name could meet."""
CACHE = "search"
"""Name of this cache in the metrics."""


class AnyRetriever(Protocol):
    """Answers queries."""

    async def retrieve(self, query: Query) -> Retrieved:
        """The entries that answer a query best."""

    def close(self) -> None:
        """Let searches under way end and take no more."""


class CachedRetriever:
    """Asks a cache before searching.

    Parameters
    ----------
    inner
        Searches.
    cache
        Where results are kept.
    follower
        Its views are those that searches see; its catalogue has the entries.
    scope
        The store's keys.
    settings
        What tells this process' way of searching, and the place it searches, from others of the store.
    count_tokens
        Length of a text in tokens.
    metrics
        Where hits and misses are counted.
    """

    def __init__(
        self,
        inner: AnyRetriever,
        cache: Cache,
        follower: Follower,
        *,
        scope: CacheScope,
        settings: str,
        count_tokens: Callable[[str], int],
        metrics: Metrics,
    ) -> None:
        self._inner = inner
        self._cache = cache
        self._follower = follower
        self._scope = scope
        self._settings = settings
        self._count_tokens = count_tokens
        self._metrics = metrics

    async def retrieve(self, query: Query) -> Retrieved:
        """The entries that answer a query best; raises what the search raises, never for the cache."""
        version = self._follower.views.content
        key = self._key(query, version)
        known = self._read(await self._cache.get(key), query)
        if known is not None:
            self._metrics.cache_hits_total.labels(CACHE).inc()
            return known
        self._metrics.cache_misses_total.labels(CACHE).inc()
        found = await self._inner.retrieve(query)
        # A result of another version, or one that a model's failure cut short, is not this key's.
        is_whole = not found.degraded and not (found.plan and found.plan.fallback)
        if self._follower.views.content == version and is_whole:
            await self._cache.set(key, _write(found), LIFETIME)
        return found

    def close(self) -> None:
        """Let searches under way end and take no more."""
        self._inner.close()

    def _key(self, query: Query, version: int | None) -> str:
        text = " ".join(unicodedata.normalize("NFC", query.text).split())
        count = len(self._follower.views.catalogue)
        return self._scope.key("search", self._settings, repr((version, count, replace(query, text=text))))

    def _read(self, value: bytes | None, query: Query) -> Retrieved | None:
        """The result in a value; None where there is none, or its entries are not here."""
        if value is None:
            return None
        try:
            body = json.loads(value)
            plan = body["plan"] and SearchPlan(**{**body["plan"], "queries": tuple(body["plan"]["queries"])})
            complexity, depth = float(body["complexity"]), int(body["depth"])
            rows = [(str(row["id"]), float(row["score"]), dict(row["scores"]), row["sources"]) for row in body["hits"]]
        except (ValueError, TypeError, KeyError):
            return None
        hits = []
        for entry_id, score, scores, sources in rows:
            entry = self._follower.views.catalogue.entry(entry_id)
            if entry is None or query.filter.user_id not in (None, entry.user_id):
                return None
            hits.append(Hit(replace(entry, sources=tuple(sources)), score, scores))
        context, tokens = build_context([hit.entry for hit in hits], query.max_tokens, self._count_tokens)
        return Retrieved(tuple(hits), context, tokens, plan, complexity, depth)


def _write(found: Retrieved) -> bytes:
    hits = [
        {"id": hit.entry.entry_id, "score": hit.score, "scores": dict(hit.scores), "sources": hit.entry.sources}
        for hit in found.hits
    ]
    plan = asdict(found.plan) if found.plan else None
    body = {"hits": hits, "plan": plan, "complexity": found.complexity, "depth": found.depth}
    return json.dumps(body).encode()
