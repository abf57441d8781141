"""Has the objects of deleted stores removed, step by step, without a finalizer on anything.

What is to be removed stands in a record that outlives its MemoryStore (`builders/removal.py`). So a MemoryStore goes at
once, operator or not; a removal that was due while no operator ran begins with the next one; and whoever wants it no
more deletes the record. It begins only when nothing can write the data any more: the MemoryStore is gone by the API
server's own word, and so are its workloads and pods. A run that failed is made anew every hour, for a day.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from simplemem_api.conditions import Reason
from simplemem_api.errors import InvalidStoreError
from simplemem_api.load import parse_store
from simplemem_api.resolve import resolve
from simplemem_api.resolved import ResolvedStore
from simplemem_api.storage_spec import DeletionPolicy
from simplemem_operator import labels, names
from simplemem_operator.builders import WORKLOADS
from simplemem_operator.builders.removal import REMOVAL, build_removal, read_record
from simplemem_operator.caches import Caches
from simplemem_operator.claims import Claims, is_ours
from simplemem_operator.cluster import Cluster
from simplemem_operator.constants import ATTEMPT, STORE_UID
from simplemem_operator.diff import with_hash
from simplemem_operator.events import build_event
from simplemem_operator.kinds import KINDS, STORES
from simplemem_operator.migration import bucket_of, place_of
from simplemem_operator.models.desired import Images, Manifest
from simplemem_operator.models.verdict import Verdict

log = logging.getLogger(__name__)

WAIT_SECONDS = 5.0
"""How soon is looked again for what keeps a removal from beginning, in seconds."""
FOLLOW_SECONDS = 60.0
"""How often a run is looked at when no event tells of it, in seconds."""
AGAIN = timedelta(hours=1)
"""How long after a run that failed the next one begins: its pods' words can be read until then."""
RUNS = 24
"""Runs before it is left to people: a day."""


class Removals:
    """Removes what deleted stores left. Blocking, and safe to call for different stores at once.

    Parameters
    ----------
    cluster
        Writes, and tells for certain which MemoryStores there are.
    caches
        What is known.
    claims
        Takes the names of what carries a removal out.
    images
        What the pods run.
    now
        The present time, aware.
    """

    def __init__(
        self, cluster: Cluster, caches: Caches, claims: Claims, images: Images, now: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._caches = caches
        self._claims = claims
        self._images = images
        self._now = now
        self._told: dict[tuple[str, str], str] = {}

    def find(self, namespace: str, name: str, *, living: str = "") -> Manifest | None:
        """The record of a deleted store of that name; None where there is none.

        Parameters
        ----------
        namespace, name
            The store.
        living
            Identity of the MemoryStore of that name that lives: its own record is none of a deleted one.
        """
        found = self._caches.child("ConfigMap", namespace, names.removal(name))
        if found is None or "deletionTimestamp" in found["metadata"]:
            return None
        uid = (found["metadata"].get("annotations") or {}).get(STORE_UID)
        return found if uid and uid != living else None

    def advance(self, record: Manifest) -> float | None:
        """The next step of a removal; when to look again, in seconds, None where there is nothing left to do.

        Raises `OperatorError`; the next look goes on.
        """
        metadata = record["metadata"]
        namespace, uid = metadata["namespace"], metadata["annotations"][STORE_UID]
        store = read_record(record)
        if store is None:
            return self._give_up(record, f"ConfigMap '{metadata['name']}' does not say where it is")
        job = self._job(record)
        if job is not None:
            return self._follow(record, job, store)
        found = self._cluster.read_metadata(STORES, namespace, store.name)
        if found is not None and found["uid"] == uid:
            # It lives, under the care of another operator perhaps.
            return None
        if self._is_in_use(namespace, store.name, uid):
            return WAIT_SECONDS
        objection = self._objection(store, uid)
        return self._give_up(record, objection) if objection else self._start(record, store, attempt=1)

    def explain(self, record: Manifest) -> Verdict:
        """What a new store of the same name waits for."""
        namespace, name = record["metadata"]["namespace"], record["metadata"]["name"]
        words = (
            f"the objects of an earlier store of this name are being removed by Job '{name}', as its deletionPolicy "
            f"says; this store begins when they are gone. To keep what is left of them: `kubectl -n {namespace} delete "
            f"configmap {name}`"
        )
        return False, Reason.REMOVAL_UNDER_WAY, words

    def _objection(self, store: ResolvedStore, uid: str) -> str:
        """Why the data must stay; empty where nothing speaks for it."""
        if self._caches.last_policy(uid) not in (None, str(DeletionPolicy.DELETE)):
            return "its deletionPolicy was no longer Delete when it was deleted"
        user = _other_user(store, (*self._stores(store.namespace), *self._caches.stores()))
        return f"MemoryStore {user} keeps its data there, too" if user else ""

    def _job(self, record: Manifest) -> Manifest | None:
        """The run that there is; one of an earlier record of that name is none of this one."""
        metadata = record["metadata"]
        job = self._caches.child("Job", metadata["namespace"], metadata["name"])
        owners = (job or {}).get("metadata", {}).get("ownerReferences") or ()
        return job if any(owner["uid"] == metadata["uid"] for owner in owners) else None

    def _start(self, record: Manifest, store: ResolvedStore, attempt: int) -> float:
        for child in build_removal(store, record, self._images, attempt):
            kind = KINDS[child["kind"]]
            name, uid = child["metadata"]["name"], record["metadata"]["uid"]
            known = self._caches.child(kind.name, store.namespace, name)
            if known is not None and kind.name != "Job" and is_ours(known["metadata"], child, uid):
                continue
            written = self._claims.apply(with_hash(child), None, uid)
            if written is None:
                told = {"store": store_of(record), "object": f"{kind.name}/{name}"}
                log.warning("removal waits for a name", extra=told)
                return FOLLOW_SECONDS
            self._caches.put(kind, written)
        where = place_of(store.storage)
        log.info("removal began", extra={"store": store_of(record), "place": where, "run": attempt})
        return FOLLOW_SECONDS

    def _follow(self, record: Manifest, job: Manifest, store: ResolvedStore) -> float | None:
        conditions = {
            found["type"]: found for found in job.get("status", {}).get("conditions") or () if found["status"] == "True"
        }
        where = place_of(store.storage)
        if "Complete" in conditions:
            self._tell(record, Reason.DATA_REMOVED, f"nothing of the store is left in {where}")
            return self._end(record)
        if "Failed" not in conditions:
            return FOLLOW_SECONDS
        attempt = int(job["metadata"].get("annotations", {}).get(ATTEMPT, "1"))
        rest = "it runs again every hour" if attempt < RUNS else "delete the Job to try again"
        words = f"Job '{job['metadata']['name']}' could not remove {where}, the logs of its pods tell why; {rest}"
        self._tell(record, Reason.REMOVAL_FAILED, words, once=job["metadata"]["uid"])
        since = datetime.fromisoformat(conditions["Failed"]["lastTransitionTime"])
        if attempt >= RUNS:
            return FOLLOW_SECONDS
        if self._now() - since < AGAIN:
            return max(WAIT_SECONDS, (AGAIN - (self._now() - since)).total_seconds())
        self._cluster.delete(job)
        self._caches.drop(KINDS["Job"], job)
        return self._start(record, store, attempt + 1)

    def _give_up(self, record: Manifest, why: str) -> float | None:
        self._tell(record, Reason.DATA_KEPT, f"the data of the deleted store stays: {why}")
        return self._end(record)

    def _end(self, record: Manifest) -> float | None:
        """Nothing is left to do; what carried it out goes with the record."""
        self._cluster.delete(record)
        self._caches.drop(KINDS["ConfigMap"], record)
        self._told.pop((record["metadata"]["namespace"], record["metadata"]["name"]), None)
        return None

    def _tell(self, record: Manifest, reason: Reason, message: str, *, once: str = "") -> None:
        """Write an event on the record; with an identity given, once for that."""
        key = (record["metadata"]["namespace"], record["metadata"]["name"])
        if once and self._told.get(key) == once:
            return
        self._told[key] = once
        status = "True" if reason is Reason.DATA_REMOVED else "False"
        condition = {"status": status, "reason": str(reason), "message": message}
        self._cluster.post_event(key[0], build_event(record, condition, self._now()))
        told = {"store": store_of(record), "object": f"ConfigMap {key[0]}/{key[1]}", "reason": str(reason)}
        log.info("removal told", extra=told)

    def _stores(self, namespace: str) -> list[Manifest]:
        """The MemoryStores of a namespace as the API server has them now.

        A list and not a look-up: where the whole API is away for a moment, a list fails, while a look-up says that the
        object is not there.
        """
        found: list[Manifest] = []
        token = ""
        while True:
            page = self._cluster.list_page(STORES, namespace, "", token)
            found += page.items
            token = page.next_token
            if not token:
                return found

    def _is_in_use(self, namespace: str, name: str, uid: str) -> bool:
        """Whether anything of the store may still write, or the API server lists it after all."""
        pods = self._caches.pods(namespace, name)
        owners = [
            owner["uid"]
            for child in self._caches.children(namespace, name)
            if child["kind"] in WORKLOADS
            for owner in child["metadata"].get("ownerReferences") or ()
        ]
        is_known = uid in owners or any(
            pod["metadata"]["labels"].get(labels.COMPONENT_LABEL) != REMOVAL for pod in pods
        )
        return is_known or any(found["metadata"]["uid"] == uid for found in self._stores(namespace))


def store_of(record: Manifest) -> str:
    """Namespace and name of the store that a record is of."""
    metadata = record["metadata"]
    return f"{metadata['namespace']}/{metadata['name'].removesuffix(names.removal(''))}"


def _other_user(store: ResolvedStore, others: Iterable[Manifest]) -> str:
    """Namespace and name of a MemoryStore that writes to the same place; empty where there is none."""
    s3, own = store.storage.s3, f"{store.namespace}/{store.name}"
    for other in others:
        metadata, storage = other["metadata"], (other.get("spec") or {}).get("storage") or {}
        name = f"{metadata['namespace']}/{metadata['name']}"
        bucket = storage.get("s3") or (storage.get("lanceDBCloud") or {}).get("journal") or {}
        if s3 is None or bucket.get("bucket") != s3.bucket or name == own:
            continue
        try:
            resolved = resolve(parse_store(other))
        except InvalidStoreError:
            continue
        if bucket_of(resolved.storage) == bucket_of(store.storage):
            return name
    return ""
