"""What a store is kept in: its small files, its tables, who may write them, and its copies."""

from __future__ import annotations

import os
from collections.abc import Callable

from simplemem_api.resolved import ResolvedBackup, ResolvedS3, ResolvedStore
from simplemem_api.storage_spec import ARCHIVES, S3StorageClass
from simplemem_service.backup.copy import Report
from simplemem_service.backup.job import BackupJob
from simplemem_service.backup.place import CopyPlace
from simplemem_service.backup.restore import Restorer
from simplemem_service.config import Config
from simplemem_service.constants import GENERATION_POLL
from simplemem_service.errors import ConfigError
from simplemem_service.storage.bells import AlwaysRinging, Bell, BucketBell
from simplemem_service.storage.blobs import BlobStore
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.lance_cloud import CloudPlace, CloudStorage
from simplemem_service.storage.lance_raw import RawTables
from simplemem_service.storage.lease import BucketLease, FileLease, Lease
from simplemem_service.storage.local_blobs import LocalBlobStore
from simplemem_service.storage.s3_blobs import S3BlobStore

STORE = "store"
"""Folder of the store within the volume; beside it lies what may be lost, such as downloaded weights."""
TABLES = "tables"
"""Folder of the LanceDB tables within the store's folder or prefix."""


def create_blobs(config: Config) -> BlobStore:
    """Where the small files of the store lie."""
    s3 = config.store.storage.s3
    return LocalBlobStore(config.data / STORE) if s3 is None else S3BlobStore(s3)


def create_storage(config: Config, blobs: BlobStore) -> tuple[LanceStorage, Lease]:
    """The store's tables, and the right to write them."""
    lease, writes, cloud = _create_lease(config, blobs), config.role.ingests, config.store.storage.lance_db_cloud
    if cloud is not None:
        prefix = f"{config.store.namespace}.{config.store.name}."
        place = CloudPlace(cloud.uri, cloud.region, config.need_lancedb_key(), config.lancedb_host, prefix)
        return CloudStorage(place, blobs, writes=writes), lease
    uri, options = _tables_place(config)
    return LanceStorage(uri, options, blobs, writes=writes), lease


def create_restorer(config: Config, place: CopyPlace, report: Report) -> Restorer:
    """What brings a copy back into the store of a configuration."""
    blobs = create_blobs(config)
    return Restorer(place, blobs, RawTables(*_tables_place(config)), _create_lease(config, blobs), report)


def create_backup_job(
    store: ResolvedStore, backup: ResolvedBackup, storage: LanceStorage, blobs: BlobStore, check: Callable[[], None]
) -> BackupJob:
    """What makes the store's copies."""
    # A look costs nothing on a volume, and in a bucket 1 cent a day.
    look_seconds = GENERATION_POLL.total_seconds() if isinstance(blobs, S3BlobStore) else 0.0
    place = CopyPlace(backup.s3, os.environ)
    name = f"{store.namespace}/{store.name}"
    own = store.storage.s3
    return BackupJob(storage, blobs, name, backup, place, check=check, look_seconds=look_seconds, own=own)


def create_bell(blobs: BlobStore, name: str) -> Bell:
    """What tells other pods of news; on a volume there are none."""
    return BucketBell(blobs, name) if isinstance(blobs, S3BlobStore) else AlwaysRinging()


def _tables_place(config: Config) -> tuple[str, dict[str, str]]:
    """Where the tables lie, and LanceDB's options for it; raises `ConfigError` where their files are a vendor's."""
    s3, cloud = config.store.storage.s3, config.store.storage.lance_db_cloud
    if cloud is not None:
        raise ConfigError(f"spec.storage.lanceDBCloud is '{cloud.uri}'; a copy comes back only into pvc or s3")
    if s3 is not None:
        return f"s3://{s3.bucket}/{s3.prefix}/{TABLES}", _s3_options(s3)
    return str(config.data / STORE / TABLES), {}


def _create_lease(config: Config, blobs: BlobStore) -> Lease:
    return BucketLease(blobs) if isinstance(blobs, S3BlobStore) else FileLease(config.data)


def _s3_options(s3: ResolvedS3) -> dict[str, str]:
    options = {"aws_region": s3.region}
    if s3.storage_class is not S3StorageClass.STANDARD and s3.storage_class not in ARCHIVES:
        # Lance's own client would send the class as a header that it does not sign, which AWS refuses.
        options |= {"use_opendal": "true", "default_storage_class": s3.storage_class}
    if s3.endpoint is not None:
        is_plain = s3.endpoint.startswith("http://")
        options |= {
            "aws_endpoint": s3.endpoint,
            "allow_http": str(is_plain).lower(),
            "aws_virtual_hosted_style_request": "false",
        }
    return options
