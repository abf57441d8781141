"""Argo CD's samples, and its view of a store by their script in a real Lua interpreter over statuses of it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.conditions import ConditionType, Reason
from simplemem_operator.models.observed import Observed, SecretState
from tests.operator.test_status import claim, deployment, healthy, pod, status_of
from tests.support.tools import tool

MANIFESTS = Path(__file__).resolve().parents[2] / "manifests"
WAVE = "argocd.argoproj.io/sync-wave"


def setting(key: str) -> str:
    """What `argocd-cm.yaml` says under ``resource.customizations``."""
    data = yaml.safe_load((MANIFESTS / "argocd" / "argocd-cm.yaml").read_text())["data"]
    text: str = data[f"resource.customizations.{key}"]
    return text


def script(kind: str = "simplemem.io_MemoryStore") -> str:
    return setting(f"health.{kind}")


def sample(name: str) -> dict[str, Any]:
    """The one object of a file of `manifests/argocd`."""
    found: dict[str, Any] = yaml.safe_load((MANIFESTS / "argocd" / name).read_text())
    return found


def as_lua(value: Any) -> str:
    """A value as a literal of Lua."""
    match value:
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            return "{" + ", ".join(f"[{as_lua(key)}] = {as_lua(item)}" for key, item in value.items()) + "}"
        case list() | tuple():
            return "{" + ", ".join(as_lua(item) for item in value) + "}"
        case _:
            return str(value)


def health(status: Mapping[str, Any] | None, generation: int = 3, **metadata: Any) -> tuple[str, str]:
    """Status and message that Argo CD shows."""
    found = {"metadata": {"name": "notes", "generation": generation, **metadata}, "status": status}
    return judged(found, script())


def judged(found: Mapping[str, Any], script: str) -> tuple[str, str]:
    """Status and message that a script gives for an object."""
    program = f"local obj = {as_lua(found)}\nlocal function check()\n{script}\nend\n"
    program += 'local health = check()\nio.write(health.status, "|", health.message)\n'
    lua = [str(tool("lua5.4", "lua5.4")), "-"]
    done = subprocess.run(lua, input=program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    word, _, message = done.stdout.partition("|")
    return word, message


def test_a_store_is_progressing_until_the_operator_has_seen_it() -> None:
    assert health(None)[0] == "Progressing"
    assert health({})[0] == "Progressing"
    seen = status_of(healthy())
    assert health(seen, generation=4) == ("Progressing", "waiting for the operator to see the last edit")
    assert health(seen, deletionTimestamp="2026-03-01T12:00:00Z") == ("Progressing", "being removed")


def test_a_store_that_answers_is_healthy() -> None:
    assert health(status_of(healthy())) == ("Healthy", "Ready: the store answers")


@pytest.mark.parametrize(
    ("observed", "spec", "expected"),
    [
        (Observed((deployment(ready=0), claim()), pods=(pod(),)), {}, "Progressing"),
        (Observed((deployment(), claim("Pending")), pods=(pod(),)), {}, "Progressing"),
        (Observed(()), {}, "Progressing"),
        (healthy(), {"suspend": True}, "Suspended"),
        (Observed((), secrets=(SecretState("keys", is_there=False),)), {}, "Degraded"),
        (Observed((), foreign=("Service/notes",)), {}, "Degraded"),
        (Observed((deployment(ready=0), claim()), pods=(pod(waiting="ErrImagePull: no such image"),)), {}, "Degraded"),
    ],
)
def test_what_passes_by_itself_is_progress_and_what_needs_somebody_is_not(
    observed: Observed, spec: dict[str, Any], expected: str
) -> None:
    assert health(status_of(observed, **spec))[0] == expected


def with_condition(status: Mapping[str, Any], kind: str, state: str, reason: str = "Why") -> dict[str, Any]:
    """A status with another condition of a kind."""
    others = [found for found in status["conditions"] if found["type"] != kind]
    other = {"type": kind, "status": state, "reason": reason, "message": 'the "cause"'}
    return {**status, "conditions": [*others, other]}


@pytest.mark.parametrize("kind", ["WritePathHealthy", "IndexHealthy", "BackupSucceeded"])
def test_a_store_that_answers_and_fails_otherwise_is_degraded(kind: str) -> None:
    assert health(with_condition(status_of(healthy()), kind, "False")) == ("Degraded", 'Why: the "cause"')
    assert kind in {str(found) for found in ConditionType}


def test_the_script_names_reasons_and_conditions_that_exist() -> None:
    reasons = set(re.findall(r"(\w+) = true", script())) | set(re.findall(r'reason == "(\w+)"', script()))
    assert len(reasons) == 8
    assert reasons <= {str(reason) for reason in Reason}
    types = set(re.findall(r'type == "(\w+)"', script()))
    assert len(types) == 4
    assert types <= {str(kind) for kind in ConditionType}


SYNCED = {"sync": {"status": "Synced"}, "health": {"status": "Healthy"}}
BEHIND = {"sync": {"status": "OutOfSync"}, "health": {"status": "Healthy"}}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (None, "Progressing"),
        ({}, "Progressing"),
        ({"sync": {"status": "Unknown"}, "health": {}}, "Progressing"),
        ({"sync": {"status": "OutOfSync"}, "health": {"status": "Missing"}}, "Missing"),
        ({"sync": {"status": "Synced"}, "health": {"status": "Progressing", "message": "a pod starts"}}, "Progressing"),
        ({"sync": {"status": "Synced"}, "health": {"status": "Degraded"}}, "Degraded"),
        # Some of it is not there, which Argo CD 3.5 does not count.
        (BEHIND, "Progressing"),
        ({**BEHIND, "operationState": {"phase": "Failed"}}, "Progressing"),
        (SYNCED, "Healthy"),
        ({**BEHIND, "operationState": {"phase": "Succeeded"}}, "Healthy"),
    ],
)
def test_a_wave_waits_until_an_application_is_synced_and_healthy(status: dict[str, Any] | None, expected: str) -> None:
    application = {"metadata": {"name": "simplemem-operator"}, "status": status}
    assert judged(application, script("argoproj.io_Application"))[0] == expected


def test_the_root_application_brings_the_operator_before_the_stores() -> None:
    root = sample("root.yaml")
    names = re.findall(r"\w+\.yaml", root["spec"]["source"]["directory"]["include"])
    children = [sample(name) for name in names]
    assert [child["kind"] for child in children] == ["Application", "ApplicationSet"]
    assert [child["metadata"]["annotations"][WAVE] for child in children] == ["0", "1"]
    # A wave of what a set makes orders nothing.
    assert WAVE not in children[1]["spec"]["template"]["metadata"].get("annotations", {})


def test_argo_cd_leaves_to_autoscalers_what_they_have_written() -> None:
    ignored = yaml.safe_load(setting("ignoreDifferences.simplemem.io_MemoryStore"))
    assert ignored == {"managedFieldsManagers": ["kube-controller-manager"]}
    options = sample("applicationset.yaml")["spec"]["template"]["spec"]["syncPolicy"]["syncOptions"]
    assert "RespectIgnoreDifferences=true" in options


def test_a_set_of_tenants_removes_nothing_of_them() -> None:
    tenants = sample("applicationset.yaml")["spec"]
    assert tenants["syncPolicy"]["preserveResourcesOnDeletion"]
    assert tenants["template"]["spec"]["syncPolicy"]["automated"]["prune"] is False
