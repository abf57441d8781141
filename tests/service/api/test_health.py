"""Probes, metrics, the front page and the description of the API."""

from __future__ import annotations

import re

import httpx

from tests.support.server import remember


def test_a_ready_pod_says_so_with_reasons_and_figures(client: httpx.Client) -> None:
    answer = client.get("/readyz")
    body = answer.json()
    assert answer.status_code == 200
    assert {name: check["ok"] for name, check in body["checks"].items()} == {
        "storage": True,
        "embedding": True,
        "index": True,
        "ingest": True,
    }
    assert all(check["reason"] and check["message"] for check in body["checks"].values())
    assert {"entries", "storage_bytes", "pending_turns", "oldest_pending_seconds", "week_days", "week_turns",
            "week_queries", "index_behind_seconds"} <= set(body["figures"])  # fmt: skip
    assert all(isinstance(figure, int) for figure in body["figures"].values())


def test_metrics_have_the_agreed_names_and_move(client: httpx.Client) -> None:
    def read(name: str) -> float:
        found = re.search(rf"^simplemem_{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else -1.0

    before = {name: read(name) for name in ("ingest_turns_total", "retrieve_seconds_count", "encode_seconds_count")}
    remember(client, "metrics", "One more fact.")
    client.post("/v1/search", json={"query": "Which fact?"}).raise_for_status()
    assert all(read(name) > value >= 0 for name, value in before.items())
    for gauge in ("entries", "pending_turns", "oldest_pending_seconds", "index_lag_rows", "dropped_low_density_total"):
        assert read(gauge) >= 0, gauge
    text = client.get("/metrics").text
    assert all(
        f"# TYPE simplemem_{name}" in text for name in ("llm_tokens_total", "llm_cost_usd_total", "cache_hits_total")
    )


def test_the_console_is_served_with_all_its_files_and_a_strict_policy(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    pending = re.findall(r'(?:href|src)="(console/[^"]*)"', page.text)
    assert pending
    seen: set[str] = set()
    while pending:
        path = pending.pop()
        answer = client.get(f"/{path}")
        assert answer.status_code == 200, path
        assert "default-src 'none'" in answer.headers["content-security-policy"], path
        assert answer.headers["x-content-type-options"] == "nosniff", path
        seen.add(path)
        pending += {f"console/{name}" for name in re.findall(r'from "\./([a-z]+\.js)"', answer.text)} - seen
    assert {"console/style.css", "console/search.js", "console/icon.svg"} <= seen
    for link in re.findall(r'href="([a-z]+)"', page.text):
        assert client.get(f"/{link}").status_code == 200, link


def test_a_file_of_the_console_is_sent_again_only_when_it_changed(client: httpx.Client) -> None:
    first = client.get("/console/app.js")
    again = client.get("/console/app.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
    assert client.get("/console/nothing.js").json()["code"] == "NotFound"


def test_the_api_describes_itself(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/compress", "/retrieve", "/v1/turns", "/v1/operations/{operation_id}", "/v1/search", "/v1/entries",
            "/v1/entries/{entry_id}", "/v1/status", "/livez", "/readyz", "/metrics"} <= set(paths)  # fmt: skip
    assert client.get("/docs").status_code == 200
