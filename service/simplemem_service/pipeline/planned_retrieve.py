"""Stage 3 with a language model: the plain search, widened by a plan and put in order by a judgement.

The plain search always runs, first, and is the answer whenever a model fails, takes too long or may not be called. One
question costs at most one plan and `MOST_JUDGEMENTS` judgements, within `TIME_LIMIT` altogether.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Protocol

import numpy as np

from simplemem_api.memory_spec import When
from simplemem_service.errors import ServiceError
from simplemem_service.llm.base import LanguageModel
from simplemem_service.models.query import Hit, Query, Retrieved, SearchPlan
from simplemem_service.pipeline.complexity import deepen
from simplemem_service.pipeline.context import build_context
from simplemem_service.pipeline.fusion import min_max
from simplemem_service.pipeline.planning import is_wanted, is_weak, plan_searches
from simplemem_service.pipeline.reflection import judge
from simplemem_service.pipeline.replies import InvalidReplyError

logger = logging.getLogger(__name__)

TIME_LIMIT = timedelta(seconds=15)
"""How long all calls for one question may take; whoever asks waits for them."""
POOL = 20
"""Hits of each search that are fused and judged, where fewer are asked for."""
JUDGED_MAX = 40
"""Hits that a model is shown at most."""
MOST_JUDGEMENTS = 2
"""Judgements of one question: the second one sees what the first asked for."""
PLANNED_WEIGHT = 0.9
"""What the best hit of a planned search counts against the best of the question itself."""


class PlainRetriever(Protocol):
    """Answers a query without a language model."""

    async def retrieve(self, query: Query) -> Retrieved:
        """The entries that answer a query best."""

    def close(self) -> None:
        """Let searches under way end and take no more."""


@dataclass(slots=True)
class _Progress:
    """What one question has come to; valid at any moment, so that it can be cut short."""

    hits: list[Hit]
    """Best first."""
    is_weak: bool
    """Whether the first pass was."""
    deadline: float
    """When the calls must have ended, on the monotonic clock."""
    complexity: float
    """The question's C_q."""
    degraded: str
    """Why the first pass did without meaning; empty where it did not."""
    queries: list[str] = field(default_factory=list)
    """Searches beside the question."""
    calls: int = 0
    """Calls of language models."""
    is_sufficient: bool | None = None
    """The last judgement."""

    def left(self) -> timedelta:
        """Time that the next call may take."""
        return timedelta(seconds=max(0.1, self.deadline - time.monotonic()))


class PlannedRetriever:
    """Answers queries with the help of a language model.

    Parameters
    ----------
    plain
        Searches.
    model
        Plans and judges.
    planning, reflection
        When it does.
    count_tokens
        Length of a text in tokens of the embedding model.
    time_limit
        How long all calls for one question may take.
    """

    def __init__(
        self,
        plain: PlainRetriever,
        model: LanguageModel,
        *,
        planning: When,
        reflection: When,
        count_tokens: Callable[[str], int],
        time_limit: timedelta = TIME_LIMIT,
    ) -> None:
        self._plain = plain
        self._model = model
        self._planning = planning
        self._reflection = reflection
        self._count_tokens = count_tokens
        self._time_limit = time_limit

    async def retrieve(self, query: Query) -> Retrieved:
        """The entries that answer a query best, and their text within its token budget.

        Raises what the plain search raises for the question itself, and nothing else.
        """
        found = await self._search(query, query.text)
        deadline = time.monotonic() + self._time_limit.total_seconds()
        progress = _Progress(list(found.hits), is_weak(found.hits), deadline, found.complexity, found.degraded)
        fallback = ""
        try:
            async with asyncio.timeout(self._time_limit.total_seconds()):
                await self._improve(query, progress)
        except TimeoutError:
            fallback = f"not done within {self._time_limit.total_seconds():g} s"
        except InvalidReplyError:
            fallback = "the model's reply was not usable"
        except ServiceError as error:
            fallback = error.code
        if fallback:
            logger.info("search goes on without the language model", extra={"reason": fallback})
        return await self._result(query, progress, fallback)

    def close(self) -> None:
        """Let searches under way end and take no more."""
        self._plain.close()

    async def _improve(self, query: Query, progress: _Progress) -> None:
        if is_wanted(self._planning, weak=progress.is_weak):
            progress.calls += 1
            queries = await plan_searches(self._model, query.text, progress.left())
            found = await asyncio.gather(*(self._search(query, text) for text in queries))
            progress.hits = fuse(progress.hits, [one.hits for one in found])
            progress.queries += queries
        if is_wanted(self._reflection, weak=progress.is_weak):
            await self._reflect(query, progress)

    async def _reflect(self, query: Query, progress: _Progress) -> None:
        asked = ""
        for number in range(1, MOST_JUDGEMENTS + 1):
            if not progress.hits:
                return
            shown = progress.hits[:JUDGED_MAX]
            progress.calls += 1
            reply = await judge(self._model, query.text, shown, progress.left())
            helpful = [shown[place - 1] for place in reply.ranking]
            progress.is_sufficient = reply.sufficient
            progress.hits = put_first(helpful, progress.hits)
            is_last = number == MOST_JUDGEMENTS
            if reply.sufficient or reply.follow_up is None or reply.follow_up == asked or is_last:
                return
            asked = reply.follow_up
            found = await self._search(query, asked)
            progress.queries.append(asked)
            progress.hits = put_first([*helpful, *found.hits[: query.top_k]], progress.hits)

    async def _search(self, query: Query, text: str) -> Retrieved:
        return await self._plain.retrieve(replace(query, text=text, top_k=max(query.top_k, POOL)))

    async def _result(self, query: Query, progress: _Progress, fallback: str) -> Retrieved:
        depth = deepen(query.top_k, progress.complexity) if query.deepens else query.top_k
        hits = tuple(progress.hits[:depth])
        context, tokens = await asyncio.to_thread(
            build_context, [hit.entry for hit in hits], query.max_tokens, self._count_tokens
        )
        plan = SearchPlan(
            is_weak=progress.is_weak,
            queries=tuple(progress.queries),
            calls=progress.calls,
            is_sufficient=progress.is_sufficient,
            fallback=fallback,
        )
        return Retrieved(hits, context, tokens, plan, progress.complexity, depth, progress.degraded)


def fuse(asked: Sequence[Hit], planned: Sequence[Sequence[Hit]]) -> list[Hit]:
    """The hits of several searches as one list, best first (pure).

    An entry scores the best of its min-max normalised scores, those of planned searches times `PLANNED_WEIGHT`: each
    search is for another fact, so the best hit of each must come high, which a sum would prevent.
    """
    if not any(planned):
        return list(asked)
    best: dict[str, Hit] = {}
    for weight, hits in [(1.0, asked), *((PLANNED_WEIGHT, hits) for hits in planned)]:
        scores = min_max(np.array([hit.score for hit in hits], dtype=np.float64))
        for hit, score in zip(hits, scores, strict=True):
            known = best.get(hit.entry.entry_id)
            if known is None or weight * float(score) > known.score:
                best[hit.entry.entry_id] = replace(hit, score=weight * float(score))
    return sorted(best.values(), key=lambda hit: -hit.score)


def put_first(chosen: Sequence[Hit], hits: Sequence[Hit]) -> list[Hit]:
    """The chosen hits in their order, then the others in theirs, each once; scores fall from 1 to 0 by place (pure)."""
    order = {hit.entry.entry_id: hit for hit in (*chosen, *hits)}
    size = len(order)
    return [replace(hit, score=1.0 - place / size) for place, hit in enumerate(order.values())]
