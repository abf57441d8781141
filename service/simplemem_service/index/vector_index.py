"""The vector view in memory, one partition a user, so that a search touches only its rows.

Vectors are kept in 16 bits a number (2.3 KB an entry of two sentences with 384 dimensions), beside sketches of a sixth
of their length (.8 KB, `sketch.py`) in all but small stores. LanceDB's own index (IVF_RQ) is not used: for one vector
an entry it takes 5 ms at 100,000 entries, knows no best sentence and loses recall under a filter, while the sketches
answer in 4 ms (entries) and 8 ms (sentences) on two busy cores, under any filter and without a request to the table.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from simplemem_service.index.base import Candidates, Scope, VectorSnapshot, VectorView
from simplemem_service.index.partition import Partition, PartitionView, sentences_of
from simplemem_service.index.sketch import SAMPLE, Sketcher, as_fixed
from simplemem_service.models.entry import EmbeddedEntry, Vector
from simplemem_service.storage.entry_rows import EntryBatch, batches_of

Values = npt.NDArray[np.float32]
"""A number for each of some rows."""

RATED_ROWS = 4_096
"""Entries that a search rates exactly, all of them or the best by sketch, in 2 ms for both fields. Of the best hundred
of 100,000 it then finds .9995 and more (clustered vectors; with 1,024 it would be .97). A smaller store has no
sketches."""
RATED_PER_WANTED = 4
"""Entries rated exactly for each one wanted, where that is more."""
REFIT_GROWTH = 8
"""Growth of the store after which its sketches are fitted anew."""


class VectorIndex(VectorView):
    """Nearest neighbours in memory."""

    def __init__(self) -> None:
        self._partitions = _Partitions()
        self._loading = _Partitions()
        self._snapshot = NumpySnapshot({}, {}, None)

    @override
    def apply(self, upserted: Sequence[EmbeddedEntry], deleted: Sequence[str]) -> None:
        self._partitions.remove(deleted)
        for batch in batches_of(upserted):
            self._partitions.append(batch)
        self._snapshot = self._partitions.publish()

    @override
    def begin_load(self) -> None:
        self._loading = _Partitions()

    @override
    def load(self, batch: EntryBatch) -> None:
        self._loading.append(batch)

    @override
    def end_load(self) -> None:
        self._partitions, self._loading = self._loading, _Partitions()
        self._snapshot = self._partitions.publish()

    @override
    def snapshot(self) -> VectorSnapshot:
        return self._snapshot


class _Partitions:
    """The partitions of all users, and how they were last shown."""

    def __init__(self) -> None:
        self._by_user: dict[str, Partition] = {}
        self._owners: dict[str, str] = {}
        self._views: dict[str, PartitionView] = {}
        self._touched: set[str] = set()
        self._sketcher: Sketcher | None = None
        self._fitted_rows = 0

    def remove(self, deleted: Sequence[str]) -> None:
        """Leave entries out."""
        for entry_id in deleted:
            user_id = self._owners.pop(entry_id, None)
            if user_id is not None:
                self._by_user[user_id].kill(entry_id)
                self._touched.add(user_id)

    def append(self, batch: EntryBatch) -> None:
        """Take over entries."""
        rows_of: dict[str, list[int]] = {}
        ids = batch.columns["entry_id"]
        for row, user_id in enumerate(batch.columns["user_id"]):
            rows_of.setdefault(user_id, []).append(row)
        starts = np.concatenate([[0], np.cumsum(batch.counts)])
        context, sentences = as_fixed(batch.context), as_fixed(batch.sentences)
        for user_id, listed in rows_of.items():
            rows = np.array(listed, dtype=np.int64)
            partition = self._by_user.get(user_id)
            if partition is None:
                partition = self._by_user[user_id] = Partition(batch.context.shape[1])
            picked, _ = sentences_of(starts, rows)
            own = [ids[row] for row in listed]
            partition.append(own, context[rows], sentences[picked], batch.counts[rows])
            self._owners.update(dict.fromkeys(own, user_id))
        self._touched.update(rows_of)

    def publish(self) -> NumpySnapshot:
        """All partitions as they stand."""
        for user_id in self._touched:
            partition = self._by_user.pop(user_id).compacted()
            if partition is not None:
                self._by_user[user_id] = partition
        if self._fit():
            self._touched = set(self._by_user)
        # A new mapping: snapshots handed out before keep theirs.
        views = {user_id: view for user_id, view in self._views.items() if user_id in self._by_user}
        for user_id in self._touched & self._by_user.keys():
            views[user_id] = self._by_user[user_id].view(self._sketcher)
        self._views = views
        self._touched = set()
        return NumpySnapshot(self._views, self._owners, self._sketcher)

    def _fit(self) -> bool:
        """Fit a sketcher if the store has outgrown its own; whether it did."""
        rows = sum(map(len, self._by_user.values()))
        if rows <= RATED_ROWS or rows < REFIT_GROWTH * self._fitted_rows:
            return False
        step = max(1, rows // SAMPLE)
        self._sketcher = Sketcher(np.concatenate([one.sample(step) for one in self._by_user.values()]))
        self._fitted_rows = rows
        return True


class NumpySnapshot(VectorSnapshot):
    """The partitions of all users at one moment.

    Parameters
    ----------
    views
        View of each user's partition; never changed.
    owners
        User of each entry. Shared with the writer, which only adds entries or drops deleted ones.
    sketcher
        What made the views' sketches; None where they have none.
    """

    def __init__(self, views: dict[str, PartitionView], owners: dict[str, str], sketcher: Sketcher | None) -> None:
        self._views = views
        self._owners = owners
        self._sketcher = sketcher

    @override
    def search(self, field: str, vector: Vector, scope: Scope, limit: int) -> Candidates:
        views = self._of(scope)
        if limit < 1 or not views:
            return {}
        found = [(view, view.candidates(scope.entry_ids)) for view in views]
        rated = max(RATED_ROWS, RATED_PER_WANTED * limit)
        if self._sketcher is not None and sum(len(rows) for _, rows in found) > rated:
            wanted = self._sketcher.sketch(vector[np.newaxis])[0]
            likeness = [view.likeness(field, wanted, rows) for view, rows in found]
            chosen_rows = zip(found, _best(likeness, rated), strict=True)
            found = [(view, rows[chosen]) for (view, rows), chosen in chosen_rows if chosen.any()]
        cosines = [view.cosines(field, vector, rows) for view, rows in found]
        best: Candidates = {}
        for (view, rows), own, chosen in zip(found, cosines, _best(cosines, limit), strict=True):
            best.update(zip(view.ids_of(rows[chosen]), own[chosen].tolist(), strict=True))
        return dict(sorted(best.items(), key=lambda pair: -pair[1]))

    @override
    def scores(self, field: str, vector: Vector, scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        own: dict[str, list[str]] = {}
        for entry_id in entry_ids:
            user_id = self._owners.get(entry_id)
            if user_id is not None and scope.user_id in (None, user_id):
                own.setdefault(user_id, []).append(entry_id)
        found: Candidates = {}
        for user_id, ids in own.items():
            view = self._views.get(user_id)
            if view is not None:
                rows = view.rows_of(ids)
                found.update(zip(view.ids_of(rows), view.cosines(field, vector, rows).tolist(), strict=True))
        return found

    def _of(self, scope: Scope) -> list[PartitionView]:
        if scope.user_id is None:
            return list(self._views.values())
        return [self._views[scope.user_id]] if scope.user_id in self._views else []


def _best(values: Sequence[Values], limit: int) -> list[npt.NDArray[np.bool_]]:
    """Which of the values of each partition are among the largest of all."""
    joined = np.concatenate([np.empty(0, np.float32), *values])
    chosen = np.ones(len(joined), dtype=np.bool_)
    if limit < len(joined):
        chosen[np.argpartition(joined, len(joined) - limit)[: len(joined) - limit]] = False
    return np.split(chosen, np.cumsum([len(own) for own in values])[:-1])
