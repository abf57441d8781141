"""Receipts of removals: durable, without any of what was removed.

receipts/open/<operation>      removed from the tables; their old versions still hold the bytes
receipts/erased/<operation>    the bytes of a user are gone; kept for good
receipts/deleted/<operation>   the bytes of single entries are gone; kept as long as results are

Each is JSON with the fields of `Receipt`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

from simplemem_service.constants import RESULTS_RETENTION
from simplemem_service.ingest import wire
from simplemem_service.models.operation import OperationKind, Receipt
from simplemem_service.storage.blobs import BlobStore

OPEN = "receipts/open"
ERASED = "receipts/erased"
DELETED = "receipts/deleted"


class Receipts:
    """Receipts by the id of the operation that removed.

    Parameters
    ----------
    blobs
        Where they lie.
    """

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def open(self, operation_id: str, receipt: Receipt) -> Receipt:
        """Record a removal before it begins; a replay gets the receipt of the first try, whose counts are whole."""
        sealed = wire.sealed(receipt)
        if await self._blobs.put_new(f"{OPEN}/{operation_id}", _encode(sealed)):
            return sealed
        return await self.read(operation_id) or sealed

    async def list_open(self) -> list[str]:
        """Operations whose removal is not physical yet."""
        return await self._blobs.list_names(OPEN)

    async def complete(self, operation_id: str, now: datetime) -> None:
        """Record that the bytes are gone."""
        data = await self._blobs.get(f"{OPEN}/{operation_id}")
        if data is None:
            return
        receipt = wire.decode_receipt(json.loads(data))
        done = wire.sealed(replace(receipt, physically_removed_at=now))
        folder = ERASED if receipt.kind is OperationKind.ERASE else DELETED
        await self._blobs.put_new(f"{folder}/{operation_id}", _encode(done))
        await self._blobs.delete(f"{OPEN}/{operation_id}")

    async def read(self, operation_id: str) -> Receipt | None:
        """The latest receipt of an operation."""
        for folder in (ERASED, DELETED, OPEN, ERASED, DELETED):
            # Once more at the end, since it may move between two looks.
            data = await self._blobs.get(f"{folder}/{operation_id}")
            if data is not None:
                return wire.decode_receipt(json.loads(data))
        return None

    async def sweep(self) -> None:
        """Drop receipts of single entries that are older than results are kept."""
        for name in await self._blobs.list_older(DELETED, RESULTS_RETENTION):
            await self._blobs.delete(f"{DELETED}/{name}")


def _encode(receipt: Receipt) -> bytes:
    return json.dumps(wire.encode_receipt(receipt)).encode()
