"""Where a store's data lies, and where copies of it go."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from simplemem_api.base import Cel, Name, Part, SizeQuantity, Text, Url


class DeletionPolicy(StrEnum):
    """What happens to the data when the MemoryStore goes."""

    RETAIN = "Retain"
    DELETE = "Delete"


class S3StorageClass(StrEnum):
    """Object-storage class."""

    STANDARD = "STANDARD"
    STANDARD_IA = "STANDARD_IA"
    INTELLIGENT_TIERING = "INTELLIGENT_TIERING"
    GLACIER = "GLACIER"
    GLACIER_IR = "GLACIER_IR"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"


ARCHIVES = frozenset({S3StorageClass.GLACIER, S3StorageClass.DEEP_ARCHIVE})
"""Classes whose objects must be thawed for hours before they can be read."""


class CloudPlan(StrEnum):
    """Plan of LanceDB Cloud."""

    FREE = "Free"
    STARTER = "Starter"
    GROWTH = "Growth"
    ENTERPRISE = "Enterprise"


class PvcStorage(Part):
    """A PersistentVolumeClaim made for the store."""

    size: SizeQuantity | None = None
    """How large the volume is; it grows and never shrinks. Default: the tier's own."""
    storage_class_name: Name | None = None
    """Class of the volume; the cluster's default where absent. Immutable."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "!has(self.size) || (self.size.matches('[1-9]') && isQuantity(self.size))",
            "size must be a quantity above zero, such as 50Gi",
        ),
        Cel(
            "!has(oldSelf.size) || (has(self.size) && (!isQuantity(self.size) || !isQuantity(oldSelf.size) || "
            "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0))",
            "size can only grow",
        ),
        Cel(
            "has(self.storageClassName) == has(oldSelf.storageClassName) && "
            "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            "storageClassName is immutable",
        ),
    )

    @field_validator("size")
    @classmethod
    def _above_zero(cls, value: str | None) -> str | None:
        if value is not None and not any(digit in value for digit in "123456789"):
            raise ValueError("size must be a quantity above zero, such as 50Gi")
        return value


class S3Storage(Part):
    """A bucket of an S3-compatible object store."""

    bucket: Annotated[str, Field(min_length=3, max_length=63, pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$")]
    """Name of the bucket; it must exist."""
    prefix: Annotated[str, Field(max_length=512, pattern=r"^[A-Za-z0-9!_.*'()/-]*$")] | None = None
    """Folder within the bucket. Default: `<namespace>/<name>`, so that stores never share one."""
    region: Text | None = None
    """Region of the bucket; default us-east-1."""
    endpoint: Url | None = None
    """Address of an S3-compatible server; the provider's own where absent."""
    credentials_secret_name: Name | None = None
    """Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; without it the pod's own identity is used."""
    storage_class: S3StorageClass | None = None
    """Class of the objects; default STANDARD. Of a store, that of its tables, which must be read at once: what lives
    for seconds, such as the journal, is always STANDARD."""


class LanceDBCloudStorage(Part):
    """A database of LanceDB Cloud."""

    uri: Annotated[str, Field(min_length=6, max_length=256, pattern=r"^db://[A-Za-z0-9_.-]+$")]
    """Address of the database: `db://name`."""
    region: Text | None = None
    """Region of the database; default us-east-1."""
    api_key_secret_name: Name
    """Secret with LANCEDB_API_KEY."""
    plan: CloudPlan | None = None
    """Plan paid for; default: the tier's own (Growth, or Enterprise for the tier Enterprise)."""
    endpoint: Url | None = None
    """Address of a server that speaks the API, such as a LanceDB Enterprise of one's own; the vendor's where absent."""
    journal: S3Storage | None = None
    """Bucket of the journal and of what the pods tell each other; a cluster needs it, `simplemem up` does not."""


class StorageSpec(Part):
    """Where the vectors, entries and turns lie; at most one place."""

    pvc: PvcStorage | None = None
    """A volume of the cluster; one replica only."""
    s3: S3Storage | None = None
    """Object storage; any number of replicas."""
    lance_db_cloud: LanceDBCloudStorage | None = Field(default=None, alias="lanceDBCloud")
    """LanceDB Cloud; any number of replicas."""
    deletion_policy: DeletionPolicy | None = None
    """What happens to the data when the MemoryStore goes; default Retain. Delete removes the volume, or what the store
    wrote below its prefix in the bucket."""

    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "[has(self.pvc), has(self.s3), has(self.lanceDBCloud)].filter(x, x).size() <= 1",
            "at most one of pvc, s3 and lanceDBCloud may be set",
        ),
    )

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.pvc, self.s3, self.lance_db_cloud)) > 1:
            raise ValueError("at most one of pvc, s3 and lanceDBCloud may be set")
        return self


class BackupSpec(Part):
    """Regular copies of the store."""

    schedule: Annotated[str, Field(min_length=9, max_length=100, pattern=r"^(\S+\s+){4}\S+$")] | None = None
    """When, as five cron fields; default `0 3 * * *`."""
    s3: S3Storage
    """Where the copies go."""
    keep: Annotated[int, Field(ge=1, le=1000)] | None = None
    """How many copies stay; default 7."""
    storage_class: S3StorageClass | None = None
    """Class of the copies; default STANDARD_IA (Hybrid: GLACIER)."""
