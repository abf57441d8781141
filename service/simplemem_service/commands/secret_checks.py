"""What `simplemem doctor` says of the Secrets that a store names; only the names of their keys are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from simplemem_api.resolved import ResolvedStore
from simplemem_api.secret_names import backup_secrets_of, secrets_of
from simplemem_service.commands.findings import Finding, State
from simplemem_service.commands.kubectl import Kubectl


@dataclass(frozen=True, slots=True)
class SeenSecret:
    """A Secret as it was found."""

    namespace: str
    """Where it must be."""
    name: str
    """Its name."""
    wanted: tuple[str, ...]
    """Keys that it must have."""
    keys: frozenset[str] | None
    """Keys that it has; None where it is not there, or the reader may not see it."""
    is_missing: bool
    """Whether it is certain that it is not there."""
    failed: Finding
    """What is said where it was not found."""

    @property
    def missing(self) -> list[str]:
        """Keys that it must have and has not."""
        return [key for key in self.wanted if key not in (self.keys or ())]

    @property
    def is_seen(self) -> bool:
        """Whether it is known what it holds, be it nothing."""
        return self.keys is not None or self.is_missing


def read_secrets(kubectl: Kubectl, store: ResolvedStore) -> dict[str, SeenSecret]:
    """The Secrets that a store names, by their names."""
    found: dict[str, SeenSecret] = {}
    for name, wanted in _named_secrets(store).items():
        secret = kubectl.read("get", "secret", name, "-n", store.namespace)
        keys = None if secret is None else frozenset(secret.get("data", {}))
        check = f"Secret {store.namespace}/{name}"
        failed = kubectl.unseen(check)
        if kubectl.found_nothing:
            literals = "".join(f" --from-literal={key}=..." for key in wanted)
            step = f"kubectl create secret generic {name} -n {store.namespace}{literals}"
            failed = Finding(check, State.PROBLEM, kubectl.error, step)
        found[name] = SeenSecret(store.namespace, name, wanted, keys, kubectl.found_nothing, failed)
    return found


def check_secrets(secrets: Mapping[str, SeenSecret]) -> Iterator[Finding]:
    """Whether the Secrets are there, with the keys that they must have."""
    for secret in secrets.values():
        check = f"Secret {secret.namespace}/{secret.name}"
        if secret.keys is None:
            yield secret.failed
        elif secret.missing:
            step = "add the key; the store goes on by itself"
            yield Finding(check, State.PROBLEM, f"lacks {', '.join(secret.missing)}", step)
        else:
            yield Finding(check, State.OK, "is there" + (f", with {', '.join(secret.wanted)}" if secret.wanted else ""))


def _named_secrets(store: ResolvedStore) -> dict[str, tuple[str, ...]]:
    """All Secrets that a spec names, those of the copies last, each with the keys that it must have."""
    found = dict(secrets_of(store))
    for name, keys in backup_secrets_of(store).items():
        found[name] = tuple(dict.fromkeys((*found.get(name, ()), *keys)))
    return found
