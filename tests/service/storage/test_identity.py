"""A store keeps the model it was created with."""

from __future__ import annotations

from pathlib import Path

import pytest

from simplemem_service.errors import IdentityMismatchError
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.identity import IDENTITY_NAME, confirm_identity, parse_identity
from simplemem_service.storage.local_blobs import LocalBlobStore

MINILM = StoreIdentity("all-MiniLM-L6-v2", 384)


async def test_the_first_model_is_recorded_and_confirmed_ever_after(tmp_path: Path) -> None:
    blobs = LocalBlobStore(tmp_path)
    await confirm_identity(blobs, MINILM)
    await confirm_identity(blobs, MINILM)
    assert parse_identity(await blobs.get(IDENTITY_NAME) or b"") == MINILM


@pytest.mark.parametrize("other", [StoreIdentity("all-mpnet-base-v2", 768), StoreIdentity("all-MiniLM-L6-v2", 128)])
async def test_another_model_is_refused_by_name(tmp_path: Path, other: StoreIdentity) -> None:
    blobs = LocalBlobStore(tmp_path)
    await confirm_identity(blobs, MINILM)
    with pytest.raises(IdentityMismatchError, match="holds vectors of 'all-MiniLM-L6-v2' with 384 dimensions"):
        await confirm_identity(blobs, other)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"model": "x"}', b'{"model": "x", "dimension": "many"}'])
def test_a_damaged_record_is_told(data: bytes) -> None:
    with pytest.raises(IdentityMismatchError, match="damaged"):
        parse_identity(data)
