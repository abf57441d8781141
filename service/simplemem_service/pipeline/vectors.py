"""The vectors of an entry: one of each of its sentences, and one of the entry in its context.

The vector in context leans to the whole utterance, encoded after the question that it answers, if it follows one: "Yes,
last week!" means little without it. The rest is the mean direction of its own sentences together with those of the two
turns before, which costs no encoding. On LoCoMo dev the two together find 1.5 points more at 5 and 1.1 more at 10
than the mean alone, and .3 more than an encoding of the three turns as one text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from simplemem_service.embedding.base import Embedding
from simplemem_service.models.entry import EmbeddedEntry, Entry, Vector
from simplemem_service.pipeline.density import mean_direction
from simplemem_service.pipeline.sentences import closing_question, split_sentences

CONTEXT_TURNS = 2
"""Turns before an entry whose sentences its vector in context takes in."""
CONTEXT_WEIGHT = 0.5
"""How much each of them counts against the entry's own sentences."""
UTTERANCE_SHARE = 0.6
"""Share of the whole utterance in the vector in context; .4 to .7 find the same within .5 points."""


@dataclass(frozen=True, slots=True)
class TextVectors:
    """The vectors of a text's sentences."""

    mean: Vector
    """Mean direction of its sentences."""
    sentences: tuple[Vector, ...]
    """Vectors of its sentences."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that lacks its vector in context."""

    entry: Entry
    """What is remembered."""
    vectors: TextVectors
    """Vectors of its sentences."""
    utterance: str
    """What is encoded as a whole, see `answering`."""


def answering(text: str, before: str) -> str:
    """What is said after what was said before it: with the question, where that ends in one, else alone."""
    return f"{closing_question(before)} {text}".lstrip()


async def embed_texts(embedding: Embedding, texts: Sequence[str]) -> list[TextVectors]:
    """The vectors of each text's sentences, in order."""
    pieces = [split_sentences(text) for text in texts]
    vectors = iter(await embedding.encode_documents([piece for group in pieces for piece in group]))
    return [_collect([next(vectors) for _ in group]) for group in pieces]


async def finish_entries(
    embedding: Embedding, drafts: Iterable[Draft], past: Sequence[TextVectors], position: int
) -> list[EmbeddedEntry]:
    """The entries with their vectors in context, at consecutive positions.

    Parameters
    ----------
    embedding
        Encodes the utterances.
    drafts
        Entries of one session, in order.
    past
        Vectors of the entries before them.
    position
        Position of the first.
    """
    listed = list(drafts)
    utterances = await embedding.encode_documents([draft.utterance for draft in listed])
    before = [one.mean for one in past[-CONTEXT_TURNS:]]
    entries: list[EmbeddedEntry] = []
    for draft, utterance in zip(listed, utterances, strict=True):
        own = draft.vectors
        around = mean_direction([own.mean, *before], [1.0, *(CONTEXT_WEIGHT for _ in before)])
        context = mean_direction([utterance, around], [UTTERANCE_SHARE, 1.0 - UTTERANCE_SHARE])
        entry = replace(draft.entry, position=position + len(entries))
        entries.append(EmbeddedEntry(entry, context, own.sentences))
        before = [*before, own.mean][-CONTEXT_TURNS:]
    return entries


def _collect(sentences: Sequence[Vector]) -> TextVectors:
    return TextVectors(mean_direction(sentences), tuple(sentences))
