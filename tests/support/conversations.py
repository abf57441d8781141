"""The project's own small conversations."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from simplemem_service.models.entry import Turn

FOLDER = Path(__file__).resolve().parents[1] / "data" / "conversations"
RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SmallConversation:
    user_id: str
    sessions: tuple[tuple[Turn, ...], ...]
    questions: tuple[tuple[str, tuple[str, ...]], ...]


def read_conversation(name: str) -> SmallConversation:
    raw = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    user = raw["user_id"]
    sessions = tuple(
        tuple(
            Turn(
                key=f"{user}/{turn['id']}",
                id=turn["id"],
                user_id=user,
                session_id=f"session-{number}",
                speaker=turn["speaker"],
                text=turn["text"],
                timestamp=datetime.fromisoformat(session["timestamp"]),
                received_at=RECEIVED,
            )
            for turn in session["turns"]
        )
        for number, session in enumerate(raw["sessions"])
    )
    return SmallConversation(user, sessions, tuple((q["text"], tuple(q["evidence"])) for q in raw["questions"]))
