"""Stage 1 by rules: turns become entries with their vectors, and windows that add nothing are dropped.

One turn becomes one entry. A window as a whole is judged by its density; what it says is not judged turn by turn,
since a dull sentence may be the answer to a question.
"""

from __future__ import annotations

import asyncio
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import override

from simplemem_service.embedding.base import Embedding
from simplemem_service.models.density import Density
from simplemem_service.models.entry import EmbeddedEntry, Entry, Turn
from simplemem_service.pipeline.density import NOVELTY_SHARE, density, mean_direction
from simplemem_service.pipeline.normalize import Normalized, normalize_turn
from simplemem_service.pipeline.references import TURNS_BEFORE
from simplemem_service.pipeline.vectors import Draft, TextVectors, answering, embed_texts, finish_entries
from simplemem_service.pipeline.windows import Window, slide

ENTRY_NAMESPACE = uuid.UUID("6a3d2b52-6a0e-5d0c-9f1e-53a3c1f0e2d7")
"""Namespace of entry ids; never to be changed, or a replay would write every entry twice."""
BY_RULES = "rules"
"""`compressed_by` of entries made here."""


@dataclass(frozen=True, slots=True)
class DroppedWindow:
    """A window that was not stored, with the reason."""

    turns: tuple[Turn, ...]
    """Its turns, so that a lower threshold can bring them back."""
    density: Density
    """Why: the score lies below the threshold."""


@dataclass(frozen=True, slots=True)
class Compressed:
    """What became of a run of turns."""

    entries: tuple[EmbeddedEntry, ...]
    """Entries to store, by ascending position."""
    dropped: tuple[DroppedWindow, ...]
    """Windows under the threshold."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Turns cut into windows, encoded, and judged by their density."""

    kept: tuple[Window, ...]
    """Windows to store, in order."""
    dropped: tuple[DroppedWindow, ...]
    """Windows under the threshold."""
    normalized: Mapping[str, Normalized]
    """What the rules make of each turn, by its key."""
    vectors: Mapping[str, TextVectors]
    """Vectors of each turn, by its key."""
    said_before: Mapping[str, str]
    """What was said before each turn in its session, by its key."""
    past: tuple[TextVectors, ...]
    """Vectors of the session's latest entries, in order."""


class CompressionStage(ABC):
    """Turns into entries."""

    @property
    @abstractmethod
    def density_threshold(self) -> float:
        """Density below which a window is dropped."""

    @abstractmethod
    async def compress(
        self, turns: Sequence[Turn], preceding: Sequence[Entry], next_position: int, *, keeps_all: bool = False
    ) -> Compressed:
        """Entries of turns, and the windows dropped.

        Parameters
        ----------
        turns
            Turns of one session of one user, in order.
        preceding
            The latest entries of that session, in order: the history that density compares with, and the context of
            the first turns. As many as a window has turns are of use.
        next_position
            Position of the first entry to be written.
        keeps_all
            Whether windows below the threshold are kept, too: for turns that are brought back.
        """


class Compressor(CompressionStage):
    """Rules mode of the compression stage.

    Parameters
    ----------
    embedding
        Encodes the sentences.
    window_turns
        Longest window in turns; at least 1.
    overlap_turns
        Turns shown again in the next window; less than `window_turns`.
    density_threshold
        Windows scoring below it are dropped; 0 keeps all.
    novelty_share
        The density formula's `a`, in [0, 1].
    observe
        Told the density of every window, stored or dropped.
    """

    def __init__(
        self,
        embedding: Embedding,
        *,
        window_turns: int,
        overlap_turns: int,
        density_threshold: float,
        novelty_share: float = NOVELTY_SHARE,
        observe: Callable[[Density], None] = lambda _density: None,
    ) -> None:
        self._embedding = embedding
        self._window_turns = window_turns
        self._overlap_turns = overlap_turns
        self._threshold = density_threshold
        self._novelty_share = novelty_share
        self._observe = observe

    @property
    @override
    def density_threshold(self) -> float:
        return self._threshold

    @override
    async def compress(
        self, turns: Sequence[Turn], preceding: Sequence[Entry], next_position: int, *, keeps_all: bool = False
    ) -> Compressed:
        if not turns:
            return Compressed((), ())
        judged = await self.judge(turns, preceding, keeps_all=keeps_all)
        drafts = [draft_turn(turn, judged) for window in judged.kept for turn in window.turns]
        return await self.finish(drafts, judged, next_position)

    async def judge(self, turns: Sequence[Turn], preceding: Sequence[Entry], *, keeps_all: bool = False) -> Judged:
        """The windows of turns and which of them are worth storing; parameters as for `compress`."""
        history = preceding[-self._window_turns :]
        texts = [entry.text for entry in history] + [turn.text for turn in turns]
        embedded = await self.embed_texts(texts)
        return await asyncio.to_thread(self._judge, turns, history, embedded, 0.0 if keeps_all else self._threshold)

    async def finish(self, drafts: Iterable[Draft], judged: Judged, next_position: int) -> Compressed:
        """What became of the turns: the entries with their vectors in context."""
        entries = await finish_entries(self._embedding, drafts, judged.past, next_position)
        return Compressed(tuple(entries), judged.dropped)

    async def embed_texts(self, texts: Sequence[str]) -> list[TextVectors]:
        """The vectors of each text's sentences, in order."""
        return await embed_texts(self._embedding, texts)

    def _judge(
        self, turns: Sequence[Turn], history: Sequence[Entry], embedded: Sequence[TextVectors], threshold: float
    ) -> Judged:
        speakers = (*(entry.speaker for entry in history), *(turn.speaker for turn in turns))
        participants = [name for name in dict.fromkeys(speakers) if name]
        said = [*((one.speaker, one.text) for one in history), *((one.speaker, one.text) for one in turns)]
        normalized = {
            turn.key: normalize_turn(turn, participants, said[max(0, place - TURNS_BEFORE) : place])
            for place, turn in enumerate(turns, start=len(history))
        }
        past = list(embedded[: len(history)])
        vectors = dict(zip((turn.key for turn in turns), embedded[len(history) :], strict=True))
        known = {entity for entry in history for entity in (*entry.entities, *entry.persons)}
        kept: list[Window] = []
        dropped: list[DroppedWindow] = []
        for window in slide(turns, size=self._window_turns, overlap=self._overlap_turns):
            found = [normalized[turn.key] for turn in window.turns]
            own = [vectors[turn.key] for turn in window.turns]
            score = self._score(found, known, own, past)
            self._observe(score)
            if score.score < threshold:
                dropped.append(DroppedWindow(window.turns, score))
                continue
            kept.append(window)
            past += own
            known |= _entities_of(found)
        texts = [*(entry.text for entry in history[-1:]), *(turn.text for turn in turns)]
        before = texts if history else ["", *texts]
        said_before = {turn.key: text for turn, text in zip(turns, before, strict=False)}
        return Judged(tuple(kept), tuple(dropped), normalized, vectors, said_before, tuple(embedded[: len(history)]))

    def _score(
        self,
        found: Sequence[Normalized],
        known: set[str],
        window: Sequence[TextVectors],
        past: Sequence[TextVectors],
    ) -> Density:
        recent = [one.mean for one in past[-self._window_turns :]]
        return density(
            _entities_of(found),
            known,
            len(window),
            window=mean_direction([one.mean for one in window]),
            history=mean_direction(recent) if recent else None,
            novelty_share=self._novelty_share,
        )


def draft_turn(turn: Turn, judged: Judged, compressed_by: str = BY_RULES) -> Draft:
    """The entry that the rules make of a turn."""
    entry = _build_entry(turn, judged.normalized[turn.key], compressed_by)
    return Draft(entry, judged.vectors[turn.key], answering(turn.text, judged.said_before[turn.key]))


def entry_id_of(turn: Turn, ordinal: int = 0) -> str:
    """Id of an entry by the first turn it was made of: the same for every try, so that a replay doubles nothing.

    Parameters
    ----------
    turn
        The first of its turns.
    ordinal
        Entries before it that begin with the same turn.
    """
    name = f"{turn.key}/{ordinal}" if ordinal else turn.key
    return str(uuid.uuid5(ENTRY_NAMESPACE, name))


def _entities_of(found: Iterable[Normalized]) -> set[str]:
    return {entity for one in found for entity in (*one.entities, *one.persons)}


def _build_entry(turn: Turn, found: Normalized, compressed_by: str) -> Entry:
    return Entry(
        entry_id=entry_id_of(turn),
        user_id=turn.user_id,
        session_id=turn.session_id,
        position=0,
        speaker=turn.speaker,
        text=turn.text,
        lossless_restatement=found.restatement,
        keywords=found.keywords,
        timestamp=turn.timestamp,
        location=found.location,
        persons=found.persons,
        entities=found.entities,
        sources=(turn.id,),
        valid_from=turn.timestamp,
        compressed_by=compressed_by,
    )
