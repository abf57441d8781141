"""The folder of a bucket that copies lie in.

The server checks a SHA-256 of every PUT before it answers. Data goes into the storage class that the store names;
manifests are always in the standard one, since archives cannot be read at once.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

from simplemem_api.resolved import ResolvedS3
from simplemem_api.storage_spec import ARCHIVES, S3StorageClass
from simplemem_service.errors import StorageUnavailableError

REQUEST_TIMEOUT = timedelta(seconds=60)
"""How long one request may take, its retries included: a file of 16 MiB over a slow line."""
CONNECT_TIMEOUT = timedelta(seconds=3)
"""How long a connection may take to come about."""
MAX_RETRIES = 3
"""Tries after the first, on connection errors and 5xx answers."""
DELETED_AT_ONCE = 16
"""Objects removed at the same time; one request each, since not every server knows removals of many."""
SHOWN_CHARS = 256
"""How much of the server's answer an error repeats, in characters."""
KEY_NAMES = {
    "access_key_id": "SIMPLEMEM_BACKUP_AWS_ACCESS_KEY_ID",
    "secret_access_key": "SIMPLEMEM_BACKUP_AWS_SECRET_ACCESS_KEY",
}
"""Environment variables of credentials that are for the copies alone; without them those of the store serve."""


class CopyPlace:
    """Where the copies of a store lie.

    Parameters
    ----------
    s3
        The place in the bucket, and the class of what is written.
    environment
        Where credentials of its own may stand.
    """

    def __init__(self, s3: ResolvedS3, environment: Mapping[str, str]) -> None:
        self.s3 = s3
        self._store = _create(s3, environment)

    @property
    def can_read_back(self) -> bool:
        """Whether what was written can be read at once."""
        return self.s3.storage_class not in ARCHIVES

    def url(self, name: str = "") -> str:
        """Address of an object, or of the place, for people."""
        return "/".join(part for part in (f"s3://{self.s3.bucket}", self.s3.prefix, name) if part)

    async def put(self, name: str, data: bytes, *, is_small: bool = False) -> None:
        """Write an object; `is_small`: in the standard class."""
        storage_class = S3StorageClass.STANDARD if is_small else self.s3.storage_class
        attributes: Any = {} if storage_class is S3StorageClass.STANDARD else {"Storage-Class": str(storage_class)}
        async with self._converted():
            await obstore.put_async(self._store, name, data, attributes=attributes, use_multipart=False)

    async def get(self, name: str) -> bytes | None:
        """The object of that name, or None."""
        async with self._converted():
            try:
                return bytes(await (await obstore.get_async(self._store, name)).bytes_async())
            except (NotFoundError, FileNotFoundError) as error:
                if "NoSuchBucket" in str(error):
                    raise
                return None

    async def folders(self) -> list[str]:
        """Names of the folders directly within the place, ascending."""
        async with self._converted():
            found = await obstore.list_with_delimiter_async(self._store, None)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    async def sizes(self, folder: str) -> dict[str, int]:
        """Length of each object within a folder, by its name there."""
        sizes: dict[str, int] = {}
        async with self._converted():
            async for chunk in obstore.list(self._store, f"{folder}/"):
                sizes |= {item["path"].removeprefix(f"{folder}/"): item["size"] for item in chunk}
        return sizes

    async def delete(self, names: list[str]) -> None:
        """Remove objects."""
        async with self._converted():
            for start in range(0, len(names), DELETED_AT_ONCE):
                chunk = names[start : start + DELETED_AT_ONCE]
                await asyncio.gather(*(obstore.delete_async(self._store, name) for name in chunk))

    async def check(self) -> None:
        """Write and remove a probe; `StorageUnavailableError` says why that is impossible."""
        # Beside the copies, whose folders have names of another form, and never looked for again.
        name = f"probe-{uuid.uuid4().hex}"
        await self.put(name, b"probe", is_small=True)
        await self.delete([name])

    @asynccontextmanager
    async def _converted(self) -> AsyncIterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            text = str(error)
            hint = "; thaw the archived objects of the copy first" if "InvalidObjectState" in text else ""
            told = f"bucket '{self.s3.bucket}' of the copies refuses: {text.split(chr(10), 1)[0][:SHOWN_CHARS]}{hint}"
            raise StorageUnavailableError(told) from error


def _create(s3: ResolvedS3, environment: Mapping[str, str]) -> Any:
    config: dict[str, Any] = {
        "region": s3.region,
        "virtual_hosted_style_request": s3.endpoint is None,
        "checksum_algorithm": "SHA256",
    }
    if s3.endpoint is not None:
        config["endpoint"] = s3.endpoint
    config |= {field: environment[name] for field, name in KEY_NAMES.items() if environment.get(name)}
    return S3Store(
        s3.bucket,
        prefix=s3.prefix or None,
        config=config,
        client_options={
            "allow_http": (s3.endpoint or "").startswith("http://"),
            "timeout": REQUEST_TIMEOUT,
            "connect_timeout": CONNECT_TIMEOUT,
        },
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": REQUEST_TIMEOUT},
    )
