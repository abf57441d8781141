"""A journal segment as bytes: a header line with a checksum, then one line of JSON an operation.

A segment's name sorts by time and tells the number of its turns, so that a listing alone shows how much waits and
since when.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from simplemem_service.errors import DamagedSegmentError, NotFoundError
from simplemem_service.ingest import wire
from simplemem_service.models.operation import (
    JournaledOperation,
    Operation,
    OperationResult,
)

FORMAT_TURNS = 1
"""Layout of a segment of turns only; what the first release reads."""
FORMAT_KINDS = 2
"""Layout of a segment with operations of other kinds, which an older release must refuse rather than pass over."""
NAME_PARTS = 4
"""Time, instance, number, turns."""
_PAYLOAD = b'"payload":'
"""Only an operation with a payload has that key: within a text the quotes are escaped."""


@dataclass(frozen=True, slots=True)
class SegmentName:
    """The parts of a segment's name."""

    time_ns: int
    """When it was written, nanoseconds since 1970, by the writer's clock made monotonic."""
    instance: str
    """The process that wrote it."""
    number: int
    """How many that process had written before."""
    turns: int
    """Turns in it."""

    def __str__(self) -> str:
        return f"{self.time_ns:019d}-{self.instance}-{self.number:08d}-{self.turns}"


def parse_segment_name(name: str) -> SegmentName:
    """The parts of a name. Raises `NotFoundError` if it cannot be one, since a caller may have made it up."""
    parts = name.split("-")
    if len(parts) != NAME_PARTS or not parts[1].isalnum():
        raise NotFoundError(f"'{name[:80]}' is no segment of the journal")
    try:
        time_ns, number, turns = int(parts[0]), int(parts[2]), int(parts[3])
    except ValueError as error:
        raise NotFoundError(f"'{name[:80]}' is no segment of the journal") from error
    parsed = SegmentName(time_ns, parts[1], number, turns)
    if str(parsed) != name:
        raise NotFoundError(f"'{name[:80]}' is no segment of the journal")
    return parsed


def is_segment_name(name: str) -> bool:
    """Whether a file of that name is a segment."""
    try:
        parse_segment_name(name)
    except NotFoundError:
        return False
    return True


def operation_id(segment: str, index: int) -> str:
    """Id of an operation: where it lies."""
    return f"{segment}.{index}"


def split_operation_id(operation: str) -> tuple[str, int]:
    """Segment and place of an operation. Raises `NotFoundError` if the id cannot be one."""
    segment, dot, index = operation.rpartition(".")
    if not dot or not index.isascii() or not index.isdigit():
        raise NotFoundError(f"operation '{operation[:80]}' does not exist")
    parse_segment_name(segment)
    return segment, int(index)


def encode_operation(operation: Operation) -> bytes:
    """One line of a segment."""
    return json.dumps(wire.encode_operation(operation), ensure_ascii=True, separators=(",", ":")).encode()


def decode_line(line: bytes) -> Operation:
    """The operation that a line of a segment stands for."""
    return wire.decode_operation(json.loads(line))


def join_segment(lines: Sequence[bytes]) -> bytes:
    """A segment of encoded operations."""
    body = b"\n".join(lines)
    is_plain = not any(_PAYLOAD in line for line in lines)
    layout = FORMAT_TURNS if is_plain else FORMAT_KINDS
    header = {"format": layout, "operations": len(lines), "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(header).encode() + b"\n" + body


def decode_segment(name: str, data: bytes) -> list[JournaledOperation]:
    """The operations of a segment, in order. Raises `DamagedSegmentError` unless it is whole."""
    header_line, _, body = data.partition(b"\n")
    try:
        header = json.loads(header_line)
        is_whole = (
            header["format"] in (FORMAT_TURNS, FORMAT_KINDS) and header["sha256"] == hashlib.sha256(body).hexdigest()
        )
    except (ValueError, KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise DamagedSegmentError(f"segment '{name}' ({len(data)} bytes) does not match its checksum")
    return [
        JournaledOperation(operation_id(name, index), decode_line(line)) for index, line in enumerate(body.split(b"\n"))
    ]


def encode_results(results: Sequence[OperationResult]) -> bytes:
    """What is kept of a finished segment: the results of its operations."""
    return json.dumps([wire.encode_result(result) for result in results]).encode() + b"\n"


def decode_results(data: bytes) -> list[OperationResult]:
    """The results in a finished segment; the first release wrote the segment as it was behind them."""
    line, _, _ = data.partition(b"\n")
    return [wire.decode_result(fields) for fields in json.loads(line)]
