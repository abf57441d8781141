"""What the operator reports of a store."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from simplemem_api.base import Part

ShortText = Annotated[str, Field(max_length=1024)]
"""A text of the operator's."""


class ConditionStatus(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class StatusPart(Part):
    """A part of the status; unknown fields are passed over, since a newer operator may have written them."""

    model_config = ConfigDict(**{**Part.model_config, "extra": "ignore"})


class Condition(StatusPart):
    """One observation about the store, as in metav1.Condition."""

    type: Annotated[str, Field(min_length=1, max_length=316)]
    """What is observed."""
    status: ConditionStatus
    """Whether it holds."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Edit of the spec that it was observed at."""
    last_transition_time: Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
    """When `status` last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """The cause, CamelCase, for programs."""
    message: Annotated[str, Field(max_length=32768)]
    """The cause in words."""


class EmbeddingStatus(StatusPart):
    """The model in use."""

    model: ShortText | None = None
    """Its name."""
    dimension: Annotated[int, Field(ge=1)] | None = None
    """Length of its vectors."""


class CostItemStatus(StatusPart):
    """One line of the monthly cost."""

    name: ShortText
    """What is paid for."""
    monthly_usd: Annotated[str, Field(max_length=20)] = Field(alias="monthlyUSD")
    """US dollars a month, two decimals."""
    basis: ShortText
    """How the figure comes about."""


class MeasuredItemStatus(StatusPart):
    """One line of what this month has cost so far."""

    name: ShortText
    """What was paid for."""
    usd: Annotated[str, Field(max_length=20)]
    """US dollars, two decimals."""
    basis: ShortText
    """How the figure comes about."""


class MeterStatus(StatusPart):
    """How long something ran this month."""

    name: ShortText
    """What: the store, the store while it is not suspended, retrieval pods, GPU pods or nodes of the cache."""
    hours: Annotated[str, Field(max_length=20)]
    """Hours up to `asOf`, of all pods together, three decimals."""
    running: Annotated[int, Field(ge=0)]
    """How many run since."""


class MeasuredCostStatus(StatusPart):
    """What this month has cost so far; written when what runs changes, and when the sum has grown noticeably."""

    month: Annotated[str, Field(max_length=7)]
    """Calendar month in UTC, such as 2026-03."""
    as_of: Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
    """Up to when."""
    usd: Annotated[str, Field(max_length=20)]
    """US dollars, two decimals."""
    items: Annotated[list[MeasuredItemStatus], Field(max_length=32)] = Field(default_factory=list)
    """Its parts."""
    meters: Annotated[list[MeterStatus], Field(max_length=16)] = Field(default_factory=list)
    """Hours that the parts come from."""


class CostStatus(StatusPart):
    """What the store costs."""

    monthly_usd: Annotated[str, Field(max_length=20)] = Field(alias="monthlyUSD")
    """US dollars a month, two decimals."""
    items: Annotated[list[CostItemStatus], Field(max_length=32)] = Field(default_factory=list)
    """Its parts."""
    catalogue: ShortText
    """Which price catalogue was used."""
    measured: MeasuredCostStatus | None = None
    """What this month has cost so far, by what ran and what was paid; the fields beside it are the plan."""


class WritePathStatus(StatusPart):
    """The last proof that what is written is found: a turn of the service's own, searched back and removed."""

    last_success_time: Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
    """When a turn was last found; told anew once a day, while the condition WritePathHealthy says that all is well."""
    latency_milliseconds: Annotated[int, Field(ge=0)] = 0
    """How long that turn took, from before it was accepted until it was gone again."""


class LoadStatus(StatusPart):
    """How much the store is used, by the whole days of the last week."""

    days: Annotated[int, Field(ge=0)]
    """Days that were counted, up to 7."""
    turns_per_month: Annotated[int, Field(ge=0)]
    """Turns remembered in 30 such days, two digits exact; written when it changes by a tenth."""
    queries_per_month: Annotated[int, Field(ge=0)]
    """Questions answered in 30 such days, likewise."""


class RecommendationStatus(StatusPart):
    """Which tier would fit."""

    tier: ShortText
    """Name of the tier; the store's own where that fits."""
    reason: ShortText
    """Why."""


class MemoryStoreStatus(StatusPart):
    """What the operator found at its last pass."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """Edit of the spec that the pass worked from."""
    conditions: Annotated[list[Condition], Field(max_length=32)] = Field(
        default_factory=list,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )
    """Observations; `Ready` sums them up."""
    tier: ShortText | None = None
    """Tier in force."""
    endpoint: ShortText | None = None
    """Address of the API within the cluster."""
    access: ShortText | None = None
    """Who may use the API, in words."""
    replicas: Annotated[int, Field(ge=0)] | None = None
    """Retrieval pods that exist."""
    selector: ShortText | None = None
    """Label selector of the retrieval pods, for autoscalers."""
    embedding: EmbeddingStatus | None = None
    """The model in use."""
    entries: Annotated[int, Field(ge=0)] | None = None
    """Entries remembered."""
    storage_bytes: Annotated[int, Field(ge=0)] | None = None
    """Bytes stored."""
    pending_turns: Annotated[int, Field(ge=0)] | None = None
    """Turns accepted and not yet searchable."""
    last_backup_time: Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})] | None = None
    """When the last copy was completed."""
    write_path: WritePathStatus | None = None
    """The last proof that what is written is found."""
    cost: CostStatus | None = None
    """What the store costs."""
    load: LoadStatus | None = None
    """How much the store is used."""
    recommendation: RecommendationStatus | None = None
    """Which tier would fit."""
