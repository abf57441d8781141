"""What a real Prometheus sees of the stores of the main job: targets, rules, and every query of the dashboards."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.prometheus import CHART, Prometheus
from tests.e2e.stores import needs_node
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

TOKEN = {"Authorization": "Bearer e2e-token"}
"""Of team-a/notes."""
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$namespace": "team-a", "$store": "notes"}
"""What Grafana fills in; of a store's dashboard. The fleet's namespace may be several."""
WITHOUT_DATA = {
    "operator: Not ready": "all stores are ready",
    "store: Cache hits": "the stores have no Redis",
    "store: Encoded for storing": "counted where there may be embedding pods",
    "store: Tokens": "the stores call no language model",
    "store: Spent": "the stores call no language model",
    "fleet: Spent on language models": "the stores call no language model",
}
"""Panels that rightly show nothing here, and why."""
LATER = {f"simplemem:slo_errors:ratio_{window}" for window in ("6h", "1d", "3d")}
"""Recorded every two minutes, which may not have come yet."""


@pytest.fixture
def seen(prometheus: Prometheus | None) -> Prometheus:
    if prometheus is None:
        pytest.skip("no Prometheus on this machine")
    return prometheus


def use_the_store() -> None:
    """Give the store something to count."""
    url = kube.service_url("notes", "team-a")
    with httpx.Client(base_url=url, timeout=60, headers=TOKEN) as client:
        turns = [{"id": "o1", "speaker": "Ada", "text": "I bought a telescope in Lisbon on Friday."}]
        client.post("/v1/turns", json={"user_id": "observer", "session_id": "s", "turns": turns}).raise_for_status()
        for number in range(5):
            body = {"query": f"What did Ada buy, question {number}?", "filter": {"user_id": "observer"}}
            client.post("/v1/search", json=body).raise_for_status()


def panels() -> list[tuple[str, str]]:
    """Each panel's name, with its dashboard's, and each of its queries."""
    return [
        (f"{path.stem}: {panel['title']}", target["expr"])
        for path in sorted((CHART / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", ())
    ]


def filled(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def test_all_pods_of_operator_and_stores_are_scraped(seen: Prometheus) -> None:
    def targets() -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {"simplemem-operator": [], "simplemem-store": []}
        for target in seen.targets():
            found[target["labels"]["job"]].append(target)
        return found

    def running() -> set[str]:
        pods = kube.listed("pods", selector="app.kubernetes.io/managed-by=simplemem-operator")
        return {pod["metadata"]["name"] for pod in pods if pod["status"]["phase"] == "Running"}

    def all_are_up() -> bool:
        found = targets()
        stores = {one["labels"]["pod"] for one in found["simplemem-store"]}
        is_up = all(one["health"] == "up" for ones in found.values() for one in ones)
        return is_up and stores == running() and len(found["simplemem-operator"]) == 1

    kube.eventually(all_are_up, within=90, what="every pod a target that is up")
    (labels,) = [one["labels"] for one in targets()["simplemem-store"] if one["labels"]["store"] == "notes"]
    assert (labels["namespace"], labels["component"]) == ("team-a", "retrieval")


def test_every_panel_of_the_dashboards_shows_something(seen: Prometheus) -> None:
    empty: dict[str, list[str]] = {}

    def all_answered() -> bool:
        use_the_store()
        empty.clear()
        asked = [(name, filled(expression)) for name, expression in panels()]
        for name, expression in asked:
            if name not in WITHOUT_DATA and not seen.query(expression):
                empty.setdefault(name, []).append(expression)
        return not empty

    with step(f"{len(panels())} queries of the dashboards"):
        try:
            kube.eventually(all_answered, within=150, what="data for every panel", every=5)
        except AssertionError as error:
            raise AssertionError(f"no data for {json.dumps(empty, indent=1)}") from error


def test_the_rules_are_evaluated_and_nothing_is_wrong(seen: Prometheus) -> None:
    groups = seen.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] == "err"} == {}
    # Most alerts wait for minutes before they fire; here they may not even wait.
    kube.eventually(lambda: not seen.ask("alerts")["alerts"], within=60, what="no alert, not even a pending one")
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    assert {name for name in recorded if not seen.query(name)} <= LATER
