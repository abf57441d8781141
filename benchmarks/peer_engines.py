"""Engines that are compared, each behind the same two calls, each as its own documentation would use it.

All store one document a turn ("speaker: text"), keep users apart, and encode by the same MiniLM weights where they
encode. Libraries are imported where they are used, since no one environment holds them all.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

WORD = re.compile(r"\w+")
STORE = """
apiVersion: simplemem.io/v1alpha1
kind: MemoryStore
metadata: {name: peers}
spec: {tier: Minimal, lexical: {engine: Tantivy}, compression: {densityThreshold: "0"}}
"""


@dataclass(frozen=True, slots=True)
class Said:
    """One turn to be remembered."""

    id: str
    """Id that evidence refers to."""
    speaker: str
    """Who said it."""
    text: str
    """What was said."""
    timestamp: str
    """When, in ISO 8601."""

    @property
    def line(self) -> str:
        """Speaker and text, as all peers store it."""
        return f"{self.speaker}: {self.text}"


class Engine(Protocol):
    """What is compared."""

    def remember(self, user: str, session: str, turns: Sequence[Said]) -> None:
        """Store the turns of one session; searchable when it returns."""
        ...

    def ask(self, user: str, question: str, top_k: int) -> list[str]:
        """Ids of the turns found in a user's memory, best first."""
        ...


class SimpleMem:
    """The whole engine but HTTP: journal, rules, LanceDB, both indices.

    Parameters
    ----------
    model
        Folder of MiniLM's weights; unused, since the service finds the same ones itself.
    folder
        Where it keeps its data.
    """

    def __init__(self, model: str, folder: Path) -> None:
        from simplemem_api.load import load_store
        from simplemem_api.resolve import resolve
        from simplemem_service.config import Config
        from simplemem_service.lifecycle import Service

        del model
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._service = Service(Config(store=resolve(load_store(STORE)), data=folder, tokens=None))
        self._wait(self._start())

    def remember(self, user: str, session: str, turns: Sequence[Said]) -> None:
        """Through the journal, until the views hold it."""
        self._wait(self._remember(user, session, turns))

    def ask(self, user: str, question: str, top_k: int) -> list[str]:
        """The sources of the entries found."""
        return self._wait(self._ask(user, question, top_k))

    def _wait(self, call: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    async def _start(self) -> None:
        await self._service.start()
        while not self._service.health.is_ready:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.05)

    async def _remember(self, user: str, session: str, turns: Sequence[Said]) -> None:
        from simplemem_service.api.operations import wait_ended
        from simplemem_service.constants import COMPRESS_TIMEOUT
        from simplemem_service.models.operation import GivenTurn, Operation

        parts = self._service.parts
        if parts is None:
            raise RuntimeError("the service is not open")
        given = tuple(
            GivenTurn(turn.speaker, turn.text, turn.id, datetime.fromisoformat(turn.timestamp)) for turn in turns
        )
        operation = await parts.journal.append(Operation(user, session, given, datetime.now(UTC)))
        await wait_ended(self._service, parts, operation, COMPRESS_TIMEOUT)

    async def _ask(self, user: str, question: str, top_k: int) -> list[str]:
        from simplemem_service.models.query import EntryFilter, Query

        parts = self._service.parts
        if parts is None or parts.retriever is None:
            raise RuntimeError("the service is not open")
        found = await parts.retriever.retrieve(Query(question, top_k, 100_000, EntryFilter(user_id=user)))
        return [source for hit in found.hits for source in hit.entry.sources]


class Bm25:
    """Plain BM25: one tantivy index on disk with its English stemmer, a document a turn, filtered by user.

    Parameters
    ----------
    model
        Unused.
    folder
        Where the index lies.
    """

    def __init__(self, model: str, folder: Path) -> None:
        import tantivy

        del model
        schema = tantivy.SchemaBuilder()
        for name in ("user", "turn"):
            schema.add_text_field(name, stored=True, tokenizer_name="raw")
        schema.add_text_field("text", tokenizer_name="en_stem")
        self._schema = schema.build()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._writer = self._index.writer()

    def remember(self, user: str, session: str, turns: Sequence[Said]) -> None:
        """A document a turn, committed once a session."""
        import tantivy

        del session
        for turn in turns:
            self._writer.add_document(tantivy.Document(user=user, turn=turn.id, text=turn.line))
        self._writer.commit()
        self._index.reload()

    def ask(self, user: str, question: str, top_k: int) -> list[str]:
        """Any of the question's words."""
        import tantivy

        words = " ".join(WORD.findall(question.lower()))
        own = tantivy.Query.const_score_query(tantivy.Query.term_query(self._schema, "user", user), 0.0)
        query = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, own), (tantivy.Occur.Must, self._index.parse_query(words, ["text"]))]
        )
        searcher = self._index.searcher()
        return [searcher.doc(place)["turn"][0] for _, place in searcher.search(query, top_k).hits]


class LanceHybrid:
    """Plain LanceDB hybrid: its full-text index and its vector search, fused by one of its rerankers.

    Parameters
    ----------
    model
        Folder of MiniLM's weights.
    folder
        Where the database lies.
    fusion
        "rrf", which is LanceDB's default, or "linear".
    """

    def __init__(self, model: str, folder: Path, fusion: str = "rrf") -> None:
        import lancedb
        from lancedb.rerankers import LinearCombinationReranker, RRFReranker
        from sentence_transformers import SentenceTransformer

        self._encoder = SentenceTransformer(model, device="cpu")
        self._database = lancedb.connect(str(folder))
        self._table: Any = None
        self._reranker = RRFReranker() if fusion == "rrf" else LinearCombinationReranker()

    def remember(self, user: str, session: str, turns: Sequence[Said]) -> None:
        """Rows of a session, then LanceDB's upkeep of its indices."""
        del session
        vectors = self._encoder.encode([turn.line for turn in turns], normalize_embeddings=True)
        rows = [
            {"user": user, "turn": turn.id, "text": turn.line, "vector": vector}
            for turn, vector in zip(turns, vectors, strict=True)
        ]
        if self._table is None:
            self._table = self._database.create_table("turns", rows)
            self._table.create_fts_index("text")
        else:
            self._table.add(rows)
            self._table.optimize()

    def ask(self, user: str, question: str, top_k: int) -> list[str]:
        """A hybrid query with the user as its filter."""
        from lancedb.expr import col, lit

        vector = self._encoder.encode([question], normalize_embeddings=True)[0]
        query = self._table.search(query_type="hybrid").vector(vector).text(" ".join(WORD.findall(question)))
        found = query.where(col("user") == lit(user)).rerank(self._reranker).limit(top_k).to_list()
        return [row["turn"] for row in found]


class LanceLinear(LanceHybrid):
    """As `LanceHybrid`, fused by LanceDB's linear combination."""

    def __init__(self, model: str, folder: Path) -> None:
        super().__init__(model, folder, "linear")


class EngramSearch:
    """engram-search as its package offers it: a FAISS store and its retrieval pipeline without a cross-encoder.

    A store a user, since its filter looks only at five times as many documents as are asked for. Its two larger models
    (bge-large and the bge cross-encoder) are no part of the comparison: no engine here has better weights than another.

    Parameters
    ----------
    model
        Folder of MiniLM's weights.
    folder
        Where its stores lie.
    """

    def __init__(self, model: str, folder: Path) -> None:
        from engram.retrieval.embedder import Embedder
        from engram.retrieval.pipeline import RetrievalPipeline

        self._embedder = Embedder(model)
        self._pipeline = RetrievalPipeline(self._embedder, use_reranker=False)
        self._folder = folder
        self._stores: dict[str, Any] = {}
        self._documents: dict[str, list[Any]] = {}

    def remember(self, user: str, session: str, turns: Sequence[Said]) -> None:
        """A document a turn, with its session and time."""
        from engram.backends.base import Document
        from engram.backends.faiss_backend import FaissBackend

        vectors = self._embedder.encode_documents([turn.line for turn in turns])
        documents = [
            Document(turn.id, turn.line, vector.tolist(), {"session_id": session, "timestamp": turn.timestamp})
            for turn, vector in zip(turns, vectors, strict=True)
        ]
        if user not in self._stores:
            self._stores[user] = FaissBackend(self._folder / user, dimension=len(vectors[0]))
        self._stores[user].add(documents)
        self._documents.setdefault(user, []).extend(documents)

    def ask(self, user: str, question: str, top_k: int) -> list[str]:
        """Its pipeline over the documents of the user."""
        return [found.id for found in self._pipeline.search(question, self._documents[user], top_k=top_k)]


ENGINES: dict[str, type[Any]] = {
    "SimpleMem": SimpleMem,
    "engram-search": EngramSearch,
    "BM25": Bm25,
    "LanceDB RRF": LanceHybrid,
    "LanceDB linear": LanceLinear,
}
"""All that is compared, by the name it is shown with."""
