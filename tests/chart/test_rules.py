"""Every alert fires when it should and not before, leads to its runbook, and asks for nothing that nobody counts.

The rules are those that the chart renders, and a real promtool runs them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.conditions import ConditionType, Reason
from tests.chart.alert_cases import CASES, Case
from tests.support.chart import ROOT, helm, rule_groups, template
from tests.support.metrics import registered, used
from tests.support.tools import tool

RUNBOOKS = ROOT / "docs" / "runbooks.md"


def rules() -> Iterator[dict[str, Any]]:
    for group in rule_groups():
        yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def promtool(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tool("prometheus", "promtool"), *args], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def rules_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": rule_groups()}))
    return path


def firing(case: Case, at: str, *, expected: bool) -> dict[str, Any]:
    labels = {**case.labels, "severity": case.severity}
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return {
        "expr": f'max by ({",".join(labels)}) (ALERTS{{alertname="{case.alert}",alertstate="firing"}})',
        "eval_time": at,
        "exp_samples": [{"labels": f"{{{inner}}}", "value": 1}] if expected else [],
    }


@cache
def links() -> dict[str, str]:
    return {rule["alert"]: rule["annotations"]["runbook_url"] for rule in alerts()}


def saying(case: Case, annotations: dict[str, str]) -> list[dict[str, Any]]:
    labels = {**case.labels, "severity": case.severity}
    expected = {"exp_labels": labels, "exp_annotations": {**annotations, "runbook_url": links()[case.alert]}}
    return [{"eval_time": case.fires_at, "alertname": case.alert, "exp_alerts": [expected]}]


def scenario(name: str, case: Case, series: dict[str, str], checks: list[dict[str, Any]]) -> dict[str, Any]:
    rows = [{"series": key, "values": values} for key, values in series.items()]
    return {"name": name, "interval": case.step, "input_series": rows, "promql_expr_test": checks}


def test_the_rules_are_valid(rules_file: Path) -> None:
    done = promtool("check", "rules", rules_file)
    assert done.returncode == 0, done.stdout + done.stderr


def by_looks() -> list[tuple[str, list[Case]]]:
    """The cases by how often the rules are looked at."""
    found: dict[str, list[Case]] = {}
    for case in CASES:
        found.setdefault(case.looks or case.step, []).append(case)
    return list(found.items())


def judge(rules_file: Path, looks: str, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    path = rules_file.with_name(f"cases-{looks}.yaml")
    # Alerts read what others record; at long intervals a record of the look before has lapsed.
    order = [group["name"] for group in rule_groups()]
    head = {"rule_files": [rules_file.name], "evaluation_interval": looks, "group_eval_order": order}
    path.write_text(yaml.safe_dump({**head, "tests": tests}))
    return promtool("test", "rules", path)


def test_every_alert_fires_in_time_and_stays_silent_while_all_is_well(rules_file: Path) -> None:
    for looks, cases in by_looks():
        tests = []
        for case in cases:
            checks = [firing(case, case.silent_at, expected=False), firing(case, case.fires_at, expected=True)]
            says = saying(case, case.annotations) if case.annotations else []
            tests.append(scenario(f"{case.alert} fires", case, case.fires, checks) | {"alert_rule_test": says})
            checks = [firing(case, case.fires_at, expected=False)]
            tests.append(scenario(f"{case.alert} stays silent", case, case.healthy, checks))
        done = judge(rules_file, looks, tests)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_can_say_what_it_has_to(rules_file: Path) -> None:
    said: list[tuple[str, str]] = []
    for looks, cases in by_looks():
        # What none of them says, so that promtool repeats what they do.
        tests = [
            scenario(case.alert, case, case.fires, []) | {"alert_rule_test": saying(case, {"summary": ""})}
            for case in cases
        ]
        done = judge(rules_file, looks, tests)
        for found in (done.stdout + done.stderr).split("got:[")[1:]:
            said += re.findall(r'Labels:\{alertname="(\w+)".*\n\s*Annotations:(\{.*\})', found.split("exp:[")[0])
    assert sorted(alert for alert, _ in said) == sorted(case.alert for case in CASES)
    assert [text for _, text in said if "error expanding" in text or "<no value>" in text] == []


def test_every_alert_has_a_case() -> None:
    assert {case.alert for case in CASES} == {rule["alert"] for rule in alerts()}
    assert all(case.healthy for case in CASES)


def test_every_alert_says_what_is_wrong_and_leads_to_its_runbook() -> None:
    anchors = {line.removeprefix("## ").lower() for line in RUNBOOKS.read_text().splitlines() if line.startswith("## ")}
    for rule in alerts():
        notes = rule["annotations"]
        assert notes["summary"].endswith("."), rule["alert"]
        assert notes["description"].endswith("."), rule["alert"]
        _, anchor = notes["runbook_url"].split("#")
        assert anchor == rule["alert"].lower()
        assert anchor in anchors, f"docs/runbooks.md has no part '{rule['alert']}'"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_no_runbook_is_about_an_alert_that_is_gone() -> None:
    told = set(re.findall(r"^## (SimpleMem\w+)$", RUNBOOKS.read_text(), re.MULTILINE))
    assert told == {rule["alert"] for rule in alerts()}


def test_rules_use_only_what_operator_and_service_count() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    for rule in rules():
        assert used(rule["expr"]) <= registered() | recorded, rule.get("alert") or rule.get("record")


def test_rules_know_only_conditions_and_reasons_that_exist() -> None:
    for rule in rules():
        types = set(re.findall(r'type="(\w+)"', rule["expr"]))
        reasons = {word for found in re.findall(r'reason!?=~?"([\w|]+)"', rule["expr"]) for word in found.split("|")}
        assert types <= {str(kind) for kind in ConditionType}
        assert reasons <= {str(reason) for reason in Reason}


def test_no_word_in_capitals_is_left_unfilled() -> None:
    text = yaml.safe_dump(rule_groups())
    assert not re.findall(r"\b[A-Z]+_[A-Z_]+\b", text)


def test_values_reach_the_rules() -> None:
    groups = rule_groups(
        "resyncSeconds=1200",
        "monitoring.rules.queueSeconds=90",
        "monitoring.rules.tokenDays=3",
        "monitoring.rules.certificateDays=0",
        "monitoring.rules.disabled={SimpleMemTierDoesNotFit}",
        "monitoring.rules.alertLabels.team=memory",
        "monitoring.rules.objectives.searchSeconds=0.05",
    )
    found = {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}
    assert "> 90" in found["SimpleMemQueueOld"]["expr"]
    assert found["SimpleMemTokenExpires"]["expr"].endswith("< 259200")
    assert found["SimpleMemCertificateExpires"]["expr"].endswith("< 0")
    assert "[3600s]" in found["SimpleMemOperatorStalled"]["expr"]
    assert "SimpleMemTierDoesNotFit" not in found
    assert {rule["labels"]["team"] for rule in found.values()} == {"memory"}
    assert 'le="0.05"' in str(groups)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("monitoring.rules.objectives.availability=1.5", "availability"),
        ("monitoring.rules.objectives.searchSeconds=0.3", "searchSeconds"),
        ("monitoring.rules.disabled={Nope}", "disabled"),
        ("monitoring.rules.runbookUrl=ftp://x", "runbookUrl"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, named: str) -> None:
    done = helm("template", "mem", str(ROOT / "charts" / "simplemem-operator"), "--set-string", value)
    assert done.returncode != 0
    assert named in done.stderr


def test_the_pods_of_all_stores_are_found_by_the_names_that_rules_use() -> None:
    (monitor,) = (item for item in template("monitoring.podMonitor.enabled=true") if item["kind"] == "PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert {item["targetLabel"] for item in endpoint["relabelings"]} == {"job", "store", "component"}


def test_only_watched_namespaces_are_scraped() -> None:
    found = template("monitoring.podMonitor.enabled=true", "watchNamespaces={team-a}")
    (monitor,) = (item for item in found if item["kind"] == "PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["team-a"]}
