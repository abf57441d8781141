"""Comparing engines: all take their turn, and the processes they run in answer."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from benchmarks.environment import PINS
from benchmarks.locomo import Asked, Conversation, Utterance
from benchmarks.peers import Peer, ask, in_turn, interval, remember, report, running
from benchmarks.run import ROOT, SUITES
from tests.support.conversations import RECEIVED

SAID = {
    "one": ["I moved to Lisbon in spring.", "My sister plays the cello."],
    "two": ["The cat sleeps on the red sofa."],
}


def conversation() -> Conversation:
    turns = [
        Utterance(f"D{session}:{place}", session, "Ada", text, RECEIVED)
        for session, texts in SAID.items()
        for place, text in enumerate(texts)
    ]
    return Conversation("ada", tuple(turns), (Asked("Who plays a cello?", ("Done:1",), 4),))


def test_each_time_another_engine_is_first() -> None:
    peers = ["a", "b", "c"]
    orders = ["".join(order) for order in itertools.islice(in_turn(peers), 4)]
    assert orders == ["abc", "bca", "cab", "abc"]


def test_an_interval_holds_the_mean_and_is_the_same_again() -> None:
    values = [0.0, 1.0] * 50
    low, high = interval(values)
    assert 0.38 < low < 0.5 < high < 0.62
    assert interval(values) == (low, high)


def test_plain_bm25_finds_a_turn_from_a_process_of_its_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with running("BM25", tmp_path) as peer:
        remember([peer], conversation())
        ask([peer], conversation())
        report(peer, peer, [("Done:1",)], turns=3)
        assert peer.found == [["Done:1"]]
    out = capsys.readouterr().out
    assert '"peer_recall@5", "value": 1.0' in out
    assert '"peer_recall_gain' not in out
    assert len(peer.milliseconds) == 1


def test_an_engine_that_fails_is_named(tmp_path: Path) -> None:
    with running("BM25", tmp_path) as peer:
        peer.process.terminate()
        peer.process.wait(10)
        with pytest.raises(SystemExit, match="BM25 ended"):
            Peer("BM25", peer.process).read()


def test_pins_name_packages_and_versions_alone() -> None:
    lines = [line for line in PINS.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9_.-]+==[0-9][0-9A-Za-z.]*", line)] == []
    assert any(line.startswith("engram-search==") for line in lines)


def test_every_step_of_a_run_is_there() -> None:
    commands = [step.command for suite in SUITES.values() for step in suite.steps]
    assert [command for command in commands if not (ROOT / "benchmarks" / command.split()[0]).is_file()] == []
