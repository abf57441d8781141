"""Argo CD's view of a store, by the script of the manifests in a real Lua interpreter over statuses of the operator."""

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
KEY = "resource.customizations.health.simplemem.io_MemoryStore"


def script() -> str:
    text: str = yaml.safe_load((MANIFESTS / "argocd" / "argocd-cm.yaml").read_text())["data"][KEY]
    return text


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
    program = f"local obj = {as_lua(found)}\nlocal function check()\n{script()}\nend\n"
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


@pytest.mark.parametrize("kind", ["WritePathHealthy", "IndexHealthy", "BackupSucceeded"])
def test_a_store_that_answers_and_fails_otherwise_is_degraded(kind: str) -> None:
    status = status_of(healthy())
    others = [found for found in status["conditions"] if found["type"] != kind]
    failing = {"type": kind, "status": "False", "reason": "Why", "message": 'the "cause"'}
    assert health({**status, "conditions": [*others, failing]}) == ("Degraded", 'Why: the "cause"')
    assert kind in {str(found) for found in ConditionType}


def test_the_script_names_reasons_and_conditions_that_exist() -> None:
    reasons = set(re.findall(r"(\w+) = true", script())) | set(re.findall(r'reason == "(\w+)"', script()))
    assert len(reasons) == 8
    assert reasons <= {str(reason) for reason in Reason}
    types = set(re.findall(r'type == "(\w+)"', script()))
    assert len(types) == 4
    assert types <= {str(kind) for kind in ConditionType}


def test_samples_hold_what_argo_cd_and_flux_expect() -> None:
    documents = [
        document
        for path in sorted([*(MANIFESTS / "argocd").glob("*.yaml"), *(MANIFESTS / "flux").glob("*.yaml")])
        for document in yaml.safe_load_all(path.read_text())
    ]
    assert {document["kind"] for document in documents} == {
        "Application", "ApplicationSet", "ConfigMap", "GitRepository", "HelmRelease", "Kustomization",
    }  # fmt: skip
    (tenants,) = [document for document in documents if document["kind"] == "ApplicationSet"]
    assert tenants["spec"]["syncPolicy"]["preserveResourcesOnDeletion"]
    assert tenants["spec"]["template"]["spec"]["syncPolicy"]["automated"]["prune"] is False
