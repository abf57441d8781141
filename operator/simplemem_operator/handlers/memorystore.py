"""Events of MemoryStores, by kopf, and changes of them and of their children, by our own watches; they wake loops.

Raw events, and no kopf daemon, because a daemon puts a finalizer on every object: a MemoryStore must be deletable while
no operator runs. Its children go by ownership; what is to be removed from a bucket stands in a record (`removal.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import kopf

from simplemem_api.memorystore import GROUP, PLURAL, VERSION
from simplemem_operator import names
from simplemem_operator.caches import Caches
from simplemem_operator.config import Config
from simplemem_operator.informer import Listener
from simplemem_operator.kinds import PODS, SECRETS, STORES, Kind
from simplemem_operator.loops import StoreLoops
from simplemem_operator.object_cache import Key
from simplemem_operator.probe import Prober
from simplemem_operator.secret_index import SecretIndex


def register(  # noqa: PLR0917 - what an event is told to
    registry: kopf.OperatorRegistry,
    config: Config,
    caches: Caches,
    loops: StoreLoops,
    secrets: SecretIndex,
    forget: Callable[[Key], None],
) -> None:
    """Register the handler of MemoryStores."""

    async def store_event(*, event: kopf.RawEvent, **_: Any) -> None:
        found = event["object"]
        key = (found["metadata"]["namespace"], found["metadata"]["name"])
        # Those of ignored namespaces are known, too: one may keep its data where a deleted store of ours did.
        is_ours = key[0] not in config.ignored_namespaces
        if event["type"] == "DELETED":
            caches.drop(STORES, found)
            if is_ours:
                forget(key)
            return
        if is_ours:
            # Even where the answer to a write of ours has told it all before.
            secrets.remember(key, found.get("spec") or {})
        if caches.put(STORES, found) and is_ours:
            loops.wake(key)

    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry, id="store")(store_event)


def build_forget(loops: StoreLoops, secrets: SecretIndex, prober: Prober) -> Callable[[Key], None]:
    """What is to be called when a store is gone."""

    def forget(key: Key) -> None:
        secrets.forget(key)
        loops.forget(key)
        prober.forget(key)
        # Its data may be to go, too.
        loops.wake(key)

    return forget


def build_listener(  # noqa: PLR0917 - what a change is told to
    loop: asyncio.AbstractEventLoop,
    caches: Caches,
    loops: StoreLoops,
    secrets: SecretIndex,
    forget: Callable[[Key], None],
    ignored_namespaces: frozenset[str],
) -> Listener:
    """What the informers call, in their threads, when something changed."""

    def wake(kind: Kind, owner: Key, name: str) -> None:
        if owner[0] in ignored_namespaces:
            return
        if kind is STORES:
            found = caches.store(*owner)
            if found is None:
                forget(owner)
            else:
                secrets.remember(owner, found.get("spec") or {})
                loops.wake(owner)
        elif kind is SECRETS:
            for key in secrets.users_of(owner[0], name):
                loops.wake_known(key)
        elif kind.name == "ConfigMap" and name == names.removal(owner[1]):
            # Of a store that was deleted while no operator ran.
            loops.wake(owner)
        else:
            loops.wake_known(owner, has_new_pods=kind is PODS)

    def listen(kind: Kind, owner: Key, name: str) -> None:
        # A loop that is closed belongs to a process that ends.
        if not loop.is_closed():
            loop.call_soon_threadsafe(wake, kind, owner, name)

    return listen
