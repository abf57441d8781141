"""What `simplemem doctor` says of the buckets that a store names: of its data and of its copies.

On this machine they are tried with the keys of the environment, as `simplemem up` uses them. Of a cluster that would
tell little: pods have keys and a network of their own, and an endpoint within the cluster is out of reach. There the
store's own conditions are asked, which its pods and its backups have set; where the store does not run yet, its Secrets
say what can be said. Only where neither is to be seen are the buckets tried from here, and what comes out is a hint.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from simplemem_api.conditions import ConditionType, Reason
from simplemem_api.errors import InvalidStoreError
from simplemem_api.in_force import backup_in_force
from simplemem_api.load import parse_store
from simplemem_api.memorystore import GROUP
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedS3, ResolvedStore
from simplemem_service.commands.findings import Finding, State
from simplemem_service.commands.kubectl import Kubectl
from simplemem_service.commands.secret_checks import SeenSecret
from simplemem_service.errors import CarelessBucketError, ServiceError

UNDECIDED = frozenset({Reason.RECONCILING, Reason.SUSPENDED, Reason.NOT_CHECKED, Reason.NO_BACKUP_YET})
"""Reasons of a condition that say nothing about a bucket."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that a store names."""

    check: str
    """What its check is called."""
    s3: ResolvedS3
    """The place in it."""
    condition: ConditionType
    """The condition of the store that tells of it."""
    keys: str
    """Where `simplemem up` and `simplemem restore` find its keys."""

    @property
    def place(self) -> str:
        """Its address, for people."""
        path = "/".join(part for part in (self.s3.bucket, self.s3.prefix) if part)
        return f"s3://{path}" + (f" at {self.s3.endpoint}" if self.s3.endpoint else "")


def buckets_of(store: ResolvedStore) -> list[Bucket]:
    """The buckets that a spec names (pure)."""
    s3, backup = store.storage.s3, backup_in_force(store)
    keys = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    own = f"SIMPLEMEM_BACKUP_AWS_ACCESS_KEY_ID and SIMPLEMEM_BACKUP_AWS_SECRET_ACCESS_KEY, or {keys},"
    found = [] if s3 is None else [Bucket("bucket", s3, ConditionType.STORAGE_READY, keys)]
    if backup is not None:
        found.append(Bucket("backup bucket", backup.s3, ConditionType.BACKUP_SUCCEEDED, own))
    return found


def try_buckets(store: ResolvedStore) -> Iterator[Finding]:
    """Whether the buckets can be written from this machine."""
    for bucket in buckets_of(store):
        yield _try(bucket)


def hint_at_buckets(store: ResolvedStore) -> Iterator[Finding]:
    """The same as a hint, since pods have keys and a network of their own."""
    for bucket in buckets_of(store):
        yield _hint(bucket)


def check_buckets(kubectl: Kubectl, store: ResolvedStore, secrets: Mapping[str, SeenSecret]) -> Iterator[Finding]:
    """Whether the pods of a cluster can write the buckets.

    Parameters
    ----------
    kubectl
        How the cluster is asked.
    store
        The store that is to run there.
    secrets
        The Secrets that it names.
    """
    buckets = buckets_of(store)
    live = kubectl.read("get", f"memorystores.{GROUP}", store.name, "-n", store.namespace) if buckets else None
    for bucket in buckets:
        told = _conditions(live, bucket).get(bucket.condition)
        finding = _judge(bucket, told) if told is not None else None
        yield finding or _without_condition(bucket, secrets.get(bucket.s3.credentials_secret_name or ""))


def _conditions(live: dict[str, Any] | None, bucket: Bucket) -> dict[str, dict[str, Any]]:
    """Conditions of the store in the cluster; none where it is not there, or they are not about this bucket."""
    if live is None:
        return {}
    try:
        there = buckets_of(resolve(parse_store(live)))
    except InvalidStoreError:
        return {}
    if bucket not in there:
        return {}
    generation = live["metadata"].get("generation")
    conditions = live.get("status", {}).get("conditions", ())
    return {one["type"]: one for one in conditions if one.get("observedGeneration", generation) == generation}


def _judge(bucket: Bucket, condition: Mapping[str, Any]) -> Finding | None:
    """What a condition of the store says of a bucket; None where it says nothing."""
    told = f"{bucket.place}: {condition['message']} ({condition['type']}: {condition['reason']})"
    if condition["status"] == "True" and condition["reason"] not in UNDECIDED:
        return Finding(bucket.check, State.OK, told)
    if condition["status"] == "False" and condition["reason"] not in UNDECIDED:
        step = "mend what the condition names; the store goes on by itself"
        return Finding(bucket.check, State.PROBLEM, told, step)
    return None


def _without_condition(bucket: Bucket, secret: SeenSecret | None) -> Finding:
    if secret is None or not secret.is_seen:
        return _hint(bucket)
    step = f"once the store runs, its condition {bucket.condition} tells"
    if secret.keys is None or secret.missing:
        return Finding(bucket.check, State.NOTE, f"{bucket.place}: its Secret '{secret.name}' is not complete", step)
    return Finding(bucket.check, State.NOTE, f"{bucket.place}: its keys are there, and no pod has used them yet", step)


def _hint(bucket: Bucket) -> Finding:
    tried = _try(bucket)
    step = f"a hint only: pods have keys and a network of their own; the store's {bucket.condition} tells once it runs"
    return replace(tried, state=State.OK if tried.state is State.OK else State.NOTE, next_step=step)


def _try(bucket: Bucket) -> Finding:
    try:
        asyncio.run(_write(bucket))
    except CarelessBucketError as error:
        return Finding(bucket.check, State.PROBLEM, f"{bucket.place}: {error}", "keep the store in another bucket")
    except ServiceError as error:
        step = f"set {bucket.keys} as the store's Secret has them; the bucket must exist"
        return Finding(bucket.check, State.PROBLEM, f"{bucket.place}: {error}", step)
    return Finding(bucket.check, State.OK, f"{bucket.place} can be written with the keys of this environment")


async def _write(bucket: Bucket) -> None:
    # Only here: it loads what talks to S3.
    from simplemem_service.backup.place import CopyPlace
    from simplemem_service.storage.s3_blobs import S3BlobStore

    if bucket.condition is ConditionType.BACKUP_SUCCEEDED:
        await CopyPlace(bucket.s3, os.environ).check()
        return
    await S3BlobStore(bucket.s3).check_conditions()
