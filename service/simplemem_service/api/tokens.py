"""Bearer tokens: a folder of files, as a Secret is mounted, read again when it changes.

Comparison is of hashes, in constant time and with every token, so that an answer's time tells nothing. Where the store
names a token Secret and the folder is empty or missing, nobody gets in. What a file may say is in `token_file.py`; one
that cannot be read as such is refused and logged by its name alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import Gauge

from simplemem_service.api.access import Bucket, Caller
from simplemem_service.api.token_file import parse_token_file
from simplemem_service.constants import TOKEN_REFRESH
from simplemem_service.errors import ConfigError, UnauthorizedError

logger = logging.getLogger(__name__)

ANONYMOUS = Caller("anonymous")
"""Caller of a store without tokens; the network decides who reaches it, and no rate is held against it."""
SCHEME = "bearer "


class Tokens:
    """The tokens of a store.

    Parameters
    ----------
    folder
        Where the files lie; their names are the callers' names.
    is_required
        Whether a token is needed; without, everybody is anonymous.
    expiry
        Where it is told when each token expires, by the name of its file.
    clock
        Seconds of a clock that never goes back.
    now
        The time, aware.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        is_required: bool,
        expiry: Gauge | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._folder = folder
        self._is_required = is_required
        self._expiry = expiry
        self._clock = clock
        self._now = now
        self._callers: dict[bytes, Caller] = {}
        self._refused: dict[str, str] = {}
        self._buckets: dict[str, Bucket] = {}

    async def run(self) -> None:
        """Read the folder again and again."""
        while True:
            await asyncio.sleep(TOKEN_REFRESH.total_seconds())
            await asyncio.to_thread(self.refresh)

    def refresh(self) -> None:
        """Read the folder again. Blocking: call it in a thread."""
        if not self._is_required or self._folder is None:
            return
        found: dict[bytes, Caller] = {}
        refused: dict[str, str] = {}
        for path in _list_files(self._folder):
            try:
                _add(found, path)
            except ConfigError as error:
                refused[path.name] = str(error)
        for name, reason in refused.items():
            if self._refused.get(name) != reason:
                logger.warning("token file refused", extra={"file": name, "reason": reason})
        if found != self._callers:
            logger.info("tokens read", extra={"callers": sorted(caller.name for caller in found.values())})
        self._tell_expiry(before=self._callers, after=found)
        self._callers, self._refused = found, refused

    def authorise(self, header: str | None) -> Caller:
        """The caller. Raises `UnauthorizedError`, or `RateLimitedError` if it calls too often."""
        if not self._is_required:
            return ANONYMOUS
        if header is None or header[: len(SCHEME)].lower() != SCHEME:
            raise UnauthorizedError("a bearer token is needed: send `Authorization: Bearer TOKEN`")
        given = hashlib.sha256(header[len(SCHEME) :].strip().encode()).digest()
        matching = [caller for known, caller in self._callers.items() if hmac.compare_digest(known, given)]
        if not matching:
            raise UnauthorizedError("the bearer token is wrong")
        matching[0].require_living(self._now())
        self._bucket(matching[0]).take(self._clock())
        return matching[0]

    def _tell_expiry(self, before: dict[bytes, Caller], after: dict[bytes, Caller]) -> None:
        if self._expiry is None:
            return
        ends = {caller.name: caller.expires.timestamp() for caller in after.values() if caller.expires is not None}
        told = {caller.name for caller in before.values() if caller.expires is not None}
        for name in told - ends.keys():
            self._expiry.remove(name)
        for name, end in ends.items():
            self._expiry.labels(name).set(end)

    def _bucket(self, caller: Caller) -> Bucket:
        bucket = self._buckets.get(caller.name)
        if bucket is None or bucket.rate != caller.requests_per_second:
            bucket = self._buckets[caller.name] = Bucket(caller.requests_per_second, self._clock())
        return bucket


def _list_files(folder: Path) -> list[Path]:
    """The files of a mounted Secret, without the folders that it keeps its versions in."""
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and path.is_file())
    except OSError:
        return []


def _add(found: dict[bytes, Caller], path: Path) -> None:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}") from error
    if not content.strip():
        raise ConfigError("is empty")
    known = parse_token_file(path.name, content)
    digest = hashlib.sha256(known.secret).digest()
    if digest in found:
        raise ConfigError(f"holds the same token as '{found[digest].name}'")
    found[digest] = known.caller
