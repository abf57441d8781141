"""The chart renders what its values say, refuses wrong ones, and its objects are valid for a real API server."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.load import load_store
from tests.support.chart import CHART, helm, template


def is_hook(document: dict[str, Any]) -> bool:
    return "helm.sh/hook" in document["metadata"].get("annotations", {})


def kinds(*sets: str) -> list[str]:
    """What an installation makes."""
    return sorted(document["kind"] for document in template(*sets) if not is_hook(document))


def one(kind: str, *sets: str) -> dict[str, Any]:
    return next(document for document in template(*sets) if document["kind"] == kind)


def container(*sets: str) -> dict[str, Any]:
    found: dict[str, Any] = one("Deployment", *sets)["spec"]["template"]["spec"]["containers"][0]
    return found


def test_lint_finds_nothing() -> None:
    done = helm("lint", "--strict", str(CHART))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_default_values_give_the_whole_operator() -> None:
    assert kinds() == [
        "ClusterRole", "ClusterRole", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Deployment",
        "NetworkPolicy", "Service", "ServiceAccount",
    ]  # fmt: skip


def test_one_replica_is_never_joined_by_a_second() -> None:
    spec = one("Deployment")["spec"]
    assert (spec["replicas"], spec["strategy"]["type"]) == (1, "Recreate")


def test_the_crd_is_the_generated_one_and_survives_an_uninstall() -> None:
    crd = one("CustomResourceDefinition")
    assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert crd == yaml.safe_load((CHART.parents[1] / "crds" / "memorystore.yaml").read_text())


def test_the_crd_can_be_left_to_others() -> None:
    assert "CustomResourceDefinition" not in kinds("crds.enabled=false")


def test_named_namespaces_get_roles_instead_of_a_cluster_role() -> None:
    found = kinds("watchNamespaces={team-a,team-b}")
    assert "ClusterRole" not in found
    assert (found.count("Role"), found.count("RoleBinding")) == (2, 2)
    assert "--namespace=team-a" in container("watchNamespaces={team-a,team-b}")["args"]


def test_namespaces_of_other_operators_are_left_out_of_all_and_only_of_all() -> None:
    assert "--ignore-namespace=team-a" in container("ignoreNamespaces={team-a}")["args"]
    args = container("ignoreNamespaces={team-a}", "watchNamespaces={team-b}")["args"]
    assert "--namespace=team-b" in args
    assert "--ignore-namespace=team-a" not in args


def test_a_selector_of_stores_reaches_the_operator() -> None:
    assert "--selector=region in (east)" in container("storeSelector=region in (east)")["args"]
    assert not [word for word in container()["args"] if word.startswith("--selector")]


def test_no_role_allows_everything() -> None:
    for rule in one("ClusterRole")["rules"]:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]


def test_secrets_are_only_read() -> None:
    rules = [rule for rule in one("ClusterRole")["rules"] if "secrets" in rule["resources"]]
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list", "watch"}


def test_the_pod_passes_the_restricted_standard() -> None:
    pod = one("Deployment")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_digest_wins_over_a_tag() -> None:
    digest = f"sha256:{'a' * 64}"
    assert container(f"image.digest={digest}", "image.tag=x")["image"].endswith(f"@{digest}")
    assert container("image.tag=x")["image"].endswith(":x")


def test_a_service_monitor_is_made_when_asked_for() -> None:
    (endpoint,) = one("ServiceMonitor", "metrics.serviceMonitor.enabled=true")["spec"]["endpoints"]
    # What is told about a store keeps the store's namespace.
    assert (endpoint["port"], endpoint["honorLabels"]) == ("metrics", True)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("resyncSeconds=1", "resyncSeconds"),
        ("logLevel=LOUD", "logLevel"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("watchNamespaces={Team}", "watchNamespaces"),
        ("ignoreNamespaces={Team}", "ignoreNamespaces"),
        ("replicas=2", "replicas"),
        ("serviceImage.digest=latest", "digest"),
    ],
)
def test_a_wrong_value_is_refused_by_name(value: str, named: str) -> None:
    done = helm("template", "mem", str(CHART), "--kube-version", "1.35.4", "--set", value)
    assert done.returncode != 0
    assert named in done.stderr


def test_a_service_account_of_ones_own_needs_its_name() -> None:
    done = helm("template", "mem", str(CHART), "--kube-version", "1.35.4", "--set", "serviceAccount.create=false")
    assert "serviceAccount.name is needed" in done.stderr
    assert "ServiceAccount" not in kinds("serviceAccount.create=false", "serviceAccount.name=mine")


@pytest.fixture
def notes(tmp_path: Path) -> Callable[..., str]:
    """What helm says after an installation; it tells it to a cluster only, so here by way of an object."""
    chart = Path(shutil.copytree(CHART, tmp_path / CHART.name))
    shutil.move(chart / "templates" / "NOTES.txt", chart / "NOTES.txt")
    shown = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "notes"}, "data": {"notes": "HERE"}}
    text = yaml.safe_dump(shown).replace("HERE", '{{ tpl (.Files.Get "NOTES.txt") . | toJson }}')
    (chart / "templates" / "notes.yaml").write_text(text)

    def render(*sets: str) -> str:
        flags = [part for value in sets for part in ("--set", value)]
        place = ("-n", "ops", "--kube-version", "1.35.4", "--show-only", "templates/notes.yaml")
        done = helm("template", "mem", str(chart), *place, *flags)
        assert done.returncode == 0, done.stderr
        return str(yaml.safe_load(done.stdout)["data"]["notes"])

    return render


def test_the_notes_hold_a_store_that_reads(notes: Callable[..., str]) -> None:
    text = notes().split("<<'YAML'\n", 1)[1].split("  YAML\n", 1)[0]
    assert load_store(text).spec.tier == "Minimal"


def test_the_notes_make_a_store_that_the_operator_looks_after(notes: Callable[..., str]) -> None:
    assert "kubectl apply -f -" in notes()
    assert "helm test mem -n ops --logs" in notes()
    there = notes("watchNamespaces={team-a,team-b}")
    assert "kubectl apply -n team-a -f -" in there
    assert "wait -n team-a --for" in there
    assert "kubectl apply -n ops -f -" in notes("scope=Namespaced")
    assert 'match "region=east"' in notes("storeSelector=region=east")
    assert "to others: team-c" in notes("ignoreNamespaces={team-c}")


def test_stores_are_scraped_in_one_way_only() -> None:
    both = ("--set", "monitoring.podMonitor.enabled=true,monitoring.serviceMonitors.enabled=true")
    done = helm("template", "mem", str(CHART), "--kube-version", "1.35.4", *both)
    assert "one must be false" in done.stderr


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"minReplicas": 2, "maxReplicas": 3}, "keda.prometheus is empty"),
        ({"minReplicas": 3, "maxReplicas": 2}, "product has maxReplicas 2; it must be at least minReplicas, 3"),
    ],
)
def test_what_keda_cannot_do_is_said(values: dict[str, int], words: str) -> None:
    keda = {"prometheus": "http://p" if values["maxReplicas"] < 3 else "", "stores": [{"name": "product", **values}]}
    done = helm("template", "mem", str(CHART), "--kube-version", "1.35.4", "--set-json", f"keda={json.dumps(keda)}")
    assert words in done.stderr


def test_the_chart_can_be_a_part_of_another(tmp_path: Path) -> None:
    (tmp_path / "charts").mkdir()
    shutil.copytree(CHART, tmp_path / "charts" / CHART.name)
    dependency = {"name": CHART.name, "version": "0.1.0", "condition": f"{CHART.name}.enabled"}
    about = {"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(about))
    for is_enabled in (True, False):
        flags = ("--set", f"{CHART.name}.enabled={str(is_enabled).lower()}", "--kube-version", "1.35.4")
        done = helm("template", "mem", str(tmp_path), *flags)
        assert (done.returncode, "kind: Deployment" in done.stdout) == (0, is_enabled), done.stderr


def test_a_helm_test_is_made_of_hooks_and_may_touch_its_own_store_only() -> None:
    hooks = [document for document in template() if is_hook(document)]
    assert sorted(hook["kind"] for hook in hooks) == ["Pod", "Role", "RoleBinding", "ServiceAccount"]
    (rules,) = [hook["rules"] for hook in hooks if hook["kind"] == "Role"]
    assert [(rule["verbs"], rule.get("resourceNames")) for rule in rules] == [
        (["create"], None),
        (["get", "delete"], ["mem-test"]),
        (["get"], ["mem-test-data"]),
    ]
    assert not [document for document in template("tests.enabled=false") if is_hook(document)]


def test_the_store_of_a_helm_test_lies_where_the_operator_looks() -> None:
    sets = ("watchNamespaces={team-a,team-b}", "tests.storeLabels.region=east")
    (pod,) = [document for document in template(*sets) if document["kind"] == "Pod"]
    assert pod["spec"]["containers"][0]["args"][1:] == ["team-a", "mem-test", '{"region":"east"}']
