"""Keeps the objects of one kind known: a list by pages, then a watch that goes on from there, for ever.

A watch is asked to end after a while and is taken for dead when it is silent for a little longer, so a connection that
was cut without a word is replaced within that time. Where the API server no longer has the version to go on from, a
list comes first. An API that the cluster lacks is looked for as often as a watch would be renewed.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable

from simplemem_operator import metrics
from simplemem_operator.cluster import Cluster
from simplemem_operator.errors import ForbiddenError, GoneError, NotFoundError, OperatorError
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.kinds import Kind
from simplemem_operator.object_cache import Key, ObjectCache

log = logging.getLogger(__name__)

Listener = Callable[[Kind, Key, str], None]
"""Is told the kind, the store (its name is empty where the object carries no label) and the name of what changed."""

RETRY_MOST_SECONDS = 15.0
"""Longest wait between attempts to list or watch, in seconds: how late a server that came back is noticed."""

SHORT_SECONDS = 0.5
"""Life of a watch that counts as a failure, in seconds."""


class Informer:
    """One kind in one namespace, or in all for None, kept known by a thread of its own.

    Parameters
    ----------
    cluster
        Where to list and watch.
    cache
        What is kept up to date.
    scope
        Kind, namespace and label selector.
    watch_seconds
        Life of a watch.
    heartbeat
        Is told of every sign of life of the thread.
    listener
        Is told of every change, in the informer's thread.
    """

    def __init__(  # noqa: PLR0917 - its parts
        self,
        cluster: Cluster,
        cache: ObjectCache,
        scope: tuple[Kind, str | None, str],
        watch_seconds: int,
        heartbeat: Heartbeat,
        listener: Listener,
    ) -> None:
        self.kind, self.namespace, self._selector = scope
        self._cluster = cluster
        self._cache = cache
        self._watch_seconds = watch_seconds
        self._heartbeat = heartbeat
        self._listener = listener
        self._stopping = threading.Event()
        self._version = ""
        self.name = f"watch {self.kind.plural}{f' in {self.namespace}' if self.namespace else ''}"
        self.synced = threading.Event()
        """Set once the first list is complete, or the API is known to be missing."""
        self.is_served = True
        """Whether the cluster has this API."""
        self.error: OperatorError | None = None
        """Why the last attempt to list failed; None after one that did not, and for a watch that is only broken off."""

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name=self.name, daemon=True).start()

    def stop(self) -> None:
        """End after the event under way; a silent watch is left to the end of the process."""
        self._stopping.set()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._heartbeat.tick(self.name)
            started, is_known = time.monotonic(), bool(self._version)
            try:
                if not is_known:
                    self._version = self._list()
                self._watch()
                # A watch that ends as soon as it began is no success, and must not be repeated at once.
                failures = failures + 1 if time.monotonic() - started < SHORT_SECONDS else 0
            except NotFoundError as error:
                self._version = ""
                self._note_missing(error)
                failures += 1
            except GoneError:
                # The server has forgotten what came since, as after its restart: the next list tells it all.
                metrics.WATCH_ERRORS.labels(kind=self.kind.name, error=GoneError.__name__).inc()
                # Unless the version comes from a list of a moment ago: then listing again would not help.
                failures, self._version = (1 if is_known else failures + 1), ""
            except OperatorError as error:
                failures += 1
                self._note(error, is_listing=not self._version)
            except Exception:
                # A thread that ends is not begun again, and its stores would be blind.
                log.exception("watch ended unexpectedly", extra={"kind": self.kind.name})
                self._version, failures = "", failures + 1
            self._wait(failures)

    def _list(self) -> str:
        seen: list[Key] = []
        news: list[tuple[Key, str]] = []
        token = ""
        try:
            while True:
                page = self._cluster.list_page(self.kind, self.namespace, self._selector, token)
                self._heartbeat.tick(self.name)
                for found in page.items:
                    key = (found["metadata"]["namespace"], found["metadata"]["name"])
                    seen.append(key)
                    owner = self._cache.put(found)
                    if owner is not None:
                        news.append((owner, key[1]))
                if not page.next_token:
                    break
                token = page.next_token
            news += [(owner, "") for owner in self._cache.drop_missing(self.namespace, seen, int(page.version))]
            self.error, self.is_served = None, True
            self.synced.set()
            return page.version
        finally:
            # At the end: a pass that one of them wakes wants to know them all.
            for owner, name in news:
                self._listener(self.kind, owner, name)

    def _watch(self) -> None:
        seconds = max(1, round(self._watch_seconds * random.uniform(0.8, 1)))  # noqa: S311
        for event, found in self._cluster.watch(self.kind, self.namespace, self._selector, self._version, seconds):
            self._heartbeat.tick(self.name)
            self._version = found["metadata"]["resourceVersion"]
            if event != "BOOKMARK":
                owner = self._cache.drop(found) if event == "DELETED" else self._cache.put(found)
                if owner is not None:
                    self._listener(self.kind, owner, found["metadata"]["name"])
            if self._stopping.is_set():
                return
        # The right that was missing is there, or the server is back.
        self.error = None

    def _note_missing(self, error: NotFoundError) -> None:
        if self.kind.is_optional:
            self.is_served, self.error = False, None
            self._cache.drop_missing(self.namespace, (), 2**63)
            self.synced.set()
        else:
            if not isinstance(self.error, NotFoundError):
                log.error(
                    "the API server does not serve a kind; install its CRD (the chart's value crds.enabled)",
                    extra={"kind": self.kind.name, "error": str(error)},
                )
            self.error = error

    def _note(self, error: OperatorError, *, is_listing: bool) -> None:
        metrics.WATCH_ERRORS.labels(kind=self.kind.name, error=type(error).__name__).inc()
        # A right that is missing is told at once; a watch that breaks off is the way of watches.
        if is_listing or isinstance(error, ForbiddenError):
            self.error = error
            log.warning("kind cannot be read", extra={"kind": self.kind.name, "error": str(error)})

    def _wait(self, failures: int) -> None:
        most = min(RETRY_MOST_SECONDS, 0.25 * 2.0 ** min(failures, 8)) if self.is_served else self._watch_seconds
        if failures:
            self._stopping.wait(most * random.uniform(0.5, 1))  # noqa: S311
