"""Under which keys a store keeps values in a Redis that others may share.

Each store has a random id, written once beside its journal. All its keys begin with the same digits, made from the id,
so that everything a store has kept can be found and removed; the rest of a key is a keyed digest, so that nobody who
reads the Redis without knowing the id can tell whether a certain text stands behind a key. A store made anew under an
old name has another id.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field

from simplemem_service.errors import StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore

ID_NAME = "cache/id"
"""Where a store's id lies. It belongs to one place, so no copy of a store holds it."""
ID_BYTES = 32
"""Length of an id."""
PREFIX_CHARS = 16
"""Hexadecimal digits that a store's keys begin with."""


@dataclass(frozen=True, slots=True)
class CacheScope:
    """The keys of one store."""

    secret: bytes = field(repr=False)
    """The store's id."""

    @property
    def prefix(self) -> str:
        """What all keys of the store begin with."""
        return f"{self._digest('prefix')[:PREFIX_CHARS]}:"

    def key(self, kind: str, *parts: str) -> str:
        """The key of a value of some kind that depends on all of the parts."""
        return f"{self.prefix}{kind}:{self._digest(kind, *parts)}"

    def _digest(self, *parts: str) -> str:
        # Lengths keep ("ab", "c") and ("a", "bc") apart.
        text = "".join(f"{len(part)}:{part}" for part in parts)
        return hmac.new(self.secret, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()


async def read_scope(blobs: BlobStore) -> CacheScope:
    """The scope of a store, made if it has none. Raises `StorageUnavailableError`."""
    found = await blobs.get(ID_NAME)
    if found is None:
        await blobs.put_new(ID_NAME, secrets.token_bytes(ID_BYTES))
        found = await blobs.get(ID_NAME)
    if not found:
        raise StorageUnavailableError(f"'{ID_NAME}' was written and cannot be read")
    return CacheScope(found)
