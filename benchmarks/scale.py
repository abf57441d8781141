"""Start, memory and search of the views over a table of many entries, without a server and without a model.

    .venv/service/bin/python -m benchmarks.scale [--entries 100000] [--users 50] [--store FOLDER] [--batches 1000]

Writes a table of synthetic entries (clustered unit vectors with 384 dimensions, one to three sentences each, words by
Zipf's law) unless the folder holds one, follows it in a fresh process twice, the second time with the lexical index of
the first, and searches it. Prints one JSON line a figure: name, value, unit, conditions. With `--batches`,
searches before and after many small commits. The question's encoding is not part of a search here. Machines are noisy:
compare figures of one run only.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.figures import emit
from simplemem_service.constants import MAINTENANCE_COMMITS
from simplemem_service.embedding.base import Embedding
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.tantivy_index import TantivyIndex
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import Vector
from simplemem_service.models.query import EntryFilter, Query
from simplemem_service.pipeline.retrieve import Retriever
from simplemem_service.storage import schema
from simplemem_service.storage.base import StoreIdentity
from simplemem_service.storage.lance import LanceStorage
from simplemem_service.storage.local_blobs import LocalBlobStore

IDENTITY = StoreIdentity("synthetic", 384)
FIRST = datetime(2025, 1, 1, tzinfo=UTC)
BATCH = 20_000
CLUSTERS = 500
"""Centres that the vectors lie around, each with a tenth of the dimensions' variance in common with its neighbours."""
SESSION_ENTRIES = 40
WARM_UP = 5
QUESTIONS = 100
BATCH_ENTRIES = 3


class Synthesis:
    """Synthetic entries, the same for every run."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(7)
        syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
        lengths = self._random.integers(2, 5, 20_000)
        self._words = np.array(["".join(self._random.choice(syllables, n)) for n in lengths])
        weights = 1 / np.arange(2, len(self._words) + 2)
        self._weights = weights / weights.sum()
        # Text models spread over few directions: the variance of the n-th falls like 1/n.
        spread = 1 / np.sqrt(np.arange(1, IDENTITY.dimension + 1))
        self._basis = np.linalg.qr(self._random.normal(size=(IDENTITY.dimension, IDENTITY.dimension)))[0].T
        self._basis *= spread[:, None]
        self._centres = self._random.normal(size=(CLUSTERS, IDENTITY.dimension))

    def vectors(self, clusters: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """A unit vector near each of the clusters' centres."""
        noise = self._random.normal(size=(len(clusters), IDENTITY.dimension))
        found: npt.NDArray[np.float32] = ((self._centres[clusters] + noise) @ self._basis).astype(np.float32)
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        return found

    def texts(self, count: int) -> list[str]:
        """Sentences of 8 to 24 words."""
        lengths = self._random.integers(8, 25, count)
        words = iter(self._random.choice(self._words, lengths.sum(), p=self._weights))
        return [" ".join(next(words) for _ in range(length)) for length in lengths]

    def rows(self, first: int, count: int, users: int, columns: pa.Schema) -> pa.Table:
        """Entries of as many users, whose sessions alternate."""
        clusters = self._random.integers(0, CLUSTERS, count)
        sentences = self._random.integers(1, 4, count)
        texts = self.texts(count)
        places = range(first, first + count)
        told = [FIRST + timedelta(minutes=10 * place % 500_000) for place in places]
        speakers = [("Ada", "Ben", "Cleo")[place % 3] for place in places]
        values: dict[str, Any] = {
            "entry_id": [f"{place:08x}-0000-4000-8000-{place:012x}" for place in places],
            "user_id": [f"user-{place // SESSION_ENTRIES % users}" for place in places],
            "session_id": [f"session-{place // SESSION_ENTRIES}" for place in places],
            "position": list(places),
            "speaker": speakers,
            "text": texts,
            "lossless_restatement": [f"{who}: {text}" for who, text in zip(speakers, texts, strict=True)],
            "keywords": [text.split()[:5] for text in texts],
            "timestamp": told,
            "persons": [[who] for who in speakers],
            "entities": [[] for _ in places],
            "sources": [[f"turn-{place}"] for place in places],
            "created_at": told,
        }
        arrays: dict[str, Any] = {
            field.name: pa.array(values.get(field.name, [None] * count), field.type) for field in list(columns)[:-2]
        }
        arrays["embedding"] = _lists(self.vectors(clusters))
        offsets = pa.array(np.concatenate([[0], np.cumsum(sentences)]).astype(np.int32))
        arrays["sentences"] = pa.ListArray.from_arrays(offsets, _lists(self.vectors(np.repeat(clusters, sentences))))
        return pa.Table.from_arrays([arrays[name] for name in columns.names], schema=columns)


class KnownQuestions(Embedding):
    """Gives a vector near a cluster for every question, in no time."""

    model, dimension = IDENTITY.model, IDENTITY.dimension

    def __init__(self, synthesis: Synthesis) -> None:
        self._vectors = synthesis.vectors(np.arange(CLUSTERS))
        self._next = 0

    async def load(self) -> None:
        """Nothing to load."""

    async def encode_documents(self, texts: Sequence[str]) -> list[Vector]:
        """Nothing is stored."""
        raise NotImplementedError

    async def encode_query(self, text: str) -> Vector:
        """The next vector, whatever the text."""
        del text
        self._next += 1
        vector: Vector = self._vectors[self._next % CLUSTERS]
        return vector

    def count_tokens(self, text: str) -> int:
        """Words of a text."""
        return len(text.split())

    def known_share(self, text: str) -> float:
        """All of it."""
        del text
        return 1.0


def main() -> None:
    """Build the table where there is none, and follow it in two fresh processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--store", type=Path)
    parser.add_argument("--batches", type=int, default=0, help="small commits to follow after the first search")
    parser.add_argument("--follow", action="store_true", help="only follow the table that is there")
    options = parser.parse_args()
    if options.follow:
        asyncio.run(follow(options.store, options.entries, options.users))
        return
    if options.batches:
        with tempfile.TemporaryDirectory() as scratch:
            asyncio.run(write_batches(Path(scratch), options.entries, options.users, options.batches))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.store or Path(scratch)
        if not (folder / "tables").exists():
            asyncio.run(build(folder, options.entries, options.users))
        command = [sys.executable, "-m", "benchmarks.scale", "--follow", "--store", str(folder)]
        for _ in range(2):
            subprocess.run([*command, "--entries", str(options.entries), "--users", str(options.users)], check=True)


async def build(folder: Path, entries: int, users: int, identity: StoreIdentity = IDENTITY) -> None:
    """A table of synthetic entries."""
    import lancedb

    storage = make_storage(folder)
    await storage.open(identity)
    synthesis = Synthesis()
    table = lancedb.connect(str(folder / "tables")).open_table("entries")
    for first in range(0, entries, BATCH):
        table.add(synthesis.rows(first, min(BATCH, entries - first), users, schema.entry_schema(identity)))
    await storage.maintain()
    await storage.close()


async def follow(folder: Path, entries: int, users: int) -> None:
    """Read the table into the views and search them."""
    storage = make_storage(folder)
    await storage.open(IDENTITY)
    before = _memory_mb()
    began = time.perf_counter()
    follower = Follower(storage, TantivyIndex(folder / "index"), VectorIndex(), Catalogue())
    await follower.catch_up()
    conditions = {"entries": entries, "users": users}
    show("start_seconds", time.perf_counter() - began, "s", conditions)
    show("memory_before_mb", before, "MB", conditions)
    show("memory_mb", _memory_mb(), "MB", conditions)
    show("memory_peak_mb", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB", conditions)
    synthesis = Synthesis()
    retriever = Retriever(KnownQuestions(synthesis), follower)
    for name, user in (("one_user", "user-0"), ("all_users", None)):
        for text in synthesis.texts(WARM_UP):
            await _search(retriever, text, user)
        used = time.process_time()
        times = [await _search(retriever, text, user) for text in synthesis.texts(QUESTIONS)]
        show(f"search_{name}_cpu_ms", 1000 * (time.process_time() - used) / QUESTIONS, "ms", conditions)
        p50, p95 = np.percentile(times, [50, 95])
        show(f"search_{name}_p50_ms", p50, "ms", conditions)
        show(f"search_{name}_p95_ms", p95, "ms", conditions)
    retriever.close()
    await storage.close()


async def write_batches(folder: Path, entries: int, users: int, batches: int) -> None:
    """Search before and after many small commits, maintained as the service does."""
    await build(folder, entries, users)
    storage = make_storage(folder)
    await storage.open(IDENTITY)
    synthesis = Synthesis()
    follower = Follower(storage, TantivyIndex(folder / "index"), VectorIndex(), Catalogue())
    await follower.catch_up()
    retriever = Retriever(KnownQuestions(synthesis), follower)
    conditions = {"entries": entries, "users": users, "commits": batches, "batch": BATCH_ENTRIES}
    await _show_search(retriever, synthesis, "before", conditions)
    columns = schema.entry_schema(IDENTITY)
    seen = []
    for number in range(batches):
        rows = synthesis.rows(entries + number * BATCH_ENTRIES, BATCH_ENTRIES, users, columns)
        await storage.add_entries(schema.entries_from_arrow(rows))
        began = time.perf_counter()
        await follower.catch_up()
        seen.append(1000 * (time.perf_counter() - began))
        if number % MAINTENANCE_COMMITS == MAINTENANCE_COMMITS - 1:
            await storage.maintain()
    await _show_search(retriever, synthesis, "after", conditions)
    show("catch_up_p95_ms", float(np.percentile(seen, 95)), "ms", conditions)
    table = folder / "tables" / "entries.lance"
    show("files", sum(path.is_file() for path in table.rglob("*")), "files", conditions)
    show("versions", len(list((table / "_versions").iterdir())), "versions", conditions)
    retriever.close()
    await storage.close()


async def _show_search(retriever: Retriever, synthesis: Synthesis, when: str, conditions: dict[str, Any]) -> None:
    for text in synthesis.texts(WARM_UP):
        await _search(retriever, text, None)
    times = [await _search(retriever, text, None) for text in synthesis.texts(QUESTIONS)]
    show(f"search_{when}_p50_ms", float(np.median(times)), "ms", conditions)


def make_storage(folder: Path) -> LanceStorage:
    """The store in a folder."""
    return LanceStorage(str(folder / "tables"), {}, LocalBlobStore(folder), writes=True)


def show(name: str, value: float, unit: str, conditions: dict[str, Any]) -> None:
    """Print one figure."""
    emit(f"scale_{name}", float(value), unit, **conditions)


async def _search(retriever: Retriever, text: str, user: str | None) -> float:
    """Milliseconds of one search."""
    began = time.perf_counter()
    words = " ".join(text.split()[:8])
    await retriever.retrieve(Query(words, 10, 550, EntryFilter(user_id=user)))
    return 1000 * (time.perf_counter() - began)


def _memory_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024**2


def _lists(vectors: npt.NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), vectors.shape[1])


if __name__ == "__main__":
    main()
