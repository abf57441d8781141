"""Events of MemoryStores, by kopf, and changes of them and of their children, by our own watches; they wake loops.

Raw events, and no kopf daemon, because a daemon puts a finalizer on every object: a MemoryStore must be deletable while
no operator runs. Its children go by ownership; what is to be removed from a bucket stands in a record (`removal.py`).
"""

from __future__ import annotations

import asyncio
from typing import Any

import kopf

from simplemem_api.memorystore import GROUP, PLURAL, VERSION
from simplemem_operator import names
from simplemem_operator.caches import Caches
from simplemem_operator.informer import Listener
from simplemem_operator.kinds import PODS, SECRETS, STORES, Kind
from simplemem_operator.loops import StoreLoops
from simplemem_operator.object_cache import Key
from simplemem_operator.probe import Prober
from simplemem_operator.secret_index import SecretIndex


class Waker:
    """Wakes the loops of the stores that something concerns. For the event loop's thread.

    Parameters
    ----------
    caches
        What is known of the cluster.
    loops
        The loops of the stores.
    secrets
        Which store reads which Secret.
    prober
        What pods said last.
    ignored_namespaces
        Namespaces whose stores are left to other operators.
    """

    def __init__(
        self,
        caches: Caches,
        loops: StoreLoops,
        secrets: SecretIndex,
        prober: Prober,
        *,
        ignored_namespaces: frozenset[str],
    ) -> None:
        self._caches = caches
        self._loops = loops
        self._secrets = secrets
        self._prober = prober
        self._ignored = ignored_namespaces

    def note_store(self, key: Key, *, is_news: bool = True) -> None:
        """A MemoryStore came, changed or went; without news, what it reads is remembered all the same."""
        if key[0] in self._ignored:
            return
        found = self._caches.store(*key)
        if found is not None:
            self._secrets.remember(key, found.get("spec") or {})
        elif is_news:
            self._secrets.forget(key)
            self._loops.forget(key)
            self._prober.forget(key)
        # Of one that is gone the data may be to go, too.
        if is_news:
            self._loops.wake(key)

    def note(self, kind: Kind, owner: Key, name: str) -> None:
        """An object changed that a watch of ours tells of."""
        if owner[0] in self._ignored:
            return
        if kind is STORES:
            self.note_store(owner)
        elif kind is SECRETS:
            for key in self._secrets.users_of(owner[0], name):
                self._loops.wake_known(key)
        elif kind.name == "ConfigMap" and name == names.removal(owner[1]):
            # Of a store that was deleted while no operator ran.
            self._loops.wake(owner)
        else:
            self._loops.wake_known(owner, has_new_pods=kind is PODS)

    def listener(self, loop: asyncio.AbstractEventLoop) -> Listener:
        """What the informers call, in their threads, when something changed."""

        def listen(kind: Kind, owner: Key, name: str) -> None:
            # A loop that is closed belongs to a process that ends.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self.note, kind, owner, name)

        return listen


def register(registry: kopf.OperatorRegistry, caches: Caches, waker: Waker) -> None:
    """Register the handler of MemoryStores."""

    async def store_event(*, event: kopf.RawEvent, **_: Any) -> None:
        found = event["object"]
        key = (found["metadata"]["namespace"], found["metadata"]["name"])
        # Those of ignored namespaces are known, too: one may keep its data where a deleted store of ours did.
        if event["type"] == "DELETED":
            caches.drop(STORES, found)
            waker.note_store(key)
        else:
            # The answer to a write of ours may have told it all before.
            waker.note_store(key, is_news=caches.put(STORES, found))

    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="store")(store_event)
