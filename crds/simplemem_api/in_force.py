"""Which features of the API this version acts on; the rest is accepted and reported, never passed over in silence."""

from __future__ import annotations

from simplemem_api.memory_spec import LlmMode, When
from simplemem_api.resolved import ResolvedBackup, ResolvedStore, StorageKind
from simplemem_api.storage_spec import ARCHIVES, DeletionPolicy, S3StorageClass


def not_in_force(store: ResolvedStore) -> tuple[str, ...]:
    """What the store asks for and this version does not do yet, as users read it, in the order of the spec."""
    has_rules = store.llm.mode is LlmMode.RULES
    is_cloud = store.storage.kind is StorageKind.LANCEDB_CLOUD
    storage_class = store.storage.s3.storage_class if store.storage.s3 is not None else S3StorageClass.STANDARD
    asked = (
        (
            not is_cloud and storage_class in ARCHIVES,
            "storage.s3.storageClass (an archive cannot be searched; objects are STANDARD)",
        ),
        (
            is_cloud and storage_class is not S3StorageClass.STANDARD,
            "storage.lanceDBCloud.journal.storageClass (a journal lives for hours; objects are STANDARD)",
        ),
        (
            is_cloud and store.storage.deletion_policy is DeletionPolicy.DELETE,
            "storage.deletionPolicy Delete (the tables on LanceDB Cloud and their journal stay)",
        ),
        (has_rules and store.synthesis.mode is LlmMode.MODEL, "synthesis.mode Model (llm.mode is Rules)"),
        (has_rules and store.retrieval.planning is not When.NEVER, "retrieval.planning (llm.mode is Rules)"),
        (has_rules and store.retrieval.reflection is not When.NEVER, "retrieval.reflection (llm.mode is Rules)"),
        (is_cloud and store.backup is not None, "backup (LanceDB Cloud hands out no files to copy)"),
    )
    return tuple(name for is_asked, name in asked if is_asked)


def backup_in_force(store: ResolvedStore) -> ResolvedBackup | None:
    """The regular copies that are made; None where the spec asks for none, or the data's files are a vendor's."""
    return None if store.storage.kind is StorageKind.LANCEDB_CLOUD else store.backup


def blocking_reason(store: ResolvedStore) -> str | None:
    """Why the store cannot run in a cluster; None where it can."""
    if store.storage.kind is StorageKind.LANCEDB_CLOUD and store.storage.s3 is None:
        return "storage.lanceDBCloud.journal is missing; name a bucket for the journal, which the store's pods share"
    return None
