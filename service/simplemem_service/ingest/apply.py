"""Applies operations of every kind, in order; each in a way that doing it again after a crash changes nothing."""

from __future__ import annotations

from collections.abc import Sequence

from simplemem_service.errors import ReembedError
from simplemem_service.ingest.attempts import Attempts
from simplemem_service.ingest.canary_rows import CanaryRows
from simplemem_service.ingest.given import GivenEntries
from simplemem_service.ingest.recompress import Recompressor
from simplemem_service.ingest.reembed import Reembedder
from simplemem_service.ingest.remember import Rememberer
from simplemem_service.ingest.removals import Removals
from simplemem_service.ingest.synthesizer import Synthesizer
from simplemem_service.ingest.undo import Undo
from simplemem_service.models.operation import (
    CanaryPayload,
    DeletePayload,
    EditPayload,
    EntriesPayload,
    ErasePayload,
    JournaledOperation,
    OperationKind,
    OperationResult,
    RecompressPayload,
    ReembedPayload,
    SynthesizePayload,
    UndoPayload,
)

_ADDING = frozenset({OperationKind.ENTRIES, OperationKind.RECOMPRESS, OperationKind.REEMBED, OperationKind.CANARY})
"""Kinds that leave existing entries of users as they are."""


class Applier:
    """What the one writer does with operations.

    Parameters
    ----------
    rememberer, given, removals, undo, synthesizer, recompressor, canaries
        Who does the kinds.
    attempts
        Counts the tries of operations that fail.
    reembedder
        Goes over to other vectors; None where the store has no way to.
    """

    def __init__(
        self,
        rememberer: Rememberer,
        given: GivenEntries,
        removals: Removals,
        undo: Undo,
        synthesizer: Synthesizer,
        *,
        recompressor: Recompressor,
        canaries: CanaryRows,
        attempts: Attempts,
        reembedder: Reembedder | None = None,
    ) -> None:
        self._rememberer = rememberer
        self._given = given
        self._removals = removals
        self._undo = undo
        self._synthesizer = synthesizer
        self._recompressor = recompressor
        self._canaries = canaries
        self._attempts = attempts
        self._reembedder = reembedder

    async def apply(self, operations: Sequence[JournaledOperation]) -> dict[str, OperationResult]:
        """How each operation ended, by its id; those of turns that follow each other share their commits."""
        results: dict[str, OperationResult] = {}
        for run in runs_of_turns(operations):
            if run[0].operation.kind is OperationKind.TURNS:
                results |= await self._rememberer.apply(run)
            else:
                results[run[0].operation_id] = await self._apply_one(run[0])
        return results

    async def _apply_one(self, accepted: JournaledOperation) -> OperationResult:
        self._rememberer.forget()
        if accepted.operation.kind not in _ADDING:
            self._synthesizer.forget(accepted.operation.user_id)
        try:
            return await self._dispatch(accepted)
        except Exception as error:  # noqa: BLE001 - an operation that cannot be applied must not stop the others
            return self._attempts.fail(accepted, error)

    async def _dispatch(self, accepted: JournaledOperation) -> OperationResult:
        match accepted.operation.payload:
            case EntriesPayload() as payload:
                return await self._given.add(accepted, payload)
            case EditPayload() as payload:
                return await self._given.edit(accepted, payload)
            case DeletePayload() as payload:
                return await self._removals.delete(accepted, payload)
            case ErasePayload():
                return await self._removals.erase(accepted)
            case _:
                return await self._look_again(accepted)

    async def _look_again(self, accepted: JournaledOperation) -> OperationResult:
        match accepted.operation.payload:
            case UndoPayload() as payload:
                return await self._undo.apply(accepted, payload)
            case SynthesizePayload():
                return await self._synthesizer.rerun(accepted)
            case RecompressPayload():
                return await self._recompressor.apply(accepted)
            case CanaryPayload() as payload:
                return await self._canaries.remove(payload)
            case ReembedPayload() as payload:
                if self._reembedder is None:
                    raise ReembedError("this writer has no way to load another model")
                return await self._reembedder.accept(accepted, payload)
            case _:
                return (await self._rememberer.apply([accepted]))[accepted.operation_id]


def runs_of_turns(operations: Sequence[JournaledOperation]) -> list[list[JournaledOperation]]:
    """Operations in order: those of turns together as long as they follow each other, others each alone."""
    runs: list[list[JournaledOperation]] = []
    for accepted in operations:
        is_turns = accepted.operation.kind is OperationKind.TURNS
        if is_turns and runs and runs[-1][-1].operation.kind is OperationKind.TURNS:
            runs[-1].append(accepted)
        else:
            runs.append([accepted])
    return runs
