"""Which Secrets a store names, and the keys that each must have; also the variables in which pods find them."""

from __future__ import annotations

from simplemem_api.in_force import backup_in_force
from simplemem_api.resolved import ResolvedStore

BUCKET_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
"""Keys of a Secret with the credentials of a bucket."""

CLOUD_KEY = "LANCEDB_API_KEY"
"""Key of a Secret, and variable, with what LanceDB Cloud knows the store by."""

REDIS_URL = "REDIS_URL"
"""Key of a cache's Secret, and variable of the container that holds it."""

REDIS_PASSWORD = "REDIS_PASSWORD"  # noqa: S105 - a name, not a password
"""Key of a managed cache's Secret, and variable of the containers that hold it."""


def secrets_of(store: ResolvedStore) -> dict[str, tuple[str, ...]]:
    """Secrets that the pods read, each with the keys that it must have."""
    wanted: dict[str, tuple[str, ...]] = {}
    if store.storage.s3 is not None and store.storage.s3.credentials_secret_name:
        wanted[store.storage.s3.credentials_secret_name] = BUCKET_KEYS
    if store.storage.lance_db_cloud is not None:
        name = store.storage.lance_db_cloud.api_key_secret_name
        wanted[name] = (*wanted.get(name, ()), CLOUD_KEY)
    if store.redis is not None and store.redis.url_secret_name:
        name = store.redis.url_secret_name
        wanted[name] = (*wanted.get(name, ()), REDIS_URL)
    if store.redis is not None and store.redis.password_secret_name:
        name = store.redis.password_secret_name
        wanted[name] = (*wanted.get(name, ()), REDIS_PASSWORD)
    if store.llm.secret_name:
        wanted.setdefault(store.llm.secret_name, ())
    if store.access.token_secret_name:
        wanted.setdefault(store.access.token_secret_name, ())
    return wanted


def backup_secrets_of(store: ResolvedStore) -> dict[str, tuple[str, ...]]:
    """Secrets that only the copies need, with the keys that each must have; pods run without."""
    backup = backup_in_force(store)
    if backup is None or not backup.s3.credentials_secret_name:
        return {}
    return {backup.s3.credentials_secret_name: BUCKET_KEYS}
