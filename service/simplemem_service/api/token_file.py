"""What a file of a token Secret says: pure.

Its content is one of

    s3cr3t                                                       the token alone; scope admin
    {"token": "s3cr3t", "scopes": ["read"], "user_id": "alice", "requests_per_second": 20, "expires": "2027-03-31"}
    token = s3cr3t                                               the same, a line each; scopes separated by commas
    scopes = read, write

Only `token` is needed; without `scopes` it has admin, without `expires` it stays good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from simplemem_service.api.access import Caller, Scope
from simplemem_service.constants import ID_MAX_CHARS, REQUESTS_PER_SECOND
from simplemem_service.errors import ConfigError
from simplemem_service.models.entry import CANARY_USER

_LINE = re.compile(r"\s*(token|scopes|user_id|requests_per_second|expires)\s*=\s*(.*?)\s*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_LIKE_A_TIME = re.compile(r"\d{1,4}[-./][0-9TZ:+./ -]{1,36}", re.ASCII)
NOT_A_TIME = "not_a_time"
"""Kind of the only error whose text may be told: it repeats nothing but what looks like a time."""
_Secret = Annotated[str, Field(min_length=1, pattern=r"^[\x21-\x7e]+$")]


def _of_a_caller(user_id: str) -> str:
    if user_id == CANARY_USER:
        raise ValueError("reserved for the service's own checks")
    return user_id


def _read_expiry(value: object) -> datetime | None:
    """From when on a token is refused; a date counts to its end in UTC."""
    text = value if isinstance(value, str) else ""
    try:
        if value is None:
            return None
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time(), UTC) + timedelta(days=1)
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        # A day or an hour that does not exist, or a time that no calendar here reaches.
        pass
    found = f"'{text}'" if _LIKE_A_TIME.fullmatch(text) else "no time"
    told = "is {found}; it must be a date, such as 2027-03-31, or a time with its zone, such as 2027-03-31T18:00:00Z"
    raise PydanticCustomError(NOT_A_TIME, told, {"found": found})


class TokenFields(BaseModel):
    """The fields of a token file."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    token: _Secret
    """The secret: printable ASCII without spaces, as it travels in a header."""
    scopes: Annotated[frozenset[Scope], Field(min_length=1)] = frozenset({Scope.ADMIN})
    """What it may be used for."""
    user_id: Annotated[str, Field(min_length=1, max_length=ID_MAX_CHARS), AfterValidator(_of_a_caller)] | None = None
    """The only user whose memory it opens."""
    requests_per_second: Annotated[float, Field(gt=0, le=1_000_000)] = REQUESTS_PER_SECOND
    """How many requests it may send, on average."""
    expires: Annotated[datetime | None, BeforeValidator(_read_expiry)] = None
    """From when on it is refused."""


@dataclass(frozen=True, slots=True)
class KnownToken:
    """A token and its owner."""

    secret: bytes
    """The token."""
    caller: Caller
    """Whose it is."""


def read_own_token(
    folder: Path, scope: Scope = Scope.READ, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> str | None:
    """A token by which a pod of the store may ask another one: the first in order of name that has a scope and has not
    expired; None without. For the scope admin it is one that is bound to nobody.

    Blocking.
    """
    files = sorted(path for path in folder.glob("*") if path.is_file()) if folder.is_dir() else []
    for path in files:
        try:
            known = parse_token_file(path.name, path.read_bytes())
        except (OSError, ConfigError):
            # Told by `Tokens`, which reads the same files.
            continue
        if known.caller.has_expired(now()):
            continue
        if known.caller.may(scope) and (scope is not Scope.ADMIN or known.caller.user_id is None):
            return known.secret.decode("ascii")
    return None


def parse_token_file(name: str, content: bytes) -> KnownToken:
    """The token in a file of that name. Raises `ConfigError`, which says what is wrong and nothing of the content."""
    try:
        fields = TokenFields.model_validate(_read_fields(content.decode("utf-8").strip()))
    except UnicodeDecodeError:
        raise ConfigError("not UTF-8 text") from None
    except ValidationError as error:
        # The cause is left out, since it holds the values.
        found = error.errors(include_input=False, include_context=False, include_url=False)
        raise ConfigError("; ".join(_describe(one) for one in found)) from None
    caller = Caller(name, fields.scopes, fields.user_id, fields.requests_per_second, fields.expires)
    return KnownToken(fields.token.encode("ascii"), caller)


def _read_fields(text: str) -> dict[str, Any]:
    if text.startswith("{"):
        return _read_json(text)
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or not _LINE.fullmatch(lines[0]):
        return {"token": text}
    fields: dict[str, Any] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None or match[1] in fields:
            raise ConfigError(f"line {number}: must be `name = value`, each name once")
        fields[match[1]] = match[2]
    if "scopes" in fields:
        fields["scopes"] = [scope.strip() for scope in fields["scopes"].split(",")]
    return fields


def _read_json(text: str) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigError("begins like JSON and is none") from None
    return fields


def _describe(error: ErrorDetails) -> str:
    """Place and kind of an error, without the value, which may be a secret."""
    if error["type"] == "extra_forbidden":
        # Its name may be a secret on the wrong side.
        return "a field that does not exist"
    place = ".".join(str(part) for part in error["loc"])
    return f"{place}: {error['msg'] if error['type'] == NOT_A_TIME else error['type']}"
