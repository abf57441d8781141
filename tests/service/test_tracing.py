"""Traces as a collector gets them, and what logs say of the request that they were written for."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextvars import copy_context
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from simplemem_service.errors import ConfigError
from simplemem_service.telemetry import JsonFormatter, current_request_id
from simplemem_service.tracing import is_traced
from tests.support.server import Server, eventually, remember

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


class Collector:
    """Takes spans by OTLP over HTTP."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.resource: dict[str, str] = {}
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                message = ExportTraceServiceRequest()
                message.ParseFromString(self.rfile.read(int(self.headers["Content-Length"])))
                for part in message.resource_spans:
                    collector.resource = {one.key: one.value.string_value for one in part.resource.attributes}
                    collector.spans += [span for scope in part.scope_spans for span in scope.spans]
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, name: str, trace_id: str = "") -> Any:
        """The first span of a name, of one trace or of any."""

        def find() -> Any | None:
            wanted = (one for one in self.spans if one.name == name and one.trace_id.hex().startswith(trace_id))
            return next(wanted, None)

        return eventually(find, within=40, what=f"a span '{name}'")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.close()


def test_a_search_is_one_trace_with_its_parts(
    tmp_path: Path, make_server: Callable[..., Server], collector: Collector
) -> None:
    settings = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
    }
    server = make_server(tmp_path, settings, lexical={"engine": "RankBM25"})
    server.serve("all")
    server.wait_ready()
    trace_id, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    with server.client() as client:
        remember(client, "ada", "Ada keeps her spare key under the blue flowerpot.")
        body = {"query": "Where is the spare key?", "filter": {"user_id": "ada"}}
        answer = client.post("/v1/search", json=body, headers={"traceparent": f"00-{trace_id}-{caller}-01"})
        assert answer.json()["results"]
    request, found, encoded = (
        collector.wait_for(name, trace_id) for name in ("POST /v1/search", "retrieve", "encode question")
    )
    assert collector.wait_for("ingest").parent_span_id == b""
    assert request.parent_span_id.hex() == caller
    assert found.parent_span_id == request.span_id
    assert encoded.parent_span_id == found.span_id
    wanted = {"service.name": "simplemem", "simplemem.store": "notes", "deployment.environment.name": "test"}
    assert collector.resource.items() >= wanted.items()
    assert not any("flowerpot" in str(span) or "spare" in str(span) for span in collector.spans)
    assert not any("livez" in span.name or "readyz" in span.name for span in collector.spans)


def test_a_collector_that_is_away_costs_nothing_but_the_traces(
    tmp_path: Path, make_server: Callable[..., Server]
) -> None:
    server = make_server(tmp_path, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    server.serve("all")
    server.wait_ready()
    with server.client() as client:
        assert client.post("/v1/search", json={"query": "Where?"}).status_code == 200
    assert server.stop() == 0
    assert {line["store"] for line in read_log(server)} == {"team-a/notes"}


def test_the_log_of_a_process_names_the_request_and_the_store(
    tmp_path: Path, make_server: Callable[..., Server]
) -> None:
    llm = {"mode": "Model", "models": ["openai/away"], "apiBase": "http://127.0.0.1:9/v1"}
    server = make_server(tmp_path, llm=llm, retrieval={"planning": "Always"})
    server.serve("all")
    server.wait_ready()
    with server.client() as client:
        answer = client.post("/v1/search", json={"query": "Where?"}, headers={"X-Request-ID": "abc"})
        assert (answer.status_code, answer.headers["X-Request-ID"]) == (200, "abc")
        own = client.post("/v1/search", json={"query": "Where else?"}).headers["X-Request-ID"]
    # Deep in the search, by code that knows nothing of requests.
    told = [line for line in read_log(server) if line["message"] == "search goes on without the language model"]
    assert [(line["request_id"], line["store"]) for line in told] == [("abc", "team-a/notes"), (own, "team-a/notes")]


def read_log(server: Server) -> list[dict[str, Any]]:
    """The lines of JSON that a process has written."""
    return [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]


def test_a_line_of_the_log_names_the_request_that_it_was_written_for() -> None:
    def write() -> dict[str, str]:
        line: dict[str, str] = json.loads(formatter.format(logging.makeLogRecord({"msg": "said", "reason": "Full"})))
        return line

    formatter = JsonFormatter({"store": "team-a/notes"})
    assert write().items() >= {"message": "said", "store": "team-a/notes", "reason": "Full"}.items()
    assert "request_id" not in write()
    context = copy_context()
    context.run(current_request_id.set, "request-7")
    assert context.run(write)["request_id"] == "request-7"


def test_what_is_not_spoken_is_refused_by_its_name() -> None:
    assert is_traced(ENDPOINT)
    assert is_traced({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"})
    for unwanted in ({}, ENDPOINT | {"OTEL_SDK_DISABLED": "true"}, ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}):
        assert not is_traced(unwanted)
    for name, value in (("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_EXPORTER", "zipkin")):
        with pytest.raises(ConfigError, match=f"{name} is '{value}'; must be"):
            is_traced(ENDPOINT | {name: value})
