"""Which features of the API this version acts on; the rest is accepted and reported, never passed over in silence."""

from __future__ import annotations

from simplemem_api.memory_spec import LlmMode, When
from simplemem_api.resolved import ResolvedStore, StorageKind
from simplemem_api.storage_spec import ARCHIVES


def not_in_force(store: ResolvedStore) -> tuple[str, ...]:
    """What the store asks for and this version does not do yet, as users read it, in the order of the spec."""
    has_rules = store.llm.mode is LlmMode.RULES
    asked = (
        (
            store.storage.s3 is not None and store.storage.s3.storage_class in ARCHIVES,
            "storage.s3.storageClass (an archive cannot be searched; objects are STANDARD)",
        ),
        (has_rules and store.synthesis.mode is LlmMode.MODEL, "synthesis.mode Model (llm.mode is Rules)"),
        (has_rules and store.retrieval.planning is not When.NEVER, "retrieval.planning (llm.mode is Rules)"),
        (has_rules and store.retrieval.reflection is not When.NEVER, "retrieval.reflection (llm.mode is Rules)"),
    )
    return tuple(name for is_asked, name in asked if is_asked)


def blocking_reason(store: ResolvedStore) -> str | None:
    """Why the store cannot run at all in this version; None where it can."""
    if store.storage.kind is StorageKind.LANCEDB_CLOUD:
        return "storage.lanceDBCloud is not yet in force; name storage.s3 or storage.pvc"
    return None
