"""Every value is described and bounded, a wrong one is refused by its name, and the generated files are fresh."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from tests.support.chart import CHART, ROOT, helm

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
README = (CHART / "README.md").read_text()
WRONG = {"string": 5, "integer": "x", "boolean": "yes", "array": {}, "object": [], "number": "x"}
"""For each type a value that is of none that a chart would take for it."""


def followed(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = SCHEMA["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def leaves(values: dict[str, Any], schema: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Values that are set as a whole: those whose own fields the chart does not name in values.yaml."""
    for name, value in values.items():
        path = (*at, name)
        if isinstance(value, dict) and value and ".".join(path) not in WHOLE:
            yield from leaves(value, followed(schema["properties"][name]), path)
        else:
            yield path


WHOLE = {"resources", "podSecurityContext", "securityContext", "monitoring.dashboards.labels"}
"""Values with fields of Kubernetes' own or of the user's."""
PATHS = [".".join(path) for path in leaves(VALUES, SCHEMA)]


def schema_of(path: str) -> dict[str, Any]:
    node = SCHEMA
    for name in path.split("."):
        node = followed(node["properties"][name])
    return node


def changed(path: str, value: Any) -> dict[str, Any]:
    """The default values with one of them set to another."""
    found = copy.deepcopy(VALUES)
    *parents, name = path.split(".")
    node = found
    for parent in parents:
        node = node[parent]
    node[name] = value
    return found


def test_the_default_values_are_valid() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(VALUES)


@pytest.mark.parametrize("path", PATHS)
def test_a_value_is_described_and_refuses_another_type(path: str) -> None:
    assert f"| `{path}` |" in README
    node = schema_of(path)
    wrong = "none of these" if "enum" in node else WRONG[node["type"]]
    (error,) = Draft202012Validator(SCHEMA).iter_errors(changed(path, wrong))
    assert ".".join(str(part) for part in error.absolute_path) == path


def test_the_schema_knows_no_value_that_the_chart_lacks() -> None:
    def properties(node: dict[str, Any], values: dict[str, Any], at: str = "") -> Iterator[str]:
        for name, child in followed(node).get("properties", {}).items():
            path = f"{at}{name}"
            if path in {"global", "enabled"} or at.rstrip(".") in WHOLE or at.startswith("prices."):
                continue
            if name not in values:
                yield path
            elif isinstance(values[name], dict):
                yield from properties(child, values[name], f"{path}.")

    unknown = set(properties(SCHEMA, VALUES))
    # Fields of what is empty until somebody sets it.
    assert {path.partition(".")[0] for path in unknown} <= {"affinity", "prices"}


def objects(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    node = followed(node)
    if "properties" in node:
        yield node
    children = [*node.get("properties", {}).values(), *(node[key] for key in ("items",) if key in node)]
    for child in children:
        yield from objects(child)


def test_no_object_takes_a_field_that_it_does_not_know() -> None:
    found = list(objects(SCHEMA))
    assert len(found) > 20
    assert [node for node in found if node.get("additionalProperties") is not False and "cidr" not in str(node)] == []


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("networkPolcy.enabled=false", ("networkPolcy", "additional properties")),
        ("securityContext.readOnlyRootFileSystem=true", ("securityContext", "readOnlyRootFileSystem")),
        ("tolerations[0].effects=NoSchedule", ("tolerations/0", "effects")),
        ("resources.limits.memory=512MB", ("resources/limits/memory", "does not match pattern")),
        ("keda.stores[0].name=product,keda.stores[0].minReplicas=2", ("keda/stores/0", "maxReplicas")),
        ("imageRegistry=https://registry.example.com", ("imageRegistry", "does not match pattern")),
        ("imagePullSecrets={mirror}", ("imagePullSecrets/0", "want object")),
        ("scope=Namespace", ("scope", "'Cluster', 'Namespaced'")),
        ("image.digest=sha256:abc", ("image/digest", "does not match pattern")),
        ("commonLabels.team=a b", ("commonLabels/team", "does not match pattern")),
        ("networkPolicy.egress.apiServerPorts={0}", ("apiServerPorts/0", "minimum: got 0, want 1")),
        ("networkPolicy.egress.apiServerCIDRs={10.0.0.1}", ("apiServerCIDRs/0", "does not match pattern")),
        ("topologySpreadConstraints[0].maxSkew=1", ("topologySpreadConstraints/0", "topologyKey")),
        ("fullnameOverride=My_Memory", ("fullnameOverride", "does not match pattern")),
        ("metrics.serviceMonitor.scrapeTimeout=10", ("scrapeTimeout", "want string")),
    ],
)
def test_helm_names_the_value_and_what_must_hold(value: str, words: tuple[str, ...]) -> None:
    done = helm("template", "mem", str(CHART), "--kube-version", "1.35.4", "--set", value)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr
    for word in words:
        assert word in done.stderr


def test_what_is_generated_is_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "charts.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
