"""What a real Prometheus sees of the stores of the main job: targets, rules, and every query of the dashboards."""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e import kube
from tests.e2e.prometheus import CHART, Prometheus
from tests.e2e.stores import needs_node, search, tell
from tests.e2e.watched import NAME, WHERE, use, watched_store
from tests.harness.steps import step

pytestmark = [pytest.mark.e2e, needs_node]

VARIABLES = {"$__rate_interval": "1m", "$__range": "1h", "$namespace": WHERE, "$store": NAME}
"""What Grafana fills in; of a store's dashboard; the fleet's shows all namespaces."""
PERIOD = 600.0
"""How much time a drawing of the dashboards shows, in seconds."""
LATER = {f"simplemem:slo_errors:ratio_{window}" for window in ("6h", "1d", "3d")}
"""Recorded every two minutes, which may not have come yet."""


@pytest.fixture
def seen(prometheus: Prometheus | None) -> Prometheus:
    if prometheus is None:
        pytest.skip("no Prometheus on this machine")
    return prometheus


@pytest.fixture(scope="module", autouse=True)
def failing_model(prometheus: Prometheus | None) -> Iterator[Callable[[int], None] | None]:
    """What is watched, as long as something watches; has its language model answer with a status only."""
    if prometheus is None:
        yield None
        return
    with watched_store() as fail_with:
        yield fail_with


def queries() -> list[tuple[str, dict[str, Any]]]:
    """Each panel's name, with its dashboard's, and each of its queries in Grafana's model."""
    return [
        (f"{path.stem}: {panel['title']}", target)
        for path in sorted((CHART / "dashboards").glob("*.json"))
        for panel in json.loads(path.read_text())["panels"]
        for target in panel.get("targets", ())
    ]


def filled(expression: str) -> str:
    expression = expression.replace('=~"$namespace"', '=~".+"')
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
        own = "app.kubernetes.io/managed-by=simplemem-operator,app.kubernetes.io/component!=redis"
        pods = kube.listed("pods", selector=own)
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

    numbers = itertools.count(1)

    def all_answered() -> bool:
        use(next(numbers))
        empty.clear()
        for name, target in queries():
            expression = filled(target["expr"])
            # A share of nothing is no number, and no figure of a panel.
            if not any(math.isfinite(float(series["value"][1])) for series in seen.query(expression)):
                empty.setdefault(name, []).append(expression)
        return not empty

    with step(f"{len(queries())} queries of the dashboards"):
        try:
            kube.eventually(all_answered, within=150, what="data for every panel", every=5)
        except AssertionError as error:
            raise AssertionError(f"no data for {json.dumps(empty, indent=1)}") from error
    if "E2E_DASHBOARDS" in os.environ:
        Path(os.environ["E2E_DASHBOARDS"]).write_text(json.dumps(shown(seen)))


def shown(seen: Prometheus) -> dict[str, list[Any]]:
    """What each query of the dashboards gives, at a moment or over time; `docs.generators.dashboards` draws it."""
    found: dict[str, list[Any]] = {}
    for _, target in queries():
        expression = target["expr"]
        asked = filled(expression)
        found[expression] = seen.query(asked) if target.get("instant") else seen.query_range(asked, PERIOD)
    return found


def test_the_rules_are_evaluated_and_nothing_is_wrong(seen: Prometheus) -> None:
    groups = seen.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 30
    assert {rule["name"]: rule["lastError"] for rule in rules if rule["health"] == "err"} == {}
    # Most alerts wait for minutes before they fire; here they may not even wait.
    try:
        kube.eventually(lambda: not seen.ask("alerts")["alerts"], within=60, what="no alert, not even a pending one")
    except AssertionError:
        print(json.dumps(seen.ask("alerts")["alerts"], indent=1), flush=True)
        raise
    recorded = {rule["name"] for rule in rules if rule["type"] == "recording"}
    assert {name for name in recorded if not seen.query(name)} <= LATER


def test_a_model_that_refuses_is_alerted_with_its_runbook_and_turns_are_still_remembered(
    seen: Prometheus, failing_model: Callable[[int], None]
) -> None:
    failing_model(401)
    with httpx.Client(base_url=kube.service_url(NAME, WHERE), timeout=60) as client:
        turns = [{"id": "refused", "speaker": "Ada", "text": "I sold the gramophone to a collector from Porto."}]
        tell(client, turns, "observer", "refused")

    def fired() -> dict[str, Any] | None:
        of_store = {"alertname": "SimpleMemTurnsDegraded", "namespace": WHERE, "store": NAME}
        alerts = [one for one in seen.ask("alerts")["alerts"] if one["labels"].items() >= of_store.items()]
        return next((one for one in alerts if one["state"] == "firing"), None)

    with step("the model refuses: SimpleMemTurnsDegraded"):
        alert = kube.eventually(fired, within=90, what="the alert")
    assert alert["labels"]["severity"] == "warning"
    assert alert["annotations"]["runbook_url"].endswith("#simplememturnsdegraded")
    results = search(kube.service_url(NAME, WHERE), "To whom was the gramophone sold?", "observer", top_k=1)
    assert [result["sources"] for result in results] == [["refused"]]
