"""Small objects in a bucket: create-only through If-None-Match, durable once the PUT is answered.

Credentials come from the environment (AWS_ACCESS_KEY_ID and the like) or from the pod's own identity.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import S3Store
from typing_extensions import override

from simplemem_api.resolved import ResolvedS3
from simplemem_service.constants import STORAGE_TIMEOUT
from simplemem_service.errors import CarelessBucketError, StorageUnavailableError
from simplemem_service.storage.blobs import BlobStore

Result = TypeVar("Result")

SHOWN_CHARS = 256
"""How much of the server's answer an error repeats, in characters."""
PROBES = "probe"
"""Folder of the objects that only ask whether the bucket can be written."""
MAX_RETRIES = 3
"""Tries after the first, on connection errors and 5xx answers."""


def create_s3_store(s3: ResolvedS3) -> Any:
    """A client of the store's place in the bucket; nothing is sent yet."""
    config: dict[str, Any] = {"region": s3.region, "virtual_hosted_style_request": s3.endpoint is None}
    if s3.endpoint is not None:
        config["endpoint"] = s3.endpoint
    return S3Store(
        s3.bucket,
        prefix=s3.prefix,
        config=config,
        client_options={
            "allow_http": (s3.endpoint or "").startswith("http://"),
            "timeout": STORAGE_TIMEOUT,
            "connect_timeout": timedelta(seconds=3),
        },
        retry_config={"max_retries": MAX_RETRIES, "retry_timeout": STORAGE_TIMEOUT},
    )


class Listed(NamedTuple):
    """An object as a listing shows it."""

    path: str
    """Its name below the prefix."""
    size: int
    """Its length in bytes."""
    written_at: datetime
    """When it was written, by the bucket's clock."""


class S3BlobStore(BlobStore):
    """Blobs as objects below a prefix.

    Parameters
    ----------
    s3
        The place in the bucket.
    """

    def __init__(self, s3: ResolvedS3) -> None:
        self._bucket = s3.bucket
        self._store = create_s3_store(s3)

    @override
    async def put_new(self, name: str, data: bytes) -> bool:
        try:
            await obstore.put_async(self._store, name, data, mode="create")
        except AlreadyExistsError:
            # A retry after a lost answer meets its own first try.
            return await self.get(name) == data
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error
        return True

    async def put(self, name: str, data: bytes) -> None:
        """Write, whatever is there."""
        await self._guard(obstore.put_async(self._store, name, data, mode="overwrite"))

    async def put_if(self, name: str, data: bytes, version: str | None) -> str | None:
        """Write if the object's version is the given one (None: if there is no object); its new version, or None."""
        mode: Any = "create" if version is None else {"e_tag": version}
        try:
            result = await obstore.put_async(self._store, name, data, mode=mode)
        except (AlreadyExistsError, PreconditionError):
            return None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error
        return str(result["e_tag"])

    async def version(self, name: str) -> str | None:
        """What changes with every write of an object (its entity tag); None if there is none."""
        try:
            meta = await obstore.head_async(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error
        return str(meta["e_tag"])

    @override
    async def get(self, name: str) -> bytes | None:
        try:
            result = await obstore.get_async(self._store, name)
            return bytes(await result.bytes_async())
        except (NotFoundError, FileNotFoundError) as error:
            if "NoSuchBucket" in str(error):
                raise self._unavailable(error) from error
            return None
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error

    @override
    async def list_names(self, folder: str) -> list[str]:
        prefix = folder.rstrip("/") + "/"
        return sorted([item.path.removeprefix(prefix) for item in await self._list(prefix)])

    @override
    async def list_all(self, *, without: frozenset[str]) -> list[str]:
        found = [item.path for item in await self._list(None)]
        return sorted([path for path in found if path.split("/", 1)[0] not in without])

    @override
    async def list_older(self, folder: str, age: timedelta) -> list[str]:
        prefix = folder.rstrip("/") + "/"
        limit = datetime.now(UTC) - age
        found = await self._list(prefix)
        return sorted([item.path.removeprefix(prefix) for item in found if item.written_at <= limit])

    @override
    async def delete(self, name: str) -> None:
        try:
            await obstore.delete_async(self._store, name)
        except (NotFoundError, FileNotFoundError):
            return
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error

    @override
    async def sync(self) -> None:
        """What a bucket has answered is durable."""

    @override
    async def size_bytes(self) -> int:
        return sum([item.size for item in await self._list(None) if not item.path.startswith(f"{PROBES}/")])

    @override
    async def check(self) -> None:
        name = f"{PROBES}/{uuid.uuid4().hex}"
        await self._guard(obstore.put_async(self._store, name, b"probe", mode="create"))
        await self._guard(obstore.delete_async(self._store, name))

    @override
    async def check_conditions(self) -> None:
        name = f"{PROBES}/{uuid.uuid4().hex}"
        first = await self.put_if(name, b"first", None)
        if first is None:
            raise StorageUnavailableError(f"bucket '{self._bucket}' did not answer the first write of '{name}' in time")
        try:
            if await self.put_if(name, b"second", None) is not None:
                raise self._careless("If-None-Match")
            second = await self.put_if(name, b"second", first)
            if second is None:
                raise StorageUnavailableError(f"bucket '{self._bucket}' refuses a write whose condition holds")
            if await self.put_if(name, b"third", first) is not None:
                raise self._careless("If-Match")
        finally:
            # What stays of a probe counts for nothing, and must not hide what it has shown.
            with contextlib.suppress(StorageUnavailableError):
                await self.delete(name)

    @override
    async def close(self) -> None:
        return

    async def _list(self, prefix: str | None) -> list[Listed]:
        found: list[Listed] = []
        try:
            async for chunk in obstore.list(self._store, prefix):
                found += [Listed(item["path"], item["size"], item["last_modified"]) for item in chunk]
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error
        return found

    async def _guard(self, call: Awaitable[Result]) -> Result:
        try:
            return await call
        except (BaseError, OSError) as error:
            raise self._unavailable(error) from error

    def _careless(self, header: str) -> CarelessBucketError:
        return CarelessBucketError(
            f"bucket '{self._bucket}' ignores the header {header}: one of two writers would overwrite what "
            "the other was told to be safe; use an S3 server with conditional writes, such as AWS S3 or a current MinIO"
        )

    def _unavailable(self, error: Exception) -> StorageUnavailableError:
        first_line = str(error).split("\n", 1)[0]
        return StorageUnavailableError(f"bucket '{self._bucket}' refuses: {first_line[:SHOWN_CHARS]}")
