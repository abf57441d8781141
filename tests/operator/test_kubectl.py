"""What `kubectl smem` shows, counts and keeps to itself; against a real API server it runs in tests/cluster."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from simplemem_operator.errors import ApiUnavailableError, ForbiddenError, NotFoundError
from simplemem_operator.kubectl.errors import exit_code_of
from simplemem_operator.kubectl.main import build_parser, run
from simplemem_operator.kubectl.scrub import LAST_APPLIED, REMOVED, clean_object, clean_text
from simplemem_operator.kubectl.stores import advice_of, cost_of, load_of, sum_usage
from simplemem_operator.kubectl.tables import age, render, size

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
SERVER = "http://127.0.0.1:9"


def store(**status: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "team-a", "name": "notes"}, "spec": {"tier": "Minimal"}, "status": status}


def kubeconfig(folder: Path, **context: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(config))
    return str(path)


def test_columns_are_as_wide_as_they_must_be_and_unknown_values_are_dashes() -> None:
    assert render(("NAME", "SIZE"), [("a-long-name", None), ("b", 7)]).splitlines() == [
        "NAME          SIZE",
        "a-long-name   -",
        "b             7",
    ]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, None),
        (0, "0"),
        (1023, "1023"),
        (1536, "1.5Ki"),
        (10 * 1024, "10Ki"),
        (3 << 30, "3.0Gi"),
        (5 << 40, "5.0Ti"),
    ],
)
def test_sizes_are_short(count: int | None, text: str | None) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("since", "text"),
    [
        (None, None),
        ("2026-03-10T11:59:53Z", "7s"),
        ("2026-03-10T11:58:30Z", "90s"),
        ("2026-03-10T11:00:00Z", "60m"),
        ("2026-03-10T02:00:00Z", "10h"),
        ("2026-03-01T12:00:00Z", "9d"),
        ("2026-03-10T12:00:05Z", "0s"),
    ],
)
def test_ages_are_short(since: str | None, text: str | None) -> None:
    assert age(since, NOW) == text


def test_a_store_without_a_status_is_shown_with_what_is_known() -> None:
    fresh = store()
    assert load_of(fresh, {})["tier"] == "Minimal"
    assert {load_of(fresh, {})[key] for key in ("ready", "entries", "cpuMillicores", "monthlyUSD")} == {None}
    assert cost_of(fresh)["items"] == []
    assert advice_of(fresh)["fits"] is None


def test_the_advice_is_the_operators_own() -> None:
    condition = {"type": "TierFits", "status": "False", "message": "too many entries"}
    advice = {"tier": "CostEffective", "reason": "60,000 entries"}
    load = {"days": 7, "turnsPerMonth": 60_000, "queriesPerMonth": 900}
    found = advice_of(store(conditions=[condition], recommendation=advice, load=load))
    assert (found["turnsPerMonth"], found["queriesPerMonth"]) == (60_000, 900)
    assert (found["fits"], found["recommended"], found["reason"]) == ("False", "CostEffective", "60,000 entries")
    assert advice_of(store(conditions=[condition]))["reason"] == "too many entries"


def test_what_was_planned_stands_beside_what_was_measured() -> None:
    planned = [{"name": "server", "monthlyUSD": "30.00", "basis": "one machine"}]
    measured = [
        {"name": "server", "usd": "12.00", "basis": "288 hours"},
        {"name": "models", "usd": "0.50", "basis": "2 calls"},
    ]
    within = {"type": "WithinBudget", "status": "True", "message": "12.50 of 70.00"}
    cost = {
        "monthlyUSD": "30.00",
        "items": planned,
        "catalogue": "built-in",
        "measured": {"month": "2026-03", "usd": "12.50", "items": measured},
    }
    found = cost_of(store(cost=cost, conditions=[within]))
    assert (found["monthlyUSD"], found["soFarUSD"], found["budget"]) == ("30.00", "12.50", "12.50 of 70.00")
    assert {item["name"]: (item["monthlyUSD"], item["soFarUSD"], item["basis"]) for item in found["items"]} == {
        "server": ("30.00", "12.00", "one machine"),
        "models": (None, "0.50", "2 calls"),
    }


def test_usage_is_the_sum_of_all_containers_of_all_pods() -> None:
    labels = {"app.kubernetes.io/name": "simplemem", "app.kubernetes.io/instance": "notes"}
    containers = [{"usage": {"cpu": "150m", "memory": "100Mi"}}, {"usage": {"cpu": "2500000n", "memory": "1024Ki"}}]
    pod = {"metadata": {"namespace": "team-a", "labels": labels}, "containers": containers}
    used = sum_usage([pod, pod])
    assert used == {("team-a", "notes"): (Decimal("0.305"), Decimal(202 * 1024 * 1024))}
    shown = load_of(store(), used)
    assert (shown["cpuMillicores"], shown["memoryBytes"]) == (305, 202 * 1024 * 1024)


@pytest.mark.parametrize(
    "text",
    [
        "redis://user:hunter22@redis:6379/0",
        "Authorization: Bearer hunter22.abc",
        "using sk-ant-hunter22hunter22",
        "key AKIAHUNTER22HUNTER22",
        '{"api_key": "hunter22"}',
        "OPENAI_API_KEY=hunter22",
        "eyJhbGciOiJIUzI1NiJ9.eyJodW50ZXIyMiI6MX0.hunter22",
        "password: hunter22, again",
    ],
)
def test_no_secret_stays_in_a_text(text: str) -> None:
    cleaned = clean_text(text)
    assert REMOVED in cleaned
    assert "hunter22" not in cleaned.lower()


@pytest.mark.parametrize(
    "text",
    [
        "context_tokens: 36",
        "llm_tokens_total{model=x} 5",
        "secretName llm-keys",
        '{"secret": {"name": "x"}}',
        "GET http://notes:80/v1/status 200",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert clean_text(text) == text


def test_an_object_leaves_without_literal_secrets_and_without_copies_of_itself() -> None:
    found = clean_object(
        {
            "metadata": {
                "name": "notes",
                "managedFields": [{"manager": "kubectl"}],
                "annotations": {LAST_APPLIED: "hunter22", "team": "a"},
            },
            "spec": {
                "llm": {"secretName": "llm-keys", "apiBase": "http://me:hunter22@llm:80/v1"},
                "containers": [
                    {
                        "name": "simplemem",
                        "env": [
                            {"name": "OPENAI_API_KEY", "value": "hunter22"},
                            {"name": "OTHER_KEY", "valueFrom": {"secretKeyRef": {"name": "llm-keys", "key": "a"}}},
                            {"name": "SIMPLEMEM_ROLE", "value": "all"},
                        ],
                    }
                ],
                "password": "hunter22",
                "automountServiceAccountToken": False,
            },
        }
    )
    assert "hunter22" not in json.dumps(found)
    assert "managedFields" not in found["metadata"]
    assert found["metadata"]["annotations"]["team"] == "a"
    assert found["spec"]["llm"] == {"secretName": "llm-keys", "apiBase": f"http://{REMOVED}@llm:80/v1"}
    assert found["spec"]["containers"][0]["env"][1:] == [
        {"name": "OTHER_KEY", "valueFrom": {"secretKeyRef": {"name": "llm-keys", "key": "a"}}},
        {"name": "SIMPLEMEM_ROLE", "value": "all"},
    ]
    assert found["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    ("error", "code"), [(ForbiddenError("x"), 4), (ApiUnavailableError("x"), 3), (NotFoundError("x"), 1)]
)
def test_exit_codes_tell_causes_apart(error: Any, code: int) -> None:
    assert exit_code_of(error) == code


def test_an_api_server_that_is_away_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--kubeconfig", kubeconfig(tmp_path)]) == 3
    assert "the API server does not answer" in capsys.readouterr().err


def test_missing_credentials_name_the_next_step(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["top", "--kubeconfig", str(tmp_path / "none")]) == 2
    assert "--kubeconfig" in capsys.readouterr().err
    assert run(["top", "--kubeconfig", kubeconfig(tmp_path), "--context", "there"]) == 2
    assert "no context 'there'" in capsys.readouterr().err


def test_every_command_is_documented() -> None:
    (commands,) = (action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    page = (ROOT / "docs" / "kubectl.md").read_text()
    assert len(commands.choices) == 6
    for name in commands.choices:
        assert f"`{name}" in page, name


@pytest.mark.parametrize("arguments", [[], ["logs"], ["search", "notes"], ["top", "-A", "-n", "x"], ["nothing"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        run(arguments)
    assert raised.value.code == 2
    assert "usage: kubectl smem" in capsys.readouterr().err
