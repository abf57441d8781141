"""A lexical snapshot that breaks costs a search its words, not its answer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from typing_extensions import override

from simplemem_service.errors import IndexBrokenError
from simplemem_service.index.base import Candidates, LexicalSnapshot, Scope

logger = logging.getLogger(__name__)


class GuardedSnapshot(LexicalSnapshot):
    """Gives nothing once the index turns out to be damaged, and says so once.

    Parameters
    ----------
    inner
        The snapshot.
    tell
        Called at the first damage, in the thread of a search.
    """

    def __init__(self, inner: LexicalSnapshot, tell: Callable[[GuardedSnapshot], None]) -> None:
        self._inner = inner
        self._tell = tell
        self._is_broken = False

    @override
    def search(self, field: str, terms: Sequence[str], scope: Scope, limit: int) -> Candidates:
        return self._try(lambda: self._inner.search(field, terms, scope, limit))

    @override
    def scores(self, field: str, terms: Sequence[str], scope: Scope, entry_ids: Sequence[str]) -> Candidates:
        return self._try(lambda: self._inner.scores(field, terms, scope, entry_ids))

    def _try(self, step: Callable[[], Candidates]) -> Candidates:
        if self._is_broken:
            return {}
        try:
            return step()
        except IndexBrokenError as error:
            self._is_broken = True
            told = {"error": str(error)}
            logger.error("lexical index damaged; answers are by meaning alone until it is rebuilt", extra=told)  # noqa: TRY400
            self._tell(self)
            return {}
