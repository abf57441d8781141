"""Weighing a store: what counts as said and what counts as stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.storage import raw_bytes, read_bodies, report, size_of


def body(*texts: str) -> dict[str, Any]:
    turns = [{"id": str(n), "speaker": "Ada", "timestamp": "2026", "text": text} for n, text in enumerate(texts)]
    return {"user_id": "ada", "session_id": "one", "turns": turns}


def test_raw_bytes_are_speaker_time_and_text_in_utf8() -> None:
    assert raw_bytes([body("hi", "né"), body("去年")]) == 3 * len("Ada2026") + 2 + 3 + 6


def test_a_folder_is_as_large_as_all_files_below_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "x").write_bytes(b"12")
    (tmp_path / "a" / "b" / "y").write_bytes(b"345")
    assert size_of(tmp_path) == 5
    assert size_of(tmp_path / "absent") == 0


def test_ratios_are_of_the_whole_store_and_of_its_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for place, size in (("store/tables/entries.lance/f", 60), ("store/journal/f", 15), ("index/f", 30)):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_bytes(bytes(size))
    report(tmp_path / "store", tmp_path / "index", "test", [body("x" * 8)])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    values = {line["conditions"].get("part", line["name"]): line["value"] for line in found}
    assert values == {
        "stored_per_raw_byte": 5.0,
        "tables/entries.lance": 4.0,
        "tables/turns.lance": 0.0,
        "tables/history.lance": 0.0,
        "journal": 1.0,
        "index_per_raw_byte": 2.0,
    }
    assert all(line["conditions"]["raw_bytes"] == 15 for line in found)


def test_synthetic_turns_stand_in_for_absent_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCOMO_PATH", str(tmp_path / "absent.json"))
    data, bodies = read_bodies()
    assert data == "synthetic"
    assert sum(len(body["turns"]) for body in bodies) == 3000
    assert bodies == read_bodies()[1]
