"""What is known of the cluster: a cache for each kind, kept up to date by informers, so that a pass reads no API.

Children are selected by the label of their manager; of Secrets, which carry none, only names and versions are ever sent
here. MemoryStores come in by kopf's events, and by a watch of our own besides: kopf's ends for good where their CRD or
the right to read them is gone for a moment, and where a watch was broken off it does not tell what went meanwhile.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import Any

from typing_extensions import override

from simplemem_operator import labels
from simplemem_operator.cluster import Cluster
from simplemem_operator.errors import ApiUnavailableError
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.informer import Informer, Listener
from simplemem_operator.kinds import KINDS, PODS, SECRETS, STORES, Kind
from simplemem_operator.models.desired import Manifest
from simplemem_operator.object_cache import Key, ObjectCache

OURS = labels.as_text({labels.MANAGER_LABEL: labels.MANAGER})
"""Selects what we made."""


LAST_WORDS = 1000
"""Deleted MemoryStores that are remembered."""


class StoreCache(ObjectCache):
    """MemoryStores, and of those that are gone what their specs said last of their data."""

    def __init__(self) -> None:
        super().__init__(STORES)
        self._last: OrderedDict[str, str] = OrderedDict()

    @override
    def drop(self, found: Mapping[str, Any]) -> Key | None:
        policy = ((found.get("spec") or {}).get("storage") or {}).get("deletionPolicy", "")
        with self._lock:
            self._last[found["metadata"]["uid"]] = policy
            if len(self._last) > LAST_WORDS:
                self._last.popitem(last=False)
        return super().drop(found)

    def last_policy(self, uid: str) -> str | None:
        """`deletionPolicy` of a MemoryStore when it went, empty for the default; None where nobody looked."""
        return self._last.get(uid)


class Caches:
    """All caches. Safe to use from any thread.

    Parameters
    ----------
    cluster
        Where the informers list and watch.
    namespaces
        Namespaces to watch; none: all of them.
    watch_seconds
        Life of a watch.
    heartbeat
        Is told of every sign of life of the informers.
    selector
        Selects the MemoryStores; empty: all of them.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespaces: Iterable[str],
        *,
        watch_seconds: int,
        heartbeat: Heartbeat,
        selector: str = "",
    ) -> None:
        self._cluster = cluster
        self._selectors = {SECRETS.name: "", STORES.name: selector}
        self._namespaces: tuple[str | None, ...] = tuple(namespaces) or (None,)
        self._watch_seconds = watch_seconds
        self._heartbeat = heartbeat
        self._stores = StoreCache()
        self._caches = {kind.name: ObjectCache(kind) for kind in (*KINDS.values(), PODS, SECRETS)}
        self._caches[STORES.name] = self._stores
        self._informers: list[Informer] = []

    def start(self, listener: Listener) -> None:
        """Begin to watch what belongs to stores; the listener is called in the informers' threads."""
        self._watch((*KINDS.values(), PODS, SECRETS), listener)

    def start_stores(self, listener: Listener) -> None:
        """Begin to watch MemoryStores; a pass over one before its children are known would only say so."""
        self._watch((STORES,), listener)

    def _watch(self, kinds: Iterable[Kind], listener: Listener) -> None:
        informers = [
            Informer(
                self._cluster,
                self._caches[kind.name],
                (kind, namespace, self._selectors.get(kind.name, OURS)),
                self._watch_seconds,
                self._heartbeat,
                listener,
            )
            for kind in kinds
            for namespace in self._namespaces
        ]
        self._informers += informers
        for informer in informers:
            informer.start()

    def stop(self) -> None:
        """Watch no longer."""
        for informer in self._informers:
            informer.stop()

    def wait(self, seconds: float) -> None:
        """Block until everything has been listed once, a list has failed, or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(informer.synced.is_set() or informer.error is not None for informer in self._informers):
                return
            time.sleep(0.02)

    def check(self, namespace: str) -> None:
        """Raise what keeps a kind from being known in a namespace: a pass that took it for absent would do harm."""
        for informer in self._informers:
            if informer.namespace not in {None, namespace}:
                continue
            if informer.error is not None:
                raise informer.error
            if not informer.synced.is_set():
                raise ApiUnavailableError(f"{informer.kind.plural} have not been listed yet")

    @property
    def blindness(self) -> str:
        """Why no MemoryStore can be seen; empty while those of some namespace can."""
        errors = [informer.error for informer in self._informers if informer.kind is STORES]
        return str(errors[0]) if errors and None not in errors else ""

    @property
    def unserved(self) -> frozenset[str]:
        """Kinds that this cluster lacks."""
        return frozenset(informer.kind.name for informer in self._informers if not informer.is_served)

    def store(self, namespace: str, name: str) -> Manifest | None:
        """A MemoryStore, or None."""
        return self._caches[STORES.name].get(namespace, name)

    def stores(self) -> list[Manifest]:
        """All MemoryStores that are known."""
        return self._caches[STORES.name].all()

    def last_policy(self, uid: str) -> str | None:
        """`deletionPolicy` of a MemoryStore when it went, empty for the default; None where nobody looked."""
        return self._stores.last_policy(uid)

    def child(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """An object of ours by its kind and name, or None."""
        return self._caches[kind].get(namespace, name)

    def children(self, namespace: str, store: str) -> list[Manifest]:
        """Objects of all kinds of children that carry the store's labels."""
        return [found for name in KINDS for found in self._caches[name].of_store(namespace, store)]

    def pods(self, namespace: str, store: str) -> list[Manifest]:
        """Pods that carry the store's labels."""
        return self._caches[PODS.name].of_store(namespace, store)

    def secret_version(self, namespace: str, name: str) -> int:
        """Version of a Secret; 0 where it is not there."""
        return self._caches[SECRETS.name].version(namespace, name)

    def put(self, kind: Kind, found: Mapping[str, Any]) -> bool:
        """Take over an object, such as the answer to a write; whether it says anything new."""
        return self._caches[kind.name].put(found) is not None

    def drop(self, kind: Kind, found: Mapping[str, Any]) -> None:
        """Forget an object that is gone."""
        self._caches[kind.name].drop(found)

    def sizes(self) -> dict[str, int]:
        """Number of objects by kind."""
        return {name: len(cache) for name, cache in self._caches.items()}
