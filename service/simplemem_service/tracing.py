"""Traces by OpenTelemetry, where its standard environment variables ask for them.

Sent by OTLP over HTTP to `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`); headers, sampler and
further attributes are set by the variables of OpenTelemetry's own documentation. Without an endpoint nothing of the
SDK is loaded, and the spans of the code cost a microsecond each. No span holds a turn's or a question's text.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from fastapi import FastAPI
from opentelemetry import trace

from simplemem_service.config import Config
from simplemem_service.errors import ConfigError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
PROTOCOL = "http/protobuf"
"""The one protocol that is spoken; collectors take it at port 4318."""
UNTRACED = "/livez,/readyz,/metrics"
"""Paths that are asked every few seconds by machines."""
FLUSH_LIMIT = timedelta(seconds=2)
"""How long the end of the process waits for a collector that may be away."""


def is_traced(environment: Mapping[str, str]) -> bool:
    """Whether traces are wanted. Raises `ConfigError` for a protocol or exporter that is not spoken here."""
    exporter = environment.get("OTEL_TRACES_EXPORTER", "otlp").strip()
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or exporter == "none":
        return False
    if not (environment.get(TRACES_ENDPOINT) or environment.get(ENDPOINT)):
        return False
    if exporter != "otlp":
        raise ConfigError(f"OTEL_TRACES_EXPORTER is {exporter!r}; must be otlp or none")
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        if (found := environment.get(name, PROTOCOL).strip()) != PROTOCOL:
            raise ConfigError(f"{name} is {found!r}; must be {PROTOCOL}, which collectors take at port 4318")
    return True


def describe(config: Config) -> dict[str, str]:
    """What OpenTelemetry's conventions say of a process of a store."""
    return {
        "service.name": "simplemem",
        "service.namespace": config.store.namespace,
        "service.instance.id": socket.gethostname(),
        "k8s.namespace.name": config.store.namespace,
        "simplemem.store": config.store.name,
        "simplemem.role": config.role,
    }


@contextmanager
def traced(app: FastAPI, environment: Mapping[str, str], attributes: Mapping[str, str]) -> Iterator[None]:
    """Send a span of every request and of the work behind it, if traces are wanted; at the end, what is left of them.

    Raises `ConfigError` for settings that cannot be had.

    Parameters
    ----------
    app
        The application, before its first request.
    environment
        The process's own: the SDK reads the rest of its variables from there.
    attributes
        What is said of this process; `OTEL_RESOURCE_ATTRIBUTES` and `OTEL_SERVICE_NAME` go before them.
    """
    if not is_traced(environment):
        yield
        return
    # Only those who want traces wait for these imports.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(dict(attributes)).merge(OTELResourceDetector().detect())
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    FastAPIInstrumentor.instrument_app(
        app, tracer_provider=provider, excluded_urls=UNTRACED, exclude_spans=["receive", "send"]
    )
    try:
        yield
    finally:
        flush = threading.Thread(target=provider.force_flush, daemon=True)
        flush.start()
        flush.join(FLUSH_LIMIT.total_seconds())
