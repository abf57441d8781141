"""Who calls, and what the caller may do: pure.

A token has scopes. `read` asks, lists and exports; `write` adds, corrects, removes and imports; `admin` includes both
and erases whole users. A token that is bound to a user sees and changes that user's memory only: requests that name
nobody mean that user, those that name another one are refused, and what belongs to others does not exist for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from simplemem_service.constants import DEFAULT_USER, RATE_BURST_SECONDS, REQUESTS_PER_SECOND
from simplemem_service.errors import (
    ForbiddenError,
    NotFoundError,
    RateLimitedError,
    ReservedUserError,
    TokenExpiredError,
)
from simplemem_service.models.entry import CANARY_USER


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    """Ask, list, export."""
    WRITE = "write"
    """Add, correct, remove, import."""
    ADMIN = "admin"
    """Everything, the erasure of users included."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of a token."""

    name: str
    """Name of the file that holds the token."""
    scopes: frozenset[Scope] = frozenset({Scope.ADMIN})
    """What the token may be used for."""
    user_id: str | None = None
    """The only user whose memory it opens; None: all."""
    requests_per_second: float = REQUESTS_PER_SECOND
    """How many requests it may send, on average."""
    expires: datetime | None = None
    """From when on the token is refused, aware; None: never."""

    def has_expired(self, now: datetime) -> bool:
        """Whether the token is refused by now."""
        return self.expires is not None and now >= self.expires

    def require_living(self, now: datetime) -> None:
        """Raise `TokenExpiredError` if the token is refused by now."""
        if self.expires is not None and self.has_expired(now):
            expired = self.expires.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            raise TokenExpiredError(f"the token of '{self.name}' expired at {expired}; use one that is still good")

    def may(self, scope: Scope) -> bool:
        """Whether the token has a scope."""
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Raise `ForbiddenError` unless the token has the scope."""
        if not self.may(scope):
            has = ", ".join(sorted(self.scopes)) or "none"
            raise ForbiddenError(f"the token of '{self.name}' lacks the scope '{scope}'; it has: {has}")

    def narrow(self, user_id: str | None) -> str | None:
        """The user that a request may concern, None for all.

        Raises `ForbiddenError` if it names one that it may not, `ReservedUserError` if it names the service's own.
        """
        if user_id == CANARY_USER:
            raise ReservedUserError(user_id)
        if self.user_id is None:
            return user_id
        if user_id not in (None, self.user_id):
            raise ForbiddenError(f"the token of '{self.name}' is bound to another user than '{user_id[:64]}'")
        return self.user_id

    def owner(self, user_id: str | None) -> str:
        """Whose memory a change concerns where the request may leave it open."""
        return self.narrow(user_id) or DEFAULT_USER

    def require_own(self, user_id: str, what: str) -> None:
        """Raise `NotFoundError` if something is another user's than the token's, as if it did not exist."""
        if self.user_id not in (None, user_id) or user_id == CANARY_USER:
            raise NotFoundError(f"{what} does not exist")

    def require_erasure(self, user_id: str) -> None:
        """Raise `ForbiddenError` unless the token may erase the user."""
        self.narrow(user_id)
        self.require(Scope.WRITE if self.user_id is not None else Scope.ADMIN)


class Bucket:
    """A token bucket: a rate that may be exceeded for a moment.

    Parameters
    ----------
    rate
        Requests a second, on average.
    now
        The present time of a clock that never goes back, in seconds.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._size = max(1.0, rate * RATE_BURST_SECONDS)
        self._left = self._size
        self._filled_at = now

    def take(self, now: float) -> None:
        """Use up one request. Raises `RateLimitedError` if none is left."""
        self._left = min(self._size, self._left + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._left < 1.0:
            wait = (1.0 - self._left) / self.rate
            raise RateLimitedError(f"this token may send {self.rate:g} requests a second; wait {wait:.2f} s", wait)
        self._left -= 1.0
