"""The identity of a store: which model its vectors come from, and which table holds them.

The first one is written once, by whoever comes first. Each re-embedding adds the next generation as a file of its own,
which only one process can create; the highest one counts. So the switch to another model is one atomic step, on a
volume as in a bucket:

    identity.json               generation 0
    identity/000001.json        generation 1, and so on
    restoring.json              a copy is being brought back; until it is gone nobody opens the store
"""

from __future__ import annotations

import json
from dataclasses import asdict

from simplemem_service.errors import IdentityMismatchError, StorageUnavailableError
from simplemem_service.storage.base import FIRST_TABLE, StoreIdentity
from simplemem_service.storage.blobs import BlobStore

IDENTITY_NAME = "identity.json"
"""Name of the blob of generation 0."""
GENERATIONS = "identity"
"""Folder of the later ones."""
RESTORING = "restoring.json"
"""Name of the blob that stands there while a copy is brought back."""


async def confirm_identity(blobs: BlobStore, wanted: StoreIdentity) -> None:
    """Record the identity of a new store, or compare; raises `IdentityMismatchError` if it is another's."""
    found = await read_identity(blobs)
    if found is None:
        data = json.dumps({"model": wanted.model, "dimension": wanted.dimension}).encode()
        if await blobs.put_new(IDENTITY_NAME, data):
            return
        found = parse_identity(await blobs.get(IDENTITY_NAME) or b"")
    if found != wanted:
        raise IdentityMismatchError(
            f"the store holds vectors of '{found.model}' with {found.dimension} dimensions (generation "
            f"{found.generation}), expected '{wanted.model}' with {wanted.dimension} (generation {wanted.generation})"
        )


async def read_identity(blobs: BlobStore) -> StoreIdentity | None:
    """The identity that counts now; None for a new store. `StorageUnavailableError` while a copy is brought back."""
    if await blobs.get(RESTORING) is not None:
        raise StorageUnavailableError("a restore has not ended; if none is under way any more, restore again")
    names = [name for name in await blobs.list_names(GENERATIONS) if name.endswith(".json")]
    if names:
        data = await blobs.get(f"{GENERATIONS}/{names[-1]}")
        return parse_identity(data or b"", int(names[-1].removesuffix(".json")))
    data = await blobs.get(IDENTITY_NAME)
    return None if data is None else parse_identity(data)


async def read_generation(blobs: BlobStore, generation: int) -> StoreIdentity | None:
    """The identity of one generation; None where there is none, which costs a single look-up."""
    data = await blobs.get(_name(generation))
    return None if data is None else parse_identity(data, generation)


async def advance_identity(blobs: BlobStore, following: StoreIdentity) -> bool:
    """Make a generation the one that counts; False if another process was first."""
    return await blobs.put_new(_name(following.generation), json.dumps(asdict(following)).encode())


def parse_identity(data: bytes, generation: int = 0) -> StoreIdentity:
    """The identity in a blob. Raises `IdentityMismatchError` if the blob is not readable as one."""
    try:
        fields = json.loads(data)
        return StoreIdentity(
            model=str(fields["model"]),
            dimension=int(fields["dimension"]),
            generation=generation,
            table=str(fields.get("table", FIRST_TABLE)),
            base=int(fields.get("base", 0)),
            synced=int(fields.get("synced", 0)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IdentityMismatchError(
            f"'{_name(generation)}' of the store is damaged ({len(data)} bytes); it must name model and dimension"
        ) from error


def _name(generation: int) -> str:
    return f"{GENERATIONS}/{generation:06}.json" if generation else IDENTITY_NAME
