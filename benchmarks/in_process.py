"""The engine without a server and without a table: compressor, views and retriever in this process."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.locomo import Conversation, Utterance
from simplemem_service.embedding.base import Embedding
from simplemem_service.index.base import LexicalView
from simplemem_service.index.catalogue import Catalogue
from simplemem_service.index.follow import Follower
from simplemem_service.index.vector_index import VectorIndex
from simplemem_service.models.entry import EmbeddedEntry, Turn
from simplemem_service.models.query import EntryFilter, Query, Retrieved
from simplemem_service.pipeline.compress import Compressor, DroppedWindow
from simplemem_service.pipeline.recipe import Recipe
from simplemem_service.pipeline.retrieve import Retriever
from simplemem_service.storage.base import Changes

RECEIVED = datetime(2026, 1, 1, tzinfo=UTC)
"""When all turns are said to have arrived."""


class Rows:
    """Rows in memory, standing in for the table."""

    def __init__(self) -> None:
        self.rows: list[EmbeddedEntry] = []

    async def read_changes(self, since: int | None) -> Changes:
        """The rows after the first `since`."""
        return Changes(len(self.rows), tuple(self.rows[since or 0 :]), (), is_complete=since is None)


class Engine:
    """Compressor, views and retriever over one list of rows.

    Parameters
    ----------
    embedding
        A loaded model.
    lexical
        An empty lexical view.
    density_threshold
        As of the compressor.
    recipe
        As of the retriever.
    """

    def __init__(
        self,
        embedding: Embedding,
        lexical: LexicalView,
        *,
        density_threshold: float = 0.0,
        recipe: Recipe | None = None,
    ) -> None:
        self._embedding = embedding
        self.table = Rows()
        self.dropped: list[DroppedWindow] = []
        self.follower = Follower(self.table, lexical, VectorIndex(), Catalogue())
        self.retriever = Retriever(embedding, self.follower, recipe)
        self._compressor = Compressor(embedding, window_turns=40, overlap_turns=2, density_threshold=density_threshold)

    async def remember(self, conversation: Conversation, batch: int | None = None) -> None:
        """Compress a conversation, session by session, so many turns at a time (None: a session at once)."""
        sessions: dict[str, list[Utterance]] = {}
        for turn in conversation.turns:
            sessions.setdefault(turn.session_id, []).append(turn)
        for turns in sessions.values():
            await self._remember_session([as_turn(conversation.id, turn) for turn in turns], batch or len(turns))
        await self.follower.catch_up()

    def use(self, recipe: Recipe) -> None:
        """Answer by another recipe from now on."""
        self.retriever.close()
        self.retriever = Retriever(self._embedding, self.follower, recipe)

    async def ask(self, conversation: Conversation, question: str, top_k: int, max_tokens: int = 100_000) -> Retrieved:
        """Search one conversation."""
        return await self.retriever.retrieve(Query(question, top_k, max_tokens, EntryFilter(user_id=conversation.id)))

    async def _remember_session(self, turns: Sequence[Turn], batch: int) -> None:
        first = len(self.table.rows)
        for start in range(0, len(turns), batch):
            preceding = [row.entry for row in self.table.rows[first:]]
            made = await self._compressor.compress(turns[start : start + batch], preceding, len(self.table.rows))
            self.table.rows.extend(made.entries)
            self.dropped.extend(made.dropped)


def as_turn(user_id: str, said: Utterance) -> Turn:
    """A turn as the service would accept it."""
    key = hashlib.sha256(f"{user_id}/{said.session_id}/{said.id}".encode()).hexdigest()
    return Turn(key, said.id, user_id, said.session_id, said.speaker, said.text, said.timestamp, RECEIVED)
