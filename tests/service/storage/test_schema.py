"""Rows of the tables: nothing is lost on the way there and back, but precision that no ranking rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simplemem_service.storage import schema
from simplemem_service.storage.base import StoreIdentity
from tests.support.entries import NOON, make_entry, make_turn

SCHEMA = schema.entry_schema(StoreIdentity("tiny", 8))


def test_entries_come_back_as_they_were() -> None:
    entries = [
        make_entry(0),
        make_entry(1, keywords=(), location='Rome\'s "old" town', superseded_by="x", valid_until=NOON),
        make_entry(2, timestamp=None, persons=("Ada", "O'Neil"), entities=("日本",), speaker=""),
    ]
    table = schema.entries_to_arrow(entries, SCHEMA)
    found = schema.entries_from_arrow(table)
    assert [item.entry for item in found] == [item.entry for item in entries]
    assert schema.plain_entries_from_arrow(table.drop(["embedding", "sentences"])) == [item.entry for item in entries]
    for before, after in zip(entries, found, strict=True):
        assert len(before.sentences) == len(after.sentences)
        pairs = zip((before.embedding, *before.sentences), (after.embedding, *after.sentences), strict=True)
        assert all(abs(1 - float(np.dot(one, other))) < 1e-3 for one, other in pairs)


def test_a_slice_of_rows_keeps_each_row_s_sentences() -> None:
    entries = [make_entry(position) for position in range(6)]
    found = schema.entries_from_arrow(schema.entries_to_arrow(entries, SCHEMA).slice(2, 3))
    assert [len(item.sentences) for item in found] == [len(item.sentences) for item in entries[2:5]]
    assert np.allclose(found[1].sentences[0], entries[3].sentences[0], atol=1e-3)


def test_no_rows_give_no_entries() -> None:
    assert schema.entries_from_arrow(schema.entries_to_arrow([], SCHEMA)) == []


def test_turns_are_written_field_by_field() -> None:
    turns = [make_turn(1), make_turn(2, timestamp=None, text='O\'Neil said "hi"')]
    rows = schema.turns_to_arrow(turns).to_pylist()
    assert [row["text"] for row in rows] == ["text 1", 'O\'Neil said "hi"']
    assert [row["timestamp"] for row in rows] == [NOON, None]
    assert rows[0]["received_at"] == NOON


def test_a_table_of_an_older_version_gives_entries_without_the_newer_columns() -> None:
    old = schema.entries_to_arrow([make_entry(1)], SCHEMA).drop(list(schema.ADDED_COLUMNS))
    [found] = schema.entries_from_arrow(old)
    assert found.entry == replace(make_entry(1).entry, compressed_by=None)
    assert schema.entries_to_arrow([found], old.schema).column_names == old.column_names
    assert [field.name for field in schema.missing_fields(old.schema)] == list(schema.ADDED_COLUMNS)
