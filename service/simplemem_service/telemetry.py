"""Metrics of the service, in Prometheus' form, and the set-up of its logs."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

PREFIX = "simplemem"
SECONDS = (0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds of the histograms, in seconds; the targets 10, 15 and 25 ms are bounds of their own."""
DENSITIES = (0.01, 0.02, 0.05, 0.075, 0.1, 0.15, 0.2, 0.35, 0.5, 0.75, 1, 2)
"""Bounds of the histogram of densities; thresholds lie at the lower end, and single turns above 1."""

RECORD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}
"""What every log record has; the rest are fields of our own."""


class Metrics:
    """What a process counts; each application has its own registry, so that tests do not share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.retrieve_seconds = self._histogram("retrieve_seconds", "Time of a search, its encoding included.")
        self.encode_seconds = self._histogram("encode_seconds", "Time of encoding a question.")
        self.acknowledge_seconds = self._histogram("acknowledge_seconds", "Time until accepted turns are durable.")
        self.ingest_turns_total = self._counter("ingest_turns", "Turns made searchable or dropped as known.")
        self.dropped_low_density_total = self._counter(
            "dropped_low_density", "Turns whose window fell below the density threshold."
        )
        self.window_density = Histogram(
            f"{PREFIX}_window_density",
            "Density of the windows judged, stored or dropped.",
            registry=self.registry,
            buckets=DENSITIES,
        )
        self.failed_operations_total = self._counter("failed_operations", "Operations that ended Failed.")
        self.forgotten_entries_total = self._counter(
            "forgotten_entries", "Entries removed by a rule of the MemoryStore's retention.", ("rule",)
        )
        self.damaged_segments_total = self._counter("damaged_segments", "Journal segments set aside as damaged.")
        self.entries = self._gauge("entries", "Entries in the table.")
        self.turns = self._gauge("turns", "Turns in the table.")
        self.storage_bytes = self._gauge("storage_bytes", "Bytes that the store occupies.")
        self.pending_turns = self._gauge("pending_turns", "Accepted turns that are not searchable yet.")
        self.oldest_pending_seconds = self._gauge("oldest_pending_seconds", "Age of the oldest of them.")
        self.index_lag_rows = self._gauge("index_lag_rows", "Entries in the table that this pod does not find yet.")
        self.canary_seconds = self._gauge("canary_seconds", "Time from writing the last check turn to finding it.")
        self.canary_last_success_timestamp_seconds = self._gauge(
            "canary_last_success_timestamp_seconds", "When a check turn was last found again, seconds since 1970."
        )
        self.canary_failures_total = self._counter("canary_failures", "Check turns that did not come through.")
        self.ready = self._gauge("ready", "1 while this pod is ready.")
        self.llm_tokens_total = self._counter("llm_tokens", "Tokens of language models.", ("model", "direction"))
        self.llm_cost_usd_total = self._counter("llm_cost_usd", "Cost of language models, US dollars.", ("model",))
        self.llm_errors_total = self._counter("llm_errors", "Failed calls of language models.", ("model", "code"))
        self.degraded_turns_total = self._counter(
            "degraded_turns", "Turns compressed by rules since no language model gave a usable reply."
        )
        self.degraded_searches_total = self._counter(
            "degraded_searches", "Searches answered by words and metadata alone since the model was away.", ("code",)
        )
        self.encoded_texts_total = self._counter(
            "encoded_texts", "Texts to be stored that were encoded, here or by the embedding pods.", ("where",)
        )
        self.cache_hits_total = self._counter("cache_hits", "Answers taken from a cache.", ("cache",))
        self.cache_misses_total = self._counter("cache_misses", "Answers that a cache did not have.", ("cache",))
        self.cache_errors_total = self._counter("cache_errors", "Calls of Redis that failed or took too long.")
        self.token_expiry_timestamp_seconds = self._gauge(
            "token_expiry_timestamp_seconds",
            "When a bearer token that expires does so, seconds since 1970.",
            ("token",),
        )
        self.certificate_expiry_timestamp_seconds = self._gauge(
            "certificate_expiry_timestamp_seconds",
            "When the certificate expires that an endpoint of the spec presents, seconds since 1970.",
            ("endpoint",),
        )

    def render(self) -> bytes:
        """All metrics as Prometheus' text."""
        return generate_latest(self.registry)

    def _counter(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"{PREFIX}_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"{PREFIX}_{name}", text, registry=self.registry, buckets=SECONDS)


current_request_id: ContextVar[str] = ContextVar("request_id")
"""Id of the request that the running code serves."""


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON: a constant sentence and its fields.

    A line written while a request is served holds the request's id, and its trace's where it is traced.

    Parameters
    ----------
    fields
        What every line says of the process.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self._fields = dict(fields)

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        line["message"] = record.getMessage()
        line |= self._fields | _of_request()
        line |= {key: value for key, value in vars(record).items() if key not in RECORD_FIELDS}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _of_request() -> dict[str, str]:
    found = {}
    if (request_id := current_request_id.get("")) != "":
        found["request_id"] = request_id
    if (span := trace.get_current_span().get_span_context()).is_valid:
        found |= {"trace_id": trace.format_trace_id(span.trace_id), "span_id": trace.format_span_id(span.span_id)}
    return found


def configure_logging(level: str, **fields: str) -> None:
    """Send all logs to standard error, a line of JSON each.

    Parameters
    ----------
    level
        Least level of our own logs; libraries log from WARNING.
    fields
        What every line says of the process, such as its store.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(fields))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("simplemem_service").setLevel(level.upper())
