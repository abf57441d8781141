"""Operations and results as JSON: pure. Fields that are absent get their defaults, so older segments are still read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from typing import Any

from simplemem_service.ingest.identity import digest
from simplemem_service.models.density import Density
from simplemem_service.models.operation import (
    KIND_OF,
    LIST_FIELDS,
    TIME_FIELDS,
    DeletePayload,
    DroppedTurns,
    EditPayload,
    EntriesPayload,
    FieldValue,
    GivenEntry,
    GivenTurn,
    Operation,
    OperationKind,
    OperationResult,
    OperationState,
    Payload,
    Receipt,
    ReembedAction,
    ReembedPayload,
)

_PAYLOAD_OF = {kind: payload for payload, kind in KIND_OF.items()}
_IMPORTED = frozenset({"key", "dropped_density"})
_ENTRY_TIMES = TIME_FIELDS | {"created_at"}
_ENTRY_LISTS = LIST_FIELDS | {"sources"}


def encode_operation(operation: Operation) -> dict[str, Any]:
    """An operation as JSON; one of turns as the first release wrote it."""
    encoded: dict[str, Any] = {
        "user_id": operation.user_id,
        "session_id": operation.session_id,
        "turns": [_encode_turn(turn) for turn in operation.turns],
        "received_at": operation.received_at.isoformat(),
        "idempotency": operation.idempotency,
    }
    if operation.payload is not None:
        encoded["kind"] = operation.kind
        encoded["payload"] = _encode_payload(operation.payload)
    return encoded


def decode_operation(encoded: Mapping[str, Any]) -> Operation:
    """The operation that JSON stands for."""
    payload = encoded.get("payload")
    return Operation(
        user_id=encoded["user_id"],
        session_id=encoded["session_id"],
        turns=tuple(GivenTurn(**turn | {"timestamp": _time(turn["timestamp"])}) for turn in encoded["turns"]),
        received_at=_known_time(encoded["received_at"]),
        idempotency=encoded["idempotency"],
        payload=None if payload is None else _decode_payload(OperationKind(encoded["kind"]), payload),
    )


def encode_result(result: OperationResult) -> dict[str, Any]:
    """A result as JSON."""
    encoded = {one.name: getattr(result, one.name) for one in fields(result)}
    encoded["dropped_windows"] = [asdict(window) for window in result.dropped_windows]
    encoded["receipt"] = None if result.receipt is None else encode_receipt(result.receipt)
    return encoded


def decode_result(encoded: Mapping[str, Any]) -> OperationResult:
    """The result that JSON stands for."""
    known = {one.name for one in fields(OperationResult)}
    values = {name: value for name, value in encoded.items() if name in known}
    values["state"] = OperationState(encoded["state"])
    values["kind"] = OperationKind(encoded.get("kind", OperationKind.TURNS))
    values["receipt"] = decode_receipt(encoded["receipt"]) if encoded.get("receipt") else None
    values["dropped_windows"] = tuple(
        DroppedTurns(tuple(window["turn_ids"]), Density(**window["density"]))
        for window in encoded.get("dropped_windows", ())
    )
    return OperationResult(**values)


def encode_receipt(receipt: Receipt) -> dict[str, Any]:
    """A receipt as JSON."""
    return _plain({one.name: getattr(receipt, one.name) for one in fields(receipt)}) | {
        "removed": dict(receipt.removed)
    }


def decode_receipt(encoded: Mapping[str, Any]) -> Receipt:
    """The receipt that JSON stands for."""
    return Receipt(
        kind=OperationKind(encoded["kind"]),
        user_id=encoded["user_id"],
        requested_at=_known_time(encoded["requested_at"]),
        removed=dict(encoded["removed"]),
        physical_by=_known_time(encoded["physical_by"]),
        physically_removed_at=_time(encoded["physically_removed_at"]),
        sha256=encoded["sha256"],
    )


def sealed(receipt: Receipt) -> Receipt:
    """The receipt with its digest: SHA-256 of its other fields as JSON with sorted keys."""
    content = encode_receipt(replace(receipt, sha256=""))
    return replace(receipt, sha256=digest("receipt", json.dumps(content, sort_keys=True)))


def _encode_turn(turn: GivenTurn) -> dict[str, Any]:
    """A turn; what only an import says is left out where it says nothing, since older versions do not know it."""
    encoded = _plain(asdict(turn))
    return {name: value for name, value in encoded.items() if value is not None or name not in _IMPORTED}


def _encode_payload(payload: Payload) -> dict[str, Any]:
    if isinstance(payload, EntriesPayload):
        return {"entries": [_plain(asdict(entry)) for entry in payload.entries]}
    if isinstance(payload, EditPayload):
        return {"entry_id": payload.entry_id, "changes": _plain(payload.changes)}
    return asdict(payload)


def _decode_payload(kind: OperationKind, encoded: Mapping[str, Any]) -> Payload:
    if kind is OperationKind.ENTRIES:
        return EntriesPayload(tuple(_decode_entry(entry) for entry in encoded["entries"]))
    if kind is OperationKind.EDIT:
        changes = {name: _value(name, value) for name, value in encoded["changes"].items()}
        return EditPayload(encoded["entry_id"], changes)
    if kind is OperationKind.DELETE:
        return DeletePayload(tuple(encoded["entry_ids"]))
    if kind is OperationKind.REEMBED:
        return ReembedPayload(ReembedAction(encoded["action"]), encoded["model"])
    return _PAYLOAD_OF[kind](**encoded)


def _decode_entry(encoded: Mapping[str, Any]) -> GivenEntry:
    values: dict[str, Any] = {name: _value(name, value) for name, value in encoded.items()}
    return GivenEntry(**values)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values with times as text and tuples as lists."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _value(name: str, value: Any) -> FieldValue:
    if name in _ENTRY_TIMES:
        return _time(value)
    if name in _ENTRY_LISTS and isinstance(value, list):
        return tuple(value)
    text: str | None = value
    return text


def _time(text: str | None) -> datetime | None:
    return _known_time(text) if text else None


def _known_time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
