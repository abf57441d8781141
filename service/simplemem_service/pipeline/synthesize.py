"""Stage 2: which entries belong together, and which one took another's place (pure).

Two entries are related by their affinity (SimpleMem paper): near in meaning, and near in time. A language model merges
the clusters that it forms. Rules do less and claim less: an entry is superseded when a newer one gives another value to
the same attribute of the same subject (`attributes.py`), or says the same thing again in nearly the same words. What is
superseded stays as it is and can be found; it only knows what came after it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from simplemem_service.models.entry import Entry, Vector
from simplemem_service.pipeline.attributes import Fact, is_exclusive

MEANING_SHARE = 0.8
"""The formula's `b`, in [0, 1]: how much meaning counts against nearness in time. The paper gives no value; what
is told again is often told much later."""
DECAY_PER_HOUR = 1 / 24
"""The formula's `l`, per hour: a day apart leaves 37 % of the nearness in time."""
CLUSTER_THRESHOLD = 0.76
"""Affinity from which two entries belong to one cluster: a cosine of .7 at the same time, .86 a day apart, .95 at any
distance."""
MOST_IN_CLUSTER = 8
"""Entries of one cluster; larger ones are small talk that resembles itself."""
DUPLICATE_COSINE = 0.97
"""Cosine from which two entries of one speaker say the same, if their numbers, names and negations agree, too."""
LEAST_WORDS = 4
"""Words of an entry that is compared with others, where a language has spaces."""
LEAST_CHARS = 40
"""Characters of one that is compared however few words it has."""
BLOCK_ROWS = 256
"""New entries compared at once; bounds the memory of the comparison."""

_TELLING = re.compile(
    r"\d+(?:[.,:]\d+)*|\b(?:no|not|never|nobody|nothing|nicht|kein\w*|nie|nunca|jam\u00e1s)\b|n['\u2019]t\b|[不没]"
)
_CAPITALS = re.compile(r"\b[A-Z\u00c0-\u00de][\w'\u2019-]+")


def affinity(cosine: float, hours: float, *, share: float = MEANING_SHARE, decay: float = DECAY_PER_HOUR) -> float:
    """Weight of two entries, `w = b cos(x, y) + (1 - b) exp(-l |t - u|)` (SimpleMem paper, affinity).

    Parameters
    ----------
    cosine
        cos(x, y) of their vectors, in [-1, 1].
    hours
        Time between them; the sign does not matter.
    share
        The formula's `b`, in [0, 1]. The result lies in [-b, 1].
    decay
        The formula's `l`, per hour, at least 0.
    """
    return share * cosine + (1.0 - share) * math.exp(-decay * abs(hours))


def affinities(
    vectors: npt.NDArray[np.float32], hours: npt.NDArray[np.float64], *, first: int = 0
) -> npt.NDArray[np.float64]:
    """Weights of all entries with those from `first` on, shape (n, n - first); see `affinity`.

    Parameters
    ----------
    vectors
        Unit vectors, shape (n, d).
    hours
        When each was told, in hours since any moment, shape (n,).
    first
        The first of the entries that are new.
    """
    cosines = (vectors @ vectors[first:].T).astype(np.float64)
    near = np.exp(-DECAY_PER_HOUR * np.abs(hours[:, None] - hours[None, first:]))
    return np.asarray(MEANING_SHARE * cosines + (1.0 - MEANING_SHARE) * near)


def find_clusters(
    weights: npt.NDArray[np.float64], first: int, threshold: float = CLUSTER_THRESHOLD
) -> list[list[int]]:
    """Clusters that hold a new entry: a new one with those it is nearest to, above the threshold, each in one only.

    Not chains: in a chain, what resembles its neighbour alone would be merged with what it has nothing to do with.
    `weights` are those of `affinities`.
    """
    taken: set[int] = set()
    clusters: list[list[int]] = []
    for column in range(weights.shape[1]):
        new = first + column
        if new in taken:
            continue
        order = np.argsort(-weights[:, column])
        near = [int(row) for row in order if weights[row, column] >= threshold and row != new and int(row) not in taken]
        if near:
            clusters.append(sorted([new, *near[: MOST_IN_CLUSTER - 1]]))
            taken.update(clusters[-1])
    return clusters


@dataclass(frozen=True, slots=True)
class Supersession:
    """One entry takes the place of another."""

    old: str
    """Id of the entry that is superseded."""
    new: str
    """Id of the entry that takes its place."""
    valid_until: datetime | None
    """When the old one ceased to hold; None where the new one only says the same again."""


@dataclass(frozen=True, slots=True)
class Told:
    """What an entry says of attributes that can change."""

    entry_id: str
    """The entry."""
    at: datetime
    """When it was told, aware; when it was written where nobody said."""
    position: int
    """Its position; decides between entries told at the same time."""
    fact: Fact
    """One of the facts in it."""


def told_at(entry: Entry) -> datetime:
    """When an entry was told, as far as is known."""
    return entry.valid_from or entry.timestamp or entry.created_at or datetime.min.replace(tzinfo=UTC)


def find_superseded(facts: Iterable[Told], fresh: frozenset[str]) -> list[Supersession]:
    """What a user's facts make obsolete, where a new entry has a part in it.

    Facts of one subject and attribute form a chain in the order of their telling; each value holds until the next
    other one. Of attributes that can have several values at a time, only a sentence that speaks of a change ends the
    value before, or one that names the value it replaces.

    Parameters
    ----------
    facts
        All that is known of the user.
    fresh
        Ids of the new entries: nothing is said of two old ones.
    """
    found: dict[str, Supersession] = {}
    for chain in _chains(facts).values():
        for index, old in enumerate(chain):
            after = next((one for one in chain[index + 1 :] if _replaces(one.fact, old.fact)), None)
            if (
                after is not None
                and after.entry_id != old.entry_id
                and not fresh.isdisjoint({old.entry_id, after.entry_id})
            ):
                found.setdefault(old.entry_id, Supersession(old.entry_id, after.entry_id, after.at))
    return list(found.values())


def _chains(facts: Iterable[Told]) -> Mapping[tuple[str, str], list[Told]]:
    """Facts by subject and attribute, in the order of their telling."""
    ordered = sorted(facts, key=lambda told: (told.at, told.position))
    chains: dict[tuple[str, str], list[Told]] = {}
    attribute_of: dict[tuple[str, str], str] = {}
    for told in ordered:
        fact = told.fact
        # "From tea to coffee" speaks of whatever had the value tea.
        attribute = fact.attribute or attribute_of.get((fact.subject, fact.replaces), "")
        if attribute:
            attribute_of[fact.subject, fact.value] = attribute
            chains.setdefault((fact.subject, attribute), []).append(told)
    return chains


def _replaces(new: Fact, old: Fact) -> bool:
    """Whether a later value ends an earlier one of the same attribute."""
    if new.value == old.value:
        return False
    if new.replaces:
        return new.replaces == old.value or is_exclusive(new.attribute)
    return new.is_change or is_exclusive(new.attribute)


@dataclass(frozen=True, slots=True)
class Said:
    """What tells one entry from another that means nearly the same."""

    entry_id: str
    """The entry."""
    at: datetime
    """When it was told, aware; when it was written where nobody said."""
    position: int
    """Its position."""
    details: tuple[str, ...]
    """What vectors overlook: who speaks, where, the numbers, the negations, the names."""


def said_by(entry: Entry) -> Said | None:
    """What tells an entry from others; None for small talk, of which nothing is gained by finding it repeated."""
    if len(entry.text.split()) < LEAST_WORDS and len(entry.text) < LEAST_CHARS:
        return None
    # The sentence and not the words: "today" is another day in each.
    telling = sorted(_TELLING.findall(entry.lossless_restatement.lower()))
    names = sorted(set(_CAPITALS.findall(entry.lossless_restatement)))
    details = (entry.speaker, entry.location or "", *telling, "", *names)
    return Said(entry.entry_id, told_at(entry), entry.position, details)


def find_duplicates(
    said: Sequence[Said], vectors: npt.NDArray[np.float32], first: int, least_cosine: float = DUPLICATE_COSINE
) -> list[Supersession]:
    """Entries that one told later repeats: the later takes the place of the earlier, which keeps holding.

    Parameters
    ----------
    said
        What is known of the user's entries.
    vectors
        Their unit vectors, shape (n, d).
    first
        The first of them that is new: nothing is said of two old ones.
    """
    found: dict[str, Supersession] = {}
    for start in range(first, len(said), BLOCK_ROWS):
        block = vectors[start : start + BLOCK_ROWS]
        rows, columns = np.nonzero(vectors @ block.T >= least_cosine)
        for row, column in zip(rows.tolist(), (columns + start).tolist(), strict=True):
            old, new = sorted((said[row], said[column]), key=lambda one: (one.at, one.position))
            if row != column and old.details == new.details:
                found.setdefault(old.entry_id, Supersession(old.entry_id, new.entry_id, None))
    return list(found.values())


def mean_vector(sentences: Sequence[Vector], embedding: Vector) -> Vector:
    """Direction of an entry's own words; that in its context where it has no sentences."""
    if not sentences:
        return embedding
    total = np.sum(np.stack(sentences), axis=0)
    length = float(np.linalg.norm(total))
    return np.asarray(total / length if length > 0 else embedding, dtype=np.float32)
