"""Any text of a caller is data in a filter, never syntax."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from pathlib import Path

import lancedb
import pyarrow as pa
import pytest

from simplemem_service.models.query import EntryFilter
from simplemem_service.storage import filters

ALPHABET = ("'", "\\", '"', "-", "x", " OR true --", "\x00", "é")
"""What could end a literal, or begin something else in SQL."""
TEXTS = ["".join(parts) for length in range(4) for parts in product(ALPHABET, repeat=length)]
"""All texts of up to three of them."""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> lancedb.table.Table:
    """A row for each text, in each column that filters compare."""
    folder: Path = tmp_path_factory.mktemp("filters")
    rows = pa.table(
        {
            "user_id": TEXTS,
            "session_id": TEXTS,
            "location": TEXTS,
            "persons": [[text, "Somebody"] for text in TEXTS],
            "position": list(range(len(TEXTS))),
        }
    )
    return lancedb.connect(folder).create_table("texts", rows)


@pytest.mark.parametrize(
    "where",
    [
        pytest.param(lambda text: filters.equals("user_id", text), id="equals"),
        pytest.param(lambda text: filters.any_of("session_id", [text]), id="any_of"),
        pytest.param(lambda text: filters.has_any("persons", [text]), id="has_any"),
        pytest.param(lambda text: filters.owned(text, "true"), id="owned"),
        pytest.param(lambda text: filters.entry_predicate(EntryFilter(user_id=text, session_id=text)), id="entry"),
        pytest.param(lambda text: filters.entry_predicate(EntryFilter(location=text)), id="location"),
        pytest.param(lambda text: filters.entry_predicate(EntryFilter(persons=(text,))), id="persons"),
    ],
)
def test_a_filter_finds_the_rows_of_its_text_and_no_other(
    table: lancedb.table.Table, where: Callable[[str], str]
) -> None:
    for position, text in enumerate(TEXTS):
        # Half a thousand queries a filter are slow; every fifth text still meets every pair of marks.
        if len(text) < 3 or position % 5 == 0:
            found = table.search().where(where(text)).select(["position"]).limit(10).to_arrow()["position"].to_pylist()
            assert found == [position], repr(text)


def test_removing_the_rows_of_a_text_leaves_all_others(tmp_path: Path) -> None:
    texts = ["''", "'", "\\' OR true --", "other"]
    table = lancedb.connect(tmp_path).create_table("texts", pa.table({"user_id": texts}))
    for removed in range(3):
        table.delete(filters.equals("user_id", texts[removed]))
        assert table.to_arrow()["user_id"].to_pylist() == texts[removed + 1 :]
