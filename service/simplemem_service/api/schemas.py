"""What travels over HTTP; bounds are checked here, so that nothing behind it meets unbounded input."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from simplemem_service import constants
from simplemem_service.api import examples
from simplemem_service.models.entry import Entry
from simplemem_service.models.operation import GivenTurn
from simplemem_service.models.query import EntryFilter, Hit, Retrieved, SearchPlan


def parse_time(value: object) -> datetime:
    """An aware time in UTC from ISO 8601; without an offset it is UTC already."""
    if isinstance(value, datetime):
        parsed = value
    elif isinstance(value, str):
        try:
            parsed = datetime.fromisoformat(value.strip())
        except ValueError as error:
            raise ValueError("must be a time in ISO 8601, such as 2026-03-01T10:00:00Z") from error
    else:
        raise ValueError("must be a time in ISO 8601, such as 2026-03-01T10:00:00Z")  # noqa: TRY004 - pydantic's way
    try:
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie between the years 1 and 9999") from error


def format_time(value: datetime) -> str:
    """A time as ISO 8601 with Z, to the second, or to the microsecond where it has any."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be blank")
    return text


Time = Annotated[datetime, BeforeValidator(parse_time), PlainSerializer(format_time, return_type=str)]
"""ISO 8601 in and out; without an offset it is UTC."""
Id = Annotated[str, Field(min_length=1, max_length=constants.ID_MAX_CHARS), AfterValidator(_not_blank)]
"""An id or a name that the caller chooses."""
Question = Annotated[str, Field(min_length=1, max_length=constants.QUERY_MAX_CHARS), AfterValidator(_not_blank)]
"""A question."""
TopK = Annotated[int, Field(ge=1, le=constants.TOP_K_MAX)]
"""How many entries to return, at most."""


WIRE = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""Of requests: unknown fields are refused, since a misspelt one would be passed over."""


class Wire(BaseModel):
    """Base of requests."""

    model_config = WIRE


def example(*values: dict[str, Any]) -> ConfigDict:
    """Configuration that shows bodies in the description of the API."""
    return ConfigDict(json_schema_extra={"examples": list(values)})


class TurnIn(Wire):
    """One utterance."""

    id: Id | None = None
    """The caller's id, listed in `sources` of what is found; the same id and text again is the same turn."""
    speaker: Id
    """Who said it."""
    text: Annotated[str, Field(min_length=1, max_length=constants.TEXT_MAX_CHARS), AfterValidator(_not_blank)]
    """What was said."""
    timestamp: Time | None = None
    """When it was said."""

    def to_model(self) -> GivenTurn:
        """The turn as the service works with it."""
        return GivenTurn(speaker=self.speaker, text=self.text, id=self.id, timestamp=self.timestamp)


class TurnsIn(Wire):
    """Turns of one session, in order."""

    model_config = WIRE | example(
        {
            "user_id": "ada",
            "session_id": "monday",
            "turns": [
                {
                    "id": "m-1",
                    "speaker": "Ada",
                    "text": "I moved to Rome yesterday.",
                    "timestamp": "2026-03-01T10:00:00Z",
                }
            ],
        }
    )

    user_id: Id | None = None
    """Whose memory; none: the token's user, or `default`."""
    session_id: Id = constants.DEFAULT_SESSION
    """Which conversation; turns sent later to the same session continue it."""
    turns: Annotated[list[TurnIn], Field(min_length=1, max_length=constants.TURNS_MAX)]
    """What was said."""


class CompressIn(Wire):
    """A conversation as text: lines `Speaker: text`, optionally with `[time]` before; other lines continue or stand
    for the user.
    """

    model_config = WIRE | example(
        {"raw_conversation": "[2026-03-01T10:00] Ada: I moved to Rome.\nBen: How is it?", "user_id": "ada"}
    )

    raw_conversation: Annotated[str, Field(min_length=1, max_length=constants.RAW_CONVERSATION_MAX_CHARS)]
    """The text."""
    user_id: Id | None = None
    """Whose memory; none: the token's user, or `default`."""
    session_id: Id | None = None
    """Which conversation; none: a new one."""


class CompressOut(BaseModel):
    """What became of a conversation."""

    model_config = example({"compressed_entries": 2})

    compressed_entries: int


class FilterIn(Wire):
    """What entries must match."""

    user_id: Id | None = None
    """Whose memory."""
    session_id: Id | None = None
    """Which conversation."""
    persons: Annotated[list[Id], Field(max_length=100)] = Field(default_factory=list)
    """All of these people take part."""
    location: Id | None = None
    """Where."""
    from_: Annotated[Time | None, Field(alias="from")] = None
    """Told at or after this time."""
    to: Time | None = None
    """Told at or before this time."""

    def to_model(self) -> EntryFilter:
        """The filter as the service works with it."""
        return EntryFilter(
            user_id=self.user_id,
            session_id=self.session_id,
            persons=tuple(self.persons),
            location=self.location,
            since=self.from_,
            until=self.to,
        )


class PageIn(FilterIn):
    """Which entries to list."""

    limit: Annotated[int, Field(ge=1, le=constants.PAGE_MAX)] = 100
    """Entries on the page."""
    cursor: Annotated[str, Field(max_length=64)] | None = None
    """`next_cursor` of the page before."""


class RetrieveIn(Wire):
    """A question, the documented way."""

    model_config = WIRE | example({"query": "Where does Ada live?", "top_k": 5, "user_id": "ada"})

    query: Question
    """The question."""
    top_k: TopK | None = None
    """How many entries; none: the store's own number, up to twice as many for a complex question."""
    user_id: Id | None = None
    """Whose memory; none: everybody's."""


class SearchIn(Wire):
    """A question."""

    model_config = WIRE | example(
        {
            "query": "Where does Ada live?",
            "top_k": 5,
            "max_tokens": 400,
            "filter": {"user_id": "ada", "persons": ["Ada"], "from": "2026-01-01T00:00:00Z"},
        }
    )

    query: Question
    """The question."""
    top_k: TopK | None = None
    """How many entries; none: the store's own number, up to twice as many for a complex question."""
    max_tokens: Annotated[int, Field(ge=1, le=constants.CONTEXT_MAX_TOKENS)] | None = None
    """Longest context, in the embedding model's tokens; none: the store's own number."""
    filter: FilterIn = Field(default_factory=FilterIn)
    """What entries must match."""
    explain: bool = False
    """Whether each signal's share of the score is wanted."""


class EntryOut(BaseModel):
    """A memory."""

    model_config = example(examples.ENTRY)

    entry_id: str
    lossless_restatement: str
    keywords: tuple[str, ...]
    timestamp: Time | None
    location: str | None
    persons: tuple[str, ...]
    entities: tuple[str, ...]
    user_id: str
    session_id: str
    sources: tuple[str, ...]
    valid_from: Time | None
    valid_until: Time | None
    superseded_by: str | None
    created_at: Time | None

    @classmethod
    def fields_of(cls, entry: Entry) -> dict[str, Any]:
        """The fields of an entry that are shown."""
        return {name: getattr(entry, name) for name in EntryOut.model_fields}

    @classmethod
    def of(cls, entry: Entry) -> EntryOut:
        """The entry as it is shown."""
        return cls.model_construct(**cls.fields_of(entry))


class HitOut(EntryOut):
    """A memory that was found."""

    model_config = example(examples.HIT)

    score: float
    scores: dict[str, float]

    @classmethod
    def of_hit(cls, hit: Hit) -> HitOut:
        """The hit as it is shown."""
        return cls.model_construct(**cls.fields_of(hit.entry), score=hit.score, scores=dict(hit.scores))


class RetrieveOut(BaseModel):
    """What was found, best first."""

    model_config = example({"results": [examples.HIT]})

    results: list[HitOut]


class PlanOut(BaseModel):
    """What a language model added to a search."""

    is_weak: bool
    queries: tuple[str, ...]
    calls: int
    is_sufficient: bool | None
    fallback: str

    @classmethod
    def of(cls, plan: SearchPlan) -> PlanOut:
        """The plan as it is shown."""
        return cls.model_construct(**{name: getattr(plan, name) for name in cls.model_fields})


class DepthOut(BaseModel):
    """How many entries were wanted, and why."""

    complexity: float
    k_dyn: int

    @classmethod
    def of(cls, found: Retrieved) -> DepthOut:
        """The depth as it is shown."""
        return cls.model_construct(complexity=found.complexity, k_dyn=found.depth)


class SearchOut(RetrieveOut):
    """What was found, best first, and one text of it for a prompt.

    `degraded` is the code of the error for which meaning was left out and words and metadata alone decided. Where
    `explain` asks: the depth by the question's complexity, and the plan if there is one.
    """

    model_config = example(examples.SEARCH, examples.EXPLAINED)

    context: str
    context_tokens: int
    took_ms: float
    degraded: str | None = None
    depth: DepthOut | None = None
    plan: PlanOut | None = None


class EntriesOut(BaseModel):
    """A page of entries; the cursor leads to the next one, none on the last."""

    model_config = example({"entries": [examples.ENTRY], "next_cursor": "YWZ0ZXI6MQ"})

    entries: list[EntryOut]
    next_cursor: str | None
