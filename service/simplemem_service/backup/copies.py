"""The copies in a place: which there are, and which go."""

from __future__ import annotations

import json
import logging

from simplemem_service.backup.manifest import BEGUN, ID_FORM, MANIFEST, Manifest, decode_manifest
from simplemem_service.backup.place import CopyPlace
from simplemem_service.errors import BackupError

logger = logging.getLogger(__name__)


async def list_copies(place: CopyPlace) -> list[Manifest]:
    """Complete copies, oldest first; one whose manifest is damaged is told in the log and left out."""
    found: list[Manifest] = []
    for folder in await _folders(place):
        data = await place.get(f"{folder}/{MANIFEST}")
        try:
            if data is not None:
                found.append(decode_manifest(data, folder))
        except BackupError as error:
            logger.warning("copy left out", extra={"copy": folder, "error": str(error)})
    return found


async def prune(place: CopyPlace, store: str, keep: int) -> list[str]:
    """Remove a store's copies but the newest ones, and the remains of such that were never completed before these.

    Parameters
    ----------
    place
        Where they lie.
    store
        Whose they are; those of others stay.
    keep
        How many complete copies stay, at least one.

    Gives the ids of the complete copies that went.
    """
    own = [copy.copy_id for copy in await list_copies(place) if copy.store == store]
    if not own:
        return []
    surplus = own[: -max(1, keep)]
    for copy_id in surplus:
        await _remove(place, copy_id)
    complete = set(own)
    for folder in await _folders(place):
        if folder < own[-1] and folder not in complete and await _is_remains(place, folder, store):
            await _remove(place, folder)
    return surplus


async def _folders(place: CopyPlace) -> list[str]:
    return [name for name in await place.folders() if ID_FORM.fullmatch(name)]


async def _is_remains(place: CopyPlace, folder: str, store: str) -> bool:
    """Whether a folder was begun for the store and has no manifest; a damaged one is for people to look at."""
    if await place.get(f"{folder}/{MANIFEST}") is not None:
        return False
    begun = await place.get(f"{folder}/{BEGUN}")
    try:
        return begun is not None and json.loads(begun)["store"] == store
    except (ValueError, KeyError, TypeError):
        return False


async def _remove(place: CopyPlace, copy_id: str) -> None:
    """Remove a copy: first its manifest, so that it counts no more, and last the file that says whose it is."""
    names = [name for name in await place.sizes(copy_id) if name not in (MANIFEST, BEGUN)]
    for part in ([MANIFEST], names, [BEGUN]):
        await place.delete([f"{copy_id}/{name}" for name in part])
