"""What is deleted is gone from memory with the round that takes the deletion over, not with some later rebuild."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from simplemem_service.index import neighbourhood, records
from simplemem_service.index.base import CONTEXT, SENTENCES, LexicalView, Scope
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.rank_bm25_index import RankBm25Index
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import EmbeddedEntry
from tests.support.entries import make_entry, unit_vector

MARK = "zanzibar"
"""Stands in everything that a secret entry says."""


def others(count: int = 40) -> list[EmbeddedEntry]:
    return [make_entry(place) for place in range(count)]


def secret(place: int, user: str = f"{MARK}-user") -> EmbeddedEntry:
    return make_entry(
        place,
        entry_id=f"{MARK}-{place}",
        user_id=user,
        session_id=f"{MARK}-session",
        speaker=f"{MARK}-speaker",
        text=f"{MARK} is the password",
        lossless_restatement=f"{MARK} is the password",
        persons=(f"{MARK}-person",),
        location=f"{MARK}-place",
    )


def reached(root: object) -> Iterator[object]:
    """All objects that an object leads to, but for modules, classes and functions, and what tantivy holds itself."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type) or callable(one):
            continue
        seen.add(id(one))
        yield one
        waiting += gc.get_referents(one) if type(one).__module__ != "builtins" or not isinstance(one, str) else []


def traces(root: object) -> list[Any]:
    """Texts with the mark that an object leads to."""
    texts = (one for one in reached(root) if isinstance(one, str | bytes))
    return [text for text in texts if MARK in (text if isinstance(text, str) else text.decode(errors="replace"))]


@pytest.mark.parametrize("make", [TantivyIndex, RankBm25Index, Catalogue, VectorIndex])
def test_nothing_leads_to_a_deleted_user_any_more(make: type[Any]) -> None:
    view = make()
    view.apply([*others(), secret(100), secret(101)], [])
    assert traces(view.__dict__)
    if isinstance(view, LexicalView):
        view.snapshot().search(CONTEXT, (MARK, "text"), Scope(), 10)
    if isinstance(view, Catalogue):
        assert view.entry(f"{MARK}-100") is not None
    view.apply([], [f"{MARK}-100", f"{MARK}-101"])
    assert traces(view.__dict__) == []


@pytest.mark.parametrize("make", [TantivyIndex, RankBm25Index, Catalogue, VectorIndex])
def test_a_deleted_entry_leaves_its_user_and_not_its_words(make: type[Any]) -> None:
    view = make()
    view.apply([*others(), secret(100, user="ada")], [])
    if isinstance(view, LexicalView):
        view.snapshot().search(CONTEXT, (MARK, "text"), Scope("ada"), 10)
    view.apply([], [f"{MARK}-100"])
    assert traces(view.__dict__) == []


def test_remembered_readings_of_deleted_entries_are_forgotten() -> None:
    catalogue, words = Catalogue(), RankBm25Index()
    for view in (catalogue, words):
        view.apply([secret(100)], [])
    assert catalogue.entry(f"{MARK}-100") is not None
    assert records._unpacked.cache_info().currsize
    assert neighbourhood._terms.cache_info().currsize
    for view in (catalogue, words):
        view.apply([], [f"{MARK}-100"])
    assert not records._unpacked.cache_info().currsize
    assert not neighbourhood._terms.cache_info().currsize


def held(index: VectorIndex) -> list[np.ndarray[Any, Any]]:
    """All arrays that an index leads to, and what they are parts of."""
    found = [one for one in reached(index.__dict__) if isinstance(one, np.ndarray)]
    return [one if one.base is None else np.asarray(one.base) for one in found]


@pytest.mark.parametrize("count", [30, 5_000])
def test_vectors_and_sketches_of_a_deleted_entry_are_overwritten_at_once(count: int) -> None:
    index = VectorIndex()
    index.apply(others(count), [])
    entry = make_entry(17)
    query = entry.embedding
    before = index.snapshot()
    assert next(iter(before.search(CONTEXT, query, Scope(), 1))) == "entry-000017"
    view = before._views[0]  # type: ignore[attr-defined]
    start, end = view.starts[17:19]
    assert view.context[17].any()
    assert view.sentences[start:end].any()
    assert all(sketches.any() for sketches in view.sketches.values())
    index.apply([], ["entry-000017"])
    assert not view.context[17].any()
    assert not view.sentences[start:end].any()
    if view.sketches:
        assert not view.sketches[CONTEXT][17].any()
        assert not view.sketches[SENTENCES][start:end].any()
    assert "entry-000017" not in before.search(CONTEXT, query, Scope(), count)
    assert before.scores(CONTEXT, query, Scope(), ["entry-000017"]) == {}
    wanted = np.rint(query * 32_767).astype(np.int16)
    arrays = [one for one in held(index) if one.ndim == 2 and one.dtype == np.int16 and one.shape[1] == len(query)]
    assert arrays
    assert not any((np.abs(one.astype(np.int32) - wanted) <= 16).all(axis=1).any() for one in arrays)


def test_the_former_vectors_of_an_edited_entry_go_with_the_next_change() -> None:
    index = VectorIndex()
    index.apply(others(), [])
    before = index.snapshot()
    edited = make_entry(17)
    edited = replace(edited, embedding=unit_vector(900), sentences=(unit_vector(901),))
    index.apply([edited], [])
    assert before.scores(CONTEXT, make_entry(17).embedding, Scope(), ["entry-000017"])["entry-000017"] > 0.99
    index.apply([], [])
    view = index.snapshot()._views[0]  # type: ignore[attr-defined]
    assert not view.context[17].any()
    assert not view.ids[17]
    found = index.snapshot().scores(CONTEXT, unit_vector(900), Scope(), ["entry-000017"])
    assert found["entry-000017"] == pytest.approx(1, abs=1e-3)


def test_an_entry_rewritten_with_the_same_vectors_keeps_its_row() -> None:
    index = VectorIndex()
    index.apply(others(), [])
    known = make_entry(17)
    index.apply([replace(known, entry=replace(known.entry, position=500, superseded_by="entry-000018"))], [])
    assert [len(view.alive) for view in index.snapshot()._views] == [40]  # type: ignore[attr-defined]
    assert set(index.snapshot().search(CONTEXT, known.embedding, Scope("ada", np.array([500])), 9)) == {"entry-000017"}
    assert index.snapshot().search(CONTEXT, known.embedding, Scope("ada", np.array([17])), 9) == {}


def test_changes_without_end_leave_no_more_than_a_quarter_of_dead_rows() -> None:
    index = VectorIndex()
    index.apply(others(), [])
    for number in range(60):
        edited = make_entry(number % 40)
        index.apply([replace(edited, embedding=unit_vector(1000 + number))], [])
    (view,) = index.snapshot()._views  # type: ignore[attr-defined]
    assert len(view.alive) <= 40 / 0.75 + 1
    assert len(index.snapshot().search(CONTEXT, unit_vector(1), Scope(), 99)) == 40
