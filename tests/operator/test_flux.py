"""The samples for Flux, and its view of a store by Flux's own evaluator over statuses of the operator."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.conditions import Reason
from tests.harness.build import built
from tests.harness.catalogue import KUBERNETES_VERSION
from tests.operator.test_gitops import health, script, with_condition
from tests.operator.test_status import healthy, status_of
from tests.support.chart import CHART, helm

SAMPLES = Path(__file__).resolve().parents[2] / "manifests" / "flux"


def documents() -> list[dict[str, Any]]:
    return [one for path in sorted(SAMPLES.glob("*.yaml")) for one in yaml.safe_load_all(path.read_text())]


def sample(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in documents() if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


def expressions() -> dict[str, str]:
    found: dict[str, str]
    (found,) = sample("Kustomization", "memory-team-a")["spec"]["healthCheckExprs"]
    assert (found.pop("apiVersion"), found.pop("kind")) == ("simplemem.io/v1alpha1", "MemoryStore")
    return found


def judged(*statuses: Mapping[str, Any] | None, generation: int = 3) -> list[str]:
    """How Flux judges a store with each status."""
    program = built("flux-health")
    if program is None:
        pytest.skip("Flux's evaluator is not built; `make test-flux` builds it")
    metadata = {"name": "notes", "generation": generation}
    objects = [{"metadata": metadata} | ({} if status is None else {"status": status}) for status in statuses]
    asked = json.dumps({"expressions": expressions(), "objects": objects})
    done = subprocess.run([str(program)], input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


WORDS = {"Healthy": "Current", "Suspended": "Current", "Progressing": "InProgress", "Degraded": "Failed"}
"""What Flux calls what Argo CD calls so; `MigrationRequired` alone differs."""


def test_flux_judges_a_store_as_argo_cd_does_and_takes_one_at_rest_for_done() -> None:
    ready, at_rest = status_of(healthy()), status_of(healthy(), suspend=True)
    reasons = [str(reason) for reason in Reason if reason != "MigrationRequired"]
    statuses = [ready, at_rest, *(with_condition(ready, "Ready", "False", reason) for reason in reasons)]
    for kind in ("WritePathHealthy", "IndexHealthy", "BackupSucceeded", "TierFits"):
        statuses += [with_condition(status, kind, "False") for status in (ready, at_rest)]
    expected = [WORDS[health(status)[0]] for status in statuses]
    assert set(expected) == {"Current", "InProgress", "Failed"}
    assert judged(*statuses) == expected


def test_flux_waits_for_the_operator_and_tells_what_needs_somebody() -> None:
    ready = status_of(healthy())
    assert judged(ready, generation=4) == ["InProgress"]
    # Expressions over what is not there yet are errors, which Flux takes for not yet.
    assert judged(None, {}, {"conditions": []}) == ["Error", "Error", "InProgress"]
    assert judged(with_condition(ready, "Ready", "False", "MigrationRequired")) == ["Failed"]


def test_the_samples_for_argo_cd_and_flux_name_the_same_reasons_and_conditions() -> None:
    text = " ".join(expressions().values())
    reasons, kinds = (set(re.findall(r"'(\w+)'", found)) for found in re.findall(r" in \[(.*?)\]", text))
    assert reasons == set(re.findall(r"(\w+) = true", script())) | {"Suspended"}
    assert kinds | {"Ready"} == set(re.findall(r'type == "(\w+)"', script()))


def test_flux_brings_the_operator_under_its_own_name_before_any_tenant() -> None:
    release = sample("HelmRelease", "simplemem-operator")["spec"]
    assert (release["releaseName"], release["targetNamespace"]) == ("simplemem-operator", "simplemem-system")
    # The chart's source is not the stores' repository.
    assert sample(release["chartRef"]["kind"], release["chartRef"]["name"])["spec"]["url"].startswith("oci://")
    operator = sample("Kustomization", "simplemem-operator")["spec"]
    assert operator["wait"]
    tenant = sample("Kustomization", "memory-team-a")["spec"]
    assert tenant["dependsOn"] == [{"name": "simplemem-operator"}]
    for source in (operator["sourceRef"], tenant["sourceRef"]):
        assert sample(source["kind"], source["name"])


def test_the_chart_takes_the_values_of_the_release(tmp_path: Path) -> None:
    release = sample("HelmRelease", "simplemem-operator")["spec"]
    name, namespace, values = release["releaseName"], release["targetNamespace"], release["values"]
    file = tmp_path / "values.yaml"
    words = ("template", name, str(CHART), "-n", namespace, "--kube-version", KUBERNETES_VERSION, "-f", str(file))
    file.write_text(yaml.safe_dump(values))
    done = helm(*words)
    assert done.returncode == 0, done.stderr
    found = {(one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(done.stdout) if one}
    # Release and chart bear one name, so the objects bear it, too.
    assert found["Deployment", name]["metadata"]["namespace"] == namespace
    assert {one["metadata"].get("namespace", namespace) for one in found.values()} == {namespace}
    # What the values ask for is there, and the CRD, which Flux is told to leave to the chart.
    assert ("PrometheusRule", name) in found
    assert ("ConfigMap", f"{name}-dashboard-fleet") in found
    assert ("CustomResourceDefinition", "memorystores.simplemem.io") in found
    file.write_text(yaml.safe_dump({**values, "monitorings": {}}))
    refused = helm(*words)
    assert (refused.returncode != 0, "monitorings" in refused.stderr) == (True, True)


def test_flux_has_a_namespace_for_a_tenant_and_removes_nothing_of_it() -> None:
    tenant = sample("Kustomization", "memory-team-a")["spec"]
    assert tenant["wait"]
    assert (tenant["prune"], tenant["deletionPolicy"]) == (False, "Orphan")
    namespace = sample("Namespace", tenant["targetNamespace"])
    assert namespace["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
