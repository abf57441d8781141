"""The identity of a store: written once, by whoever comes first, and compared ever after."""

from __future__ import annotations

import json

from simplemem_service.errors import IdentityMismatchError
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.blobs import BlobStore

IDENTITY_NAME = "identity.json"
"""Name of the blob."""


async def confirm_identity(blobs: BlobStore, wanted: StoreIdentity) -> None:
    """Record the identity of a new store, or compare; raises `IdentityMismatchError` if it is another's."""
    data = json.dumps({"model": wanted.model, "dimension": wanted.dimension}).encode()
    recorded = await blobs.get(IDENTITY_NAME)
    if recorded is None:
        if await blobs.put_new(IDENTITY_NAME, data):
            return
        recorded = await blobs.get(IDENTITY_NAME)
    found = parse_identity(recorded or b"")
    if found != wanted:
        raise IdentityMismatchError(
            f"the store holds vectors of '{found.model}' with {found.dimension} dimensions, but the MemoryStore names "
            f"'{wanted.model}' with {wanted.dimension}; name '{found.model}' again or create another store"
        )


def parse_identity(data: bytes) -> StoreIdentity:
    """The identity in a blob. Raises `IdentityMismatchError` if the blob is not readable as one."""
    try:
        fields = json.loads(data)
        return StoreIdentity(model=str(fields["model"]), dimension=int(fields["dimension"]))
    except (ValueError, KeyError, TypeError) as error:
        raise IdentityMismatchError(
            f"'{IDENTITY_NAME}' of the store is damaged ({len(data)} bytes); it must name model and dimension"
        ) from error
