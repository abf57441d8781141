"""Bearer tokens: a folder of files, as a Secret is mounted, read again when it changes.

Comparison is of hashes, in constant time and with every token, so that an answer's time tells nothing. Where the store
names a token Secret and the folder is empty or missing, nobody gets in.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

from simplemem_service.errors import UnauthorizedError

logger = logging.getLogger(__name__)

ANONYMOUS = "anonymous"
"""Caller of a store without tokens."""
SCHEME = "bearer "


class Tokens:
    """The tokens of a store.

    Parameters
    ----------
    folder
        Where the files lie; their names are the callers' names.
    is_required
        Whether a token is needed; without, everybody is anonymous.
    """

    def __init__(self, folder: Path | None, *, is_required: bool) -> None:
        self._folder = folder
        self._is_required = is_required
        self._hashes: dict[str, bytes] = {}

    def refresh(self) -> None:
        """Read the folder again. Blocking: call it in a thread."""
        if not self._is_required or self._folder is None:
            return
        found: dict[str, bytes] = {}
        try:
            paths = sorted(self._folder.iterdir())
        except OSError:
            paths = []
        for path in paths:
            token = _read(path)
            if token:
                found[path.name] = hashlib.sha256(token).digest()
        if found != self._hashes:
            logger.info("tokens read", extra={"callers": sorted(found)})
        self._hashes = found

    def authorise(self, header: str | None) -> str:
        """The caller's name. Raises `UnauthorizedError`."""
        if not self._is_required:
            return ANONYMOUS
        if header is None or header[: len(SCHEME)].lower() != SCHEME:
            raise UnauthorizedError("a bearer token is needed: send `Authorization: Bearer TOKEN`")
        given = hashlib.sha256(header[len(SCHEME) :].strip().encode()).digest()
        matching = [name for name, known in self._hashes.items() if hmac.compare_digest(known, given)]
        if not matching:
            raise UnauthorizedError("the bearer token is wrong")
        return matching[0]


def _read(path: Path) -> bytes:
    """A token; empty for what is none, such as the folders that a mounted Secret keeps its versions in."""
    if path.name.startswith("."):
        return b""
    try:
        return path.read_bytes().strip()
    except OSError:
        return b""
