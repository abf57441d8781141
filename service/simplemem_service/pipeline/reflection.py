"""Reflection: a language model judges what was found, puts it in order, and may ask once more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from simplemem_service.llm.base import CompletionRequest, LanguageModel, Purpose
from simplemem_service.models.query import Hit
from simplemem_service.pipeline.context import format_entry
from simplemem_service.pipeline.prompts import REFLECT_SCHEMA, reflect_messages
from simplemem_service.pipeline.replies import ReflectReply, parse_reflection

REPLY_TOKENS = 300
"""Longest judgement, in tokens."""
LINE_MAX_CHARS = 600
"""How much of one entry the model is shown, in characters."""


async def judge(model: LanguageModel, question: str, hits: Sequence[Hit], time_limit: timedelta) -> ReflectReply:
    """What a model thinks of hits, numbered from 1 in its reply.

    Raises what `LanguageModel.complete` raises, and `InvalidReplyError`.
    """
    lines = [format_entry(hit.entry)[:LINE_MAX_CHARS] for hit in hits]
    completion = await model.complete(
        CompletionRequest(
            purpose=Purpose.REFLECT,
            messages=reflect_messages(question, lines),
            schema=REFLECT_SCHEMA,
            max_tokens=REPLY_TOKENS,
            time_limit=time_limit,
            tries=1,
        )
    )
    return parse_reflection(completion.text, len(hits))
