"""Stage 1 with a language model: a window of turns becomes entries that can be understood alone.

Density is judged by the rules before a model is asked, so a window that adds nothing costs nothing. One call a window
resolves who and when; a reply is checked (`replies.py`), a wrong one is asked for again with the error shown, and a
window too long for the model is asked for in halves. Whatever still fails is stored by the rules and marked, and every
turn that no entry cites is stored by the rules beside them: nothing that was said is lost to a model's mood. The words
of an entry (`text`) stay those of its turns, so the lexical view finds what was said however it was restated.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from typing_extensions import override

from simplemem_service.errors import BudgetExceededError, LlmError, LlmRejectedError, LlmTooLongError
from simplemem_service.llm.base import CompletionRequest, LanguageModel, Purpose
from simplemem_service.llm.cache import owner_of
from simplemem_service.models.entry import Entry, Turn
from simplemem_service.pipeline.compress import (
    BY_RULES,
    Compressed,
    CompressionStage,
    Compressor,
    Judged,
    draft_turn,
    entry_id_of,
)
from simplemem_service.pipeline.prompts import COMPRESS_HASH, COMPRESS_SCHEMA, compress_messages, correction, told
from simplemem_service.pipeline.replies import EntryReply, InvalidReplyError, WindowReply, parse_window
from simplemem_service.pipeline.vectors import Draft, TextVectors
from simplemem_service.telemetry import Metrics

logger = logging.getLogger(__name__)

DEGRADED = f"{BY_RULES}:degraded"
"""`compressed_by` of entries that a language model should have made, and failed."""
REPLY_TRIES = 3
"""Replies that are asked for one window before the rules take over."""
REPLY_SHOWN_CHARS = 4_000
"""How much of a wrong reply the model is shown again, in characters."""
TOKENS_PER_TURN = 200
"""Room for the entries of one turn, in tokens: two entries with all their fields."""
LEAST_TOKENS = 512
"""Shortest limit of a reply, in tokens."""
MOST_TOKENS = 8_192
"""Longest limit of a reply, in tokens; the least that the models of the tiers can write at once."""
CALL_MAX_CHARS = 24_000
"""Characters of turns asked for in one call, about 6,000 tokens; a longer window is asked for in parts. A single turn
beyond it is a document, not a remark, and is stored by the rules."""
TIME_LIMIT = timedelta(minutes=4)
"""How long one call may take with all its tries; the rest of the batch waits for it."""


class CompressionCache(Protocol):
    """Keeps replies, so that the same window is never paid for twice. Losing one costs a call."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key, or None."""

    async def put(self, key: str, value: bytes) -> None:
        """Keep a value."""


@dataclass(frozen=True, slots=True)
class _Part:
    """Turns that are asked for in one call, and what became of them."""

    turns: tuple[Turn, ...]
    """The turns, in order."""
    reply: WindowReply | None
    """The entries; None where the rules take over."""
    compressed_by: str
    """Who made them."""


class LlmCompressor(CompressionStage):
    """The compression stage with a language model.

    Parameters
    ----------
    rules
        Judges density, encodes, and stores what the model does not.
    model
        Is asked.
    cache
        Replies paid for before.
    metrics
        Counts what was taken from the cache and what the rules took over.
    workers
        Windows asked for at the same time.
    overlap_turns
        Turns before a window that the model is shown with it.
    """

    def __init__(
        self,
        rules: Compressor,
        model: LanguageModel,
        cache: CompressionCache,
        metrics: Metrics,
        *,
        workers: int,
        overlap_turns: int,
    ) -> None:
        self._rules = rules
        self._model = model
        self._cache = cache
        self._metrics = metrics
        self._slots = asyncio.Semaphore(workers)
        self._overlap_turns = overlap_turns

    @property
    @override
    def density_threshold(self) -> float:
        return self._rules.density_threshold

    @override
    async def compress(
        self, turns: Sequence[Turn], preceding: Sequence[Entry], next_position: int, *, keeps_all: bool = False
    ) -> Compressed:
        if not turns:
            return Compressed((), ())
        judged = await self._rules.judge(turns, preceding, keeps_all=keeps_all)
        before = [_told_entry(entry) for entry in preceding[-self._overlap_turns :]] if self._overlap_turns else []
        asked = []
        for number, window in enumerate(judged.kept):
            context = [told(turn) for turn in window.overlap] or (before if number == 0 else [])
            asked.append(self._ask_all(window.turns, context))
        parts = [part for found in await asyncio.gather(*asked) for part in found]
        drafts = await self._draft(parts, judged)
        return await self._rules.finish(drafts, judged, next_position)

    async def _ask_all(self, turns: Sequence[Turn], context: Sequence[Mapping[str, str]]) -> list[_Part]:
        """What became of a window, in one part or several."""
        parts: list[_Part] = []
        for group in _groups(turns):
            if sum(len(turn.text) for turn in group) > CALL_MAX_CHARS:
                parts.append(_Part(group, None, BY_RULES))
            else:
                parts += await self._ask(group, context)
            context = [told(turn) for turn in group[-self._overlap_turns :]] if self._overlap_turns else []
        return parts

    async def _ask(self, turns: tuple[Turn, ...], context: Sequence[Mapping[str, str]]) -> list[_Part]:
        """What became of turns that fit into one call; in halves where they do not fit after all."""
        key = self._key(turns, context)
        try:
            found = await self._cached(key, turns, context)
            if found is None:
                async with self._slots:
                    found = await self._reply(turns, context)
                await self._cache.put(key, json.dumps({"model": found[1], "reply": found[0]}).encode())
        except LlmTooLongError as error:
            if len(turns) == 1:
                return [self._give_up(turns, error)]
            middle = (len(turns) + 1) // 2
            first, second = turns[:middle], turns[middle:]
            between = [told(turn) for turn in first[-self._overlap_turns :]] if self._overlap_turns else []
            return await self._ask(first, context) + await self._ask(second, between)
        except (LlmError, LlmRejectedError, BudgetExceededError, InvalidReplyError) as error:
            return [self._give_up(turns, error)]
        return [_Part(turns, parse_window(found[0], turns, _words_of(context)), f"llm:{found[1]}")]

    async def _cached(
        self, key: str, turns: Sequence[Turn], context: Sequence[Mapping[str, str]]
    ) -> tuple[str, str] | None:
        """Reply and model of the same window asked before; None if it was not, or if its reply is damaged."""
        value = await self._cache.get(key)
        if value is None:
            return None
        try:
            document = json.loads(value)
            reply, model = str(document["reply"]), str(document["model"])
            parse_window(reply, turns, _words_of(context))
        except (ValueError, KeyError, TypeError) as error:
            logger.warning("cached reply is damaged", extra={"key": key, "error": type(error).__name__})
            return None
        self._metrics.cache_hits_total.labels("compression").inc()
        return reply, model

    async def _reply(self, turns: Sequence[Turn], context: Sequence[Mapping[str, str]]) -> tuple[str, str]:
        """A reply that can be used and who gave it; `InvalidReplyError` after the last try."""
        messages = compress_messages(turns, context)
        request = CompletionRequest(
            purpose=Purpose.COMPRESS,
            messages=messages,
            schema=COMPRESS_SCHEMA,
            max_tokens=min(LEAST_TOKENS + TOKENS_PER_TURN * len(turns), MOST_TOKENS),
            time_limit=TIME_LIMIT,
        )
        failure = InvalidReplyError("")
        for attempt in range(1, REPLY_TRIES + 1):
            completion = await self._model.complete(request)
            try:
                parse_window(completion.text, turns, _words_of(context))
            except InvalidReplyError as error:
                failure = error
                fields = {"model": completion.model, "attempt": attempt, "error": _kind(error)}
                logger.info("reply of a language model not accepted", extra=fields)
                if completion.is_cut_off and len(turns) > 1:
                    raise LlmTooLongError(f"model '{completion.model}': its reply was cut off") from error
                shown = completion.text[:REPLY_SHOWN_CHARS]
                request = replace(request, messages=messages + correction(shown, str(error)))
            else:
                return completion.text, completion.model
        raise failure

    def _give_up(self, turns: tuple[Turn, ...], error: Exception) -> _Part:
        self._metrics.degraded_turns_total.inc(len(turns))
        found = _kind(error) if isinstance(error, InvalidReplyError) else str(error)
        logger.warning("window stored by rules", extra={"turns": [turn.key for turn in turns], "error": found})
        return _Part(turns, None, DEGRADED)

    def _key(self, turns: Sequence[Turn], context: Sequence[Mapping[str, str]]) -> str:
        """Who, then a hash of all that the reply depends on."""
        content = [COMPRESS_HASH, self._model.models, list(context), [told(turn) for turn in turns]]
        digest = hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
        return f"{owner_of(turns[0].user_id)}-{digest}"

    async def _draft(self, parts: Sequence[_Part], judged: Judged) -> list[Draft]:
        """The entries of all parts, in order, with the vectors of their sentences."""
        restated = [entry.lossless_restatement for part in parts if part.reply for entry in part.reply.entries]
        vectors = iter(await self._rules.embed_texts(restated) if restated else [])
        return [draft for part in parts for draft in _draft_part(part, judged, vectors)]


def _draft_part(part: _Part, judged: Judged, vectors: Iterator[TextVectors]) -> list[Draft]:
    """Entries of a part by the first turn each is made of; turns that none cites are stored by the rules."""
    if part.reply is None:
        return [draft_turn(turn, judged, part.compressed_by) for turn in part.turns]
    made: dict[int, list[Draft]] = {}
    cited: set[int] = set()
    for entry in part.reply.entries:
        numbers = sorted(set(entry.sources))
        cited.update(numbers)
        same = made.setdefault(numbers[0], [])
        turns = [part.turns[number - 1] for number in numbers]
        own = _build_entry(entry, turns, len(same), part.compressed_by)
        same.append(Draft(own, next(vectors), own.lossless_restatement))
    drafts: list[Draft] = []
    for number, turn in enumerate(part.turns, start=1):
        drafts += made.get(number, [])
        if number not in cited:
            drafts.append(draft_turn(turn, judged))
    return drafts


def _build_entry(reply: EntryReply, turns: Sequence[Turn], ordinal: int, compressed_by: str) -> Entry:
    speakers = list(dict.fromkeys(turn.speaker for turn in turns))
    is_one = len(speakers) == 1
    timestamp = turns[-1].timestamp
    return Entry(
        entry_id=entry_id_of(turns[0], ordinal),
        user_id=turns[0].user_id,
        session_id=turns[0].session_id,
        position=0,
        speaker=speakers[0] if is_one else "",
        text="\n".join(turn.text if is_one else f"{turn.speaker}: {turn.text}" for turn in turns),
        lossless_restatement=reply.lossless_restatement,
        keywords=tuple(keyword.casefold() for keyword in reply.keywords),
        timestamp=timestamp,
        location=reply.location,
        persons=tuple(dict.fromkeys([*speakers, *reply.persons])),
        entities=tuple(reply.entities),
        sources=tuple(turn.id for turn in turns),
        valid_from=reply.timestamp or timestamp,
        compressed_by=compressed_by,
    )


def _groups(turns: Sequence[Turn]) -> list[tuple[Turn, ...]]:
    """The turns in runs that fit into one call each; a turn that is too long by itself is a run of its own."""
    groups: list[list[Turn]] = []
    size = 0
    for turn in turns:
        if not groups or size + len(turn.text) > CALL_MAX_CHARS:
            groups.append([])
            size = 0
        groups[-1].append(turn)
        size += len(turn.text)
    return [tuple(group) for group in groups]


def _told_entry(entry: Entry) -> dict[str, str]:
    time = {"time": entry.timestamp.isoformat()} if entry.timestamp is not None else {}
    return {"speaker": entry.speaker, **time, "text": entry.text}


def _words_of(context: Sequence[Mapping[str, str]]) -> str:
    return "\n".join(f"{item['speaker']} {item['text']}" for item in context)


def _kind(error: InvalidReplyError) -> str:
    """What was wrong, for logs, where nothing of the reply itself belongs."""
    return str(error).split(":", 1)[0][:80]
