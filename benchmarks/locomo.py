"""The LoCoMo development split: conversations, questions, and what counts as found.

LoCoMo (Maharana et al. 2024) is CC BY-NC 4.0: it is read for evaluation from `LOCOMO_PATH`, and never copied.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DEFAULT_PATH = Path(__file__).resolve().parents[2] / "shared" / "data" / "locomo" / "locomo4-dev.json"
"""Where the split lies beside a development checkout."""
ADVERSARIAL = 5
"""Category of the questions that have no answer; they are left out."""

_TURN_ID = re.compile(r"D\d+:\d+")


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn of a conversation."""

    id: str
    """Id that evidence refers to."""
    session_id: str
    """Session it was said in."""
    speaker: str
    """Who said it."""
    text: str
    """What was said; the caption of a shared picture in brackets."""
    timestamp: datetime
    """When the session took place; turns have no time of their own."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with the turns that answer it."""

    text: str
    """The question."""
    evidence: tuple[str, ...]
    """Ids of the turns that answer it; at least one."""
    category: int
    """1 multi-hop, 2 time, 3 open, 4 single-hop."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Two people's conversation over many sessions."""

    id: str
    """Its id, used as the user's."""
    turns: tuple[Utterance, ...]
    """All turns in order."""
    questions: tuple[Asked, ...]
    """Questions of categories 1 to 4 that name evidence."""


def locomo_path() -> Path:
    """Where the split is looked for."""
    return Path(os.environ.get("LOCOMO_PATH", DEFAULT_PATH))


def read_conversations(path: Path | None = None) -> list[Conversation]:
    """All conversations of the split."""
    return [_conversation(raw) for raw in json.loads((path or locomo_path()).read_text(encoding="utf-8"))]


def recall(found: Sequence[str], evidence: Sequence[str], depth: int) -> float:
    """Share of a question's evidence among the first turns found."""
    return len(set(found[:depth]) & set(evidence)) / len(evidence)


def reciprocal_rank(found: Sequence[str], evidence: Sequence[str]) -> float:
    """One over the place of the first turn found that is evidence; 0 if none is."""
    return next((1 / place for place, turn_id in enumerate(found, start=1) if turn_id in evidence), 0.0)


def _conversation(raw: dict[str, Any]) -> Conversation:
    talk = raw["conversation"]
    sessions = sorted((key for key in talk if re.fullmatch(r"session_\d+", key)), key=lambda key: int(key[8:]))
    turns = [_utterance(turn, session, talk[f"{session}_date_time"]) for session in sessions for turn in talk[session]]
    return Conversation(raw["sample_id"], tuple(turns), tuple(_questions(raw["qa"])))


def _utterance(turn: dict[str, Any], session: str, told: str) -> Utterance:
    caption = f" [{turn['blip_caption']}]" if turn.get("blip_caption") else ""
    timestamp = datetime.strptime(told, "%I:%M %p on %d %B, %Y").replace(tzinfo=UTC)
    return Utterance(turn["dia_id"], session, turn["speaker"], turn["text"] + caption, timestamp)


def _questions(raw: list[dict[str, Any]]) -> list[Asked]:
    asked = []
    for question in raw:
        evidence = tuple(dict.fromkeys(_TURN_ID.findall(" ".join(question["evidence"]))))
        if question["category"] != ADVERSARIAL and evidence:
            asked.append(Asked(question["question"], evidence, question["category"]))
    return asked
