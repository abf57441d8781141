"""What the operator's modules share, each with its unit and reason."""

from __future__ import annotations

FIELD_MANAGER = "simplemem-operator"
"""Owner of the fields that we apply; others keep theirs."""

CONTAINER = "simplemem"
"""Name of the service's container in every pod."""

PORT = 8000
"""Port that the service listens on, in every role."""
REDIS_PORT = 6379
"""Port of a managed cache."""
REDIS_BUS_PORT = 16379
"""Port by which the nodes of a managed cache speak to each other."""

SERVICE_PORT = 80
"""Port of a store's Service."""

USER_ID = 65532
"""User and group that pods run as; the image's own."""

STORE_FILE = "store.json"
"""Key of the ConfigMap that holds the ResolvedStore."""

MONTH_FILE = "month.json"
"""Key of the ConfigMap that holds what machines and storage have cost this month, where there is a budget."""

CONFIG_FOLDER = "/etc/simplemem"
"""Where pods find the ResolvedStore."""

TOKENS_FOLDER = "/etc/simplemem-tokens"
"""Where pods find the bearer tokens, one file each."""

DATA_FOLDER = "/data"
"""Where pods keep the store, or its local copies."""

MODELS_FOLDER = "/models"
"""Where pods find weights that the spec names."""

GRACE_SECONDS = 60
"""How long a pod may take to finish its requests and its ingest when asked to stop, in seconds."""

DRAIN_SECONDS = 3
"""How long a stopping pod still serves, in seconds, until every proxy has taken it out of its rules."""

START_SECONDS = 600
"""How long a pod may take to answer at all, in seconds: large images, slow volumes."""

IDLE_SINCE = "simplemem.io/idle-since"
"""Annotation of the embedding pods' StatefulSet: since when they have not been needed."""

KEPT_REPLICAS = "simplemem.io/kept-replicas"
"""Annotation of the retrieval pods' Deployment: their number as an autoscaler left it, until the spec names one."""

STORE_UID = "simplemem.io/store-uid"
"""Annotation of the record of what is to be removed: of which MemoryStore."""

ATTEMPT = "simplemem.io/attempt"
"""Annotation of the Job that removes: which run it is, from 1."""

MOVE_STORAGE_TO = "simplemem.io/move-storage-to"
"""Annotation of a MemoryStore: the place that its data may move to, as the condition StorageReady names it."""

EMBEDDING_URLS = "SIMPLEMEM_EMBEDDING_URLS"
"""Variable of the writer's container that tells where embedding pods may be."""

CONFIG_HASH = "simplemem.io/config-hash"
"""Annotation of the pods that rolls them when the ResolvedStore changes."""

SECRET_HASH = "simplemem.io/secret-hash"  # noqa: S105 - a name, not a secret
"""Annotation of the pods that rolls them when a Secret that they read changes."""
