"""The vector view, against a plain computation of the same."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simplemem_service.index.base import CONTEXT, SENTENCES, Scope
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import EmbeddedEntry, Vector
from simplemem_service.storage.entry_rows import batch_of
from tests.support.entries import make_entry, unit_vector

QUERY = unit_vector(4711)
ADA = Scope("ada")


def expected(rows: list[EmbeddedEntry], field: str) -> dict[str, float]:
    vectors = {row.entry.entry_id: (row.embedding,) if field == CONTEXT else row.sentences for row in rows}
    return {entry_id: max(float(as_stored(one) @ QUERY) for one in own) for entry_id, own in vectors.items()}


def as_stored(vector: Vector) -> Vector:
    return vector.astype(np.float16).astype(np.float32)


@pytest.mark.parametrize("field", [CONTEXT, SENTENCES])
def test_cosines_are_exact(field: str) -> None:
    rows = [make_entry(place) for place in range(50)]
    index = VectorIndex()
    index.apply(rows, [])
    snapshot = index.snapshot()
    assert snapshot.search(field, QUERY, ADA, 100) == pytest.approx(expected(rows, field), abs=1e-4)
    ids = [rows[7].entry.entry_id, "nothing", rows[3].entry.entry_id]
    assert snapshot.scores(field, QUERY, ADA, ids) == pytest.approx(expected([rows[7], rows[3]], field), abs=1e-4)


@pytest.mark.parametrize("field", [CONTEXT, SENTENCES])
def test_the_nearest_come_first(field: str) -> None:
    rows = [make_entry(place) for place in range(50)]
    index = VectorIndex()
    index.apply(rows, [])
    truth = expected(rows, field)
    assert list(index.snapshot().search(field, QUERY, ADA, 5)) == sorted(truth, key=lambda i: -truth[i])[:5]
    assert index.snapshot().search(field, QUERY, ADA, 0) == {}


def test_a_scope_is_kept_exactly() -> None:
    index = VectorIndex()
    index.apply([make_entry(0), make_entry(1), make_entry(2, user_id="ben")], [])
    snapshot = index.snapshot()
    assert set(snapshot.search(CONTEXT, QUERY, Scope(), 9)) == {"entry-000000", "entry-000001", "entry-000002"}
    assert set(snapshot.search(CONTEXT, QUERY, Scope("ben"), 9)) == {"entry-000002"}
    assert snapshot.search(CONTEXT, QUERY, Scope("nobody"), 9) == {}
    only = Scope("ada", np.array([1]))
    assert set(snapshot.search(SENTENCES, QUERY, only, 9)) == {"entry-000001"}
    assert snapshot.search(SENTENCES, QUERY, Scope("ada", np.empty(0, np.int64)), 9) == {}


def test_a_snapshot_stays_as_it_was() -> None:
    index = VectorIndex()
    index.apply([make_entry(place) for place in range(3)], [])
    before = index.snapshot()
    found = before.search(CONTEXT, QUERY, ADA, 99)
    index.apply([make_entry(place) for place in range(3, 40)], [])
    assert before.search(CONTEXT, QUERY, ADA, 99) == found
    assert len(index.snapshot().search(CONTEXT, QUERY, ADA, 99)) == 40


def test_a_rewritten_entry_keeps_its_score_in_older_snapshots() -> None:
    index = VectorIndex()
    rows = [make_entry(place) for place in range(9)]
    index.apply(rows, [])
    before = index.snapshot()
    index.apply([replace(rows[1], embedding=unit_vector(1000), sentences=(unit_vector(1001),))], [])
    truth = expected(rows, CONTEXT)
    assert before.search(CONTEXT, QUERY, ADA, 99) == pytest.approx(truth, abs=1e-4)
    assert before.scores(CONTEXT, QUERY, ADA, list(truth)) == pytest.approx(truth, abs=1e-4)


@pytest.mark.parametrize("field", [CONTEXT, SENTENCES])
def test_a_large_store_finds_the_nearest_by_their_sketches(field: str) -> None:
    random = np.random.default_rng(3)
    basis = np.linalg.qr(random.normal(size=(96, 96)))[0] / np.sqrt(np.arange(1, 97))[:, None]
    vectors = (random.normal(size=(6_000, 96)) @ basis).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [
        replace(make_entry(place), embedding=vectors[place], sentences=(vectors[place], -vectors[place]))
        for place in range(5_000)
    ]
    index = VectorIndex()
    index.apply(rows[:2_000], [])
    index.apply(rows[2_000:], [row.entry.entry_id for row in rows[:500]])
    query = vectors[5_500]
    products = as_stored(vectors[:5_000]) @ query
    truth = np.abs(products) if field == SENTENCES else products
    wanted = [int(place) for place in np.argsort(-truth) if place >= 500][:100]
    found = index.snapshot().search(field, query, ADA, 100)
    assert len(set(found) & {f"entry-{place:06d}" for place in wanted}) >= 99
    assert found[f"entry-{wanted[0]:06d}"] == pytest.approx(float(truth[wanted[0]]), abs=1e-4)
    before = index.snapshot()
    index.apply([], [f"entry-{wanted[0]:06d}"])
    assert f"entry-{wanted[0]:06d}" not in index.snapshot().search(field, query, ADA, 100)
    assert f"entry-{wanted[0]:06d}" not in before.search(field, query, ADA, 100)


def test_the_nearest_of_many_users_are_those_of_all() -> None:
    rows = [make_entry(place, user_id=f"user-{place % 40}") for place in range(6_000)]
    index = VectorIndex()
    index.apply(rows, [])
    found = index.snapshot().search(CONTEXT, QUERY, Scope(), 20)
    truth = expected(rows, CONTEXT)
    nearest = sorted(truth, key=lambda entry_id: -truth[entry_id])[:20]
    assert found[nearest[0]] == pytest.approx(truth[nearest[0]], abs=1e-4)


def test_a_loaded_table_replaces_what_was_there() -> None:
    index = VectorIndex()
    index.apply([make_entry(0)], [])
    before = index.snapshot()
    index.begin_load()
    index.load(batch_of([make_entry(place) for place in range(5, 8)]))
    assert set(index.snapshot().search(CONTEXT, QUERY, ADA, 9)) == {"entry-000000"}
    index.end_load()
    assert len(index.snapshot().search(CONTEXT, QUERY, ADA, 9)) == 3
    assert set(before.search(CONTEXT, QUERY, ADA, 9)) == {"entry-000000"}


def test_the_last_deletion_of_a_user_leaves_nothing() -> None:
    index = VectorIndex()
    index.apply([make_entry(0)], [])
    index.apply([], ["entry-000000", "nothing"])
    assert index.snapshot().search(CONTEXT, QUERY, ADA, 9) == {}
    index.apply([make_entry(0)], [])
    assert len(index.snapshot().search(SENTENCES, QUERY, ADA, 9)) == 1


@settings(max_examples=40)
@given(st.lists(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=12), max_size=12))
def test_any_order_of_changes_gives_what_all_at_once_gives(batches: list[list[tuple[int, bool]]]) -> None:
    index = VectorIndex()
    alive: dict[str, EmbeddedEntry] = {}
    for number, batch in enumerate(batches):
        latest = dict(batch)
        rows = [make_entry(place, text=f"{number}") for place, is_written in latest.items() if is_written]
        deleted = [make_entry(place).entry.entry_id for place, is_written in latest.items() if not is_written]
        index.apply(rows, deleted)
        alive = {entry_id: row for entry_id, row in alive.items() if entry_id not in deleted}
        alive.update({row.entry.entry_id: row for row in rows})
    snapshot = index.snapshot()
    for field in (CONTEXT, SENTENCES):
        truth = expected(list(alive.values()), field)
        assert snapshot.search(field, QUERY, ADA, 99) == pytest.approx(truth, abs=1e-4)
        assert snapshot.scores(field, QUERY, ADA, list(alive)) == pytest.approx(truth, abs=1e-4)


def test_searches_run_while_entries_are_written() -> None:
    index = VectorIndex()
    index.apply([make_entry(0)], [])
    done = threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not done.is_set():
                found = index.snapshot().search(SENTENCES, QUERY, ADA, 1000)
                assert "entry-000000" in found
                assert np.all(np.isfinite(list(found.values())))
        except BaseException as error:  # noqa: BLE001 - carried to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for place in range(1, 300):
        index.apply([make_entry(place)], [f"entry-{place - 1:06d}"] if place % 3 == 0 else [])
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
