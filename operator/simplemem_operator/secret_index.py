"""Which stores name which Secrets, so that a Secret's event wakes just those."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SECRET_FIELDS = frozenset(
    {
        "secretName",
        "credentialsSecretName",
        "apiKeySecretName",
        "tokenSecretName",
        "urlSecretName",
        "passwordSecretName",
    }
)
"""Fields of a spec that name a Secret."""


class SecretIndex:
    """Names of Secrets by store."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], frozenset[str]] = {}

    def remember(self, store: tuple[str, str], spec: Mapping[str, Any]) -> None:
        """Take over the names of a spec."""
        self._names[store] = frozenset(_names(spec))

    def forget(self, store: tuple[str, str]) -> None:
        """A store is gone."""
        self._names.pop(store, None)

    def users_of(self, namespace: str, secret: str) -> list[tuple[str, str]]:
        """Stores of a namespace that name the Secret."""
        return [store for store, names in self._names.items() if store[0] == namespace and secret in names]


def _names(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key in SECRET_FIELDS and isinstance(value, str):
                yield value
            else:
                yield from _names(value)
