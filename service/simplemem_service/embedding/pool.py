"""The embedding models that a process has loaded: one of each, shared by whoever needs it.

There is one as a rule, and a second one while vectors of another model are made or taken into use.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from simplemem_service.embedding.base import Embedding


class EmbeddingPool:
    """Models by name.

    Parameters
    ----------
    create
        Makes a model of that name, not loaded yet; called in a thread.
    """

    def __init__(self, create: Callable[[str], Embedding]) -> None:
        self._create = create
        self._models: dict[str, Embedding] = {}
        self._turn = asyncio.Lock()

    async def get(self, model: str) -> Embedding:
        """The model, loaded; raises what loading it raises, and tries again when it is asked for again."""
        async with self._turn:
            known = self._models.get(model)
            if known is None:
                known = await asyncio.to_thread(self._create, model)
                try:
                    await known.load()
                except BaseException:
                    await known.close()
                    raise
                self._models[model] = known
            return known

    def forget(self) -> None:
        """Let go of every text that the models remember in this process."""
        for model in self._models.values():
            model.forget()

    async def sweep(self) -> bool:
        """Let go of it wherever it is; False while it cannot be told whether all is gone."""
        return all([await model.sweep() for model in list(self._models.values())])

    async def keep(self, models: Collection[str]) -> None:
        """Close all but some."""
        async with self._turn:
            for model in [name for name in self._models if name not in models]:
                await self._models.pop(model).close()

    async def close(self) -> None:
        """Close all."""
        await self.keep(())
