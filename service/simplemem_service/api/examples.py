"""Bodies that the description of the API shows, all of one small store, so that they fit together.

Each is checked against the schema of the answer that it stands for.
"""

from __future__ import annotations

from typing import Any

from simplemem_service.constants import DEFAULT_SESSION

Example = dict[str, Any]
"""A body as JSON."""

ENTRY: Example = {
    "entry_id": "6f2c9d1e8a7b4c30",
    "lossless_restatement": "Ada moved from Paris to Rome on 28 February 2026.",
    "keywords": ["moved", "Paris", "Rome"],
    "timestamp": "2026-03-01T10:00:00Z",
    "location": "Rome",
    "persons": ["Ada"],
    "entities": ["Paris", "Rome"],
    "user_id": "ada",
    "session_id": "monday",
    "sources": ["m-1"],
    "valid_from": "2026-03-01T10:00:00Z",
    "valid_until": None,
    "superseded_by": None,
    "created_at": "2026-03-01T10:00:01Z",
}
"""A memory."""

HIT: Example = ENTRY | {"score": 0.87, "scores": {"dense_sentence": 0.52, "lexical_context": 0.35}}
"""The same as it is found."""

SEARCH: Example = {
    "results": [HIT],
    "context": "[1 March 2026] Ada moved from Paris to Rome on 28 February 2026.",
    "context_tokens": 24,
    "took_ms": 6.8,
    "degraded": None,
    "depth": None,
    "plan": None,
}
"""What a search answers."""

EXPLAINED: Example = SEARCH | {
    "depth": {"complexity": 0.75, "k_dyn": 17},
    "plan": {"is_weak": True, "queries": ["Ada's home"], "calls": 1, "is_sufficient": True, "fallback": ""},
}
"""The same where `explain` asks, of a store whose retrieval is planned."""

TURNS_OPERATION: Example = {
    "operation_id": "1772359200000000000-0a1b2c3d4e5f-00000007-2.0",
    "kind": "Turns",
    "state": "Succeeded",
    "turns": 2,
    "entries": 2,
    "dropped": 0,
    "dropped_windows": [],
    "unchanged": 0,
    "deleted": 0,
    "error": None,
    "receipt": None,
    "done": None,
    "total": None,
}
"""Turns that have become memories."""

ERASE_OPERATION: Example = TURNS_OPERATION | {
    "operation_id": "1772445600000000000-0a1b2c3d4e5f-00000009-1.0",
    "kind": "Erase",
    "turns": 0,
    "entries": 0,
    "deleted": 2,
    "receipt": {
        "kind": "Erase",
        "user_id": "ada",
        "requested_at": "2026-03-02T10:00:00Z",
        "removed": {"entries": 2, "turns": 2, "revisions": 0},
        "physical_by": "2026-03-02T10:12:00Z",
        "physically_removed_at": None,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
}
"""A user who was erased, with the receipt."""

GIVEN_OPERATION: Example = TURNS_OPERATION | {
    "operation_id": "1772359260000000000-0a1b2c3d4e5f-00000008-1.0",
    "kind": "Entries",
    "turns": 0,
    "entries": 1,
    "entry_ids": [ENTRY["entry_id"]],
}
"""A memory that was given as it is."""

HISTORY: Example = {
    "entry_id": ENTRY["entry_id"],
    "revisions": [
        {
            "changed_at": "2026-03-03T09:00:00Z",
            "cause": "1772528400000000000-0a1b2c3d4e5f-00000012-1.0",
            "change": "Edited",
            "before": ENTRY | {"lossless_restatement": "Ada moved to Rome.", "entities": ["Rome"]},
        }
    ],
}
"""What a memory was before it was corrected."""

IMPORT_LINES = (
    '{"kind": "turn", "id": "m-1", "user_id": "ada", "session_id": "monday", "speaker": "Ada", '
    '"text": "I moved to Rome.", "timestamp": "2026-03-01T10:00:00Z"}\n'
    '{"kind": "entry", "user_id": "ada", "lossless_restatement": "Ada moved to Rome on 1 March 2026."}\n'
)
"""Lines made by hand."""

EXPORT_LINES = (
    '{"kind": "turn", "id": "m-1", "user_id": "ada", "session_id": "' + DEFAULT_SESSION + '", "speaker": "Ada", '
    '"text": "I moved to Rome.", "timestamp": "2026-03-01T10:00:00Z"}\n'
    '{"kind": "end", "turns": 1, "entries": 0, '
    '"sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}\n'
)
"""A short export."""

EMBEDDINGS: Example = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.6, -0.48, 0.64]}],
    "model": "all-MiniLM-L6-v2",
    "usage": {"prompt_tokens": 5, "total_tokens": 5},
}
"""A vector, shortened."""

READINESS: Example = {
    "ready": True,
    "checks": {"storage": {"ok": True, "reason": "VolumeBound", "message": "can be written"}},
    "figures": {"entries": 419, "storage_bytes": 3_412_992, "pending_turns": 0},
}
"""A pod that is ready."""

BACKUP: Example = {
    "backup_id": "20260302T030000Z-0c3f192a",
    "state": "Succeeded",
    "asked_at": "2026-03-02T03:00:00Z",
    "phase": None,
    "done": 3_412_992,
    "total": 3_412_992,
    "ended_at": "2026-03-02T03:00:09Z",
    "place": "s3://copies/backups/team-a/notes/20260302T030000Z-0c3f192a",
    "entries": 419,
    "turns": 419,
    "pending_turns": 0,
    "size_bytes": 3_412_992,
    "removed": ["20260223T030000Z-0b71ae04"],
    "error": None,
}
"""A copy of the store."""
