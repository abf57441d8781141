"""Condition types and reasons; nothing else spells them."""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """What the operator observes of a store."""

    READY = "Ready"
    """Sums up the others: the store answers, with all that its spec asks for and that is in force."""
    STORAGE_READY = "StorageReady"
    """The volume is bound or the bucket is reachable and writable."""
    EMBEDDING_READY = "EmbeddingReady"
    """The model is loaded, and it is the one that the stored vectors come from."""
    RETRIEVAL_READY = "RetrievalReady"
    """The wanted number of pods answers questions."""
    INGEST_HEALTHY = "IngestHealthy"
    """Accepted turns become searchable."""


class Reason(StrEnum):
    """Why a condition holds or does not."""

    READY = "Ready"
    """All is well."""
    RECONCILING = "Reconciling"
    """Not known yet: the first pass is under way or the pods have just been made."""
    SUSPENDED = "Suspended"
    """`spec.suspend` is true."""
    INVALID_SPEC = "InvalidSpec"
    """The spec breaks a rule that this operator knows and the API server did not check."""
    NOT_IN_FORCE = "NotInForce"
    """The spec needs a feature that this version does not have."""
    SECRET_MISSING = "SecretMissing"  # noqa: S105 - a reason, not a secret
    """A Secret that the spec names does not exist."""
    SECRET_KEY_MISSING = "SecretKeyMissing"  # noqa: S105 - a reason, not a secret
    """A Secret exists and lacks a key."""
    VOLUME_BOUND = "VolumeBound"
    """The volume is there."""
    VOLUME_PENDING = "VolumePending"
    """The volume is not bound yet."""
    STORAGE_UNWRITABLE = "StorageUnwritable"
    """The volume is full or refuses writes."""
    BUCKET_REACHABLE = "BucketReachable"
    """The bucket answers."""
    BUCKET_REFUSED = "BucketRefused"
    """The bucket does not exist, refuses the credentials or does not answer."""
    MODEL_LOADED = "ModelLoaded"
    """The model is loaded."""
    MODEL_LOADING = "ModelLoading"
    """The model is being loaded."""
    MODEL_NOT_FOUND = "ModelNotFound"
    """The model's weights are nowhere to be found."""
    MODEL_MISMATCH = "ModelMismatch"
    """The store holds vectors of another model or dimension."""
    PODS_READY = "PodsReady"
    """All pods answer."""
    PODS_NOT_READY = "PodsNotReady"
    """Some pods do not answer yet."""
    PODS_FAILING = "PodsFailing"
    """Pods cannot start or keep ending; the message tells the kubelet's reason."""
    INGESTING = "Ingesting"
    """Accepted turns become searchable."""
    INGEST_FAILING = "IngestFailing"
    """Accepted turns wait and are retried; nothing is lost."""
    FOREIGN_OBJECT = "ForeignObject"
    """An object with a child's name belongs to somebody else and is left alone."""
    FORBIDDEN = "Forbidden"
    """The operator's role lacks a verb; the message names it."""
    API_ERROR = "ApiError"
    """The API server refused or did not answer; the pass is retried."""
