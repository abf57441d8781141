"""Planning: a language model takes a question apart into simpler searches.

Most questions need none: the recipe finds nine of ten pieces of evidence with the question as it is. So `Auto` asks
only where the first pass is weak, which `is_weak` tells from the scores alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from simplemem_api.memory_spec import When
from simplemem_service.llm.base import CompletionRequest, LanguageModel, Purpose
from simplemem_service.models.query import Hit
from simplemem_service.pipeline.prompts import PLAN_SCHEMA, plan_messages
from simplemem_service.pipeline.replies import parse_plan

FEWEST_HITS = 3
"""Fewer hits than this are weak."""
WEAK_LEAD = 0.35
"""How far the best hit must stand out for the pass to be strong, as a share of its score over the tenth's."""
COMPARED_PLACE = 9
"""Place, from 0, of the hit that the best one is compared with."""
REPLY_TOKENS = 400
"""Longest plan, in tokens."""


async def plan_searches(model: LanguageModel, question: str, time_limit: timedelta) -> tuple[str, ...]:
    """Searches that together find what a question needs; none where the question itself will do.

    Raises what `LanguageModel.complete` raises, and `InvalidReplyError`.
    """
    completion = await model.complete(
        CompletionRequest(
            purpose=Purpose.PLAN,
            messages=plan_messages(question),
            schema=PLAN_SCHEMA,
            max_tokens=REPLY_TOKENS,
            time_limit=time_limit,
            tries=1,
        )
    )
    queries = parse_plan(completion.text)
    return tuple(query for query in queries if query.casefold() != question.strip().casefold())


def is_weak(hits: Sequence[Hit]) -> bool:
    """Whether a first pass found little, or nothing that stands out from the rest (pure)."""
    if len(hits) < FEWEST_HITS:
        return True
    best, other = hits[0].score, hits[min(COMPARED_PLACE, len(hits) - 1)].score
    return best <= 0 or (best - other) / best < WEAK_LEAD


def is_wanted(when: When, *, weak: bool) -> bool:
    """Whether a step is taken (pure)."""
    return when is When.ALWAYS or (when is When.AUTO and weak)
