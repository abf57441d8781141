"""Write what follows from other files of the chart: its README, and the annotations that Artifact Hub shows.

The README's table is made from values.yaml and values.schema.json: a comment that begins with `# --` describes the
value below it, and goes on in the comment lines that follow. Run by `make generate`.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from charts.artifact_hub import render_chart
from docs.generators.output import write_outputs

CHART = Path(__file__).resolve().parent / "simplemem-operator"
HEAD = """# simplemem-operator

Installs the MemoryStore CRD and the operator that turns each MemoryStore into a running memory.

```sh
helm install simplemem charts/simplemem-operator --namespace simplemem-system --create-namespace
```

The CRD is a template, so an upgrade updates it, and it is kept by an uninstall, with every store. The operator runs
once (`Recreate`), non-root, on a read-only root file system, and may read Secrets, never write them. With
`watchNamespaces` or `scope: Namespaced` it gets a Role in each namespace it watches and no cluster-wide right.

`helm test simplemem --namespace simplemem-system` makes a MemoryStore beside the operator, or in the first of
`watchNamespaces`, writes a turn, finds it, and removes the store with its volume; its account may touch that store
alone. A test that failed leaves its pod, whose log says why.

A value that is unknown, or not what its row says, is refused by name before anything is rendered. How the chart
compares with others, and values for private registries and hardened clusters: [docs/chart.md](../../docs/chart.md).

## Values

| value | type | default | meaning |
|---|---|---|---|
"""


def render_readme() -> str:
    """The README, made from values.yaml and its schema."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    schema = json.loads((CHART / "values.schema.json").read_text())
    rows = [
        f"| `{path}` | {_type(schema, path)} | `{_default(values, path)}` | {meaning} |"
        for path, meaning in described(text)
    ]
    return HEAD + "\n".join(rows) + "\n"


def described(text: str) -> list[tuple[str, str]]:
    """Dotted name and description of each value that a comment describes, in their order.

    Parameters
    ----------
    text
        Content of a values.yaml.
    """
    found: list[tuple[str, str]] = []
    parents: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            comment = [stripped.removeprefix("# --").strip()]
            continue
        if stripped.startswith("#"):
            if comment:
                comment.append(stripped.removeprefix("#").strip())
            continue
        key, colon, _ = stripped.partition(":")
        if not colon or stripped.startswith("-"):
            continue
        indent = len(line) - len(line.lstrip())
        parents = [parent for parent in parents if parent[0] < indent] + [(indent, key)]
        if comment:
            found.append((".".join(name for _, name in parents), " ".join(comment)))
            comment = []
    return found


def schema_of(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """Part of the schema that describes the value of a dotted name, with its reference followed.

    Raises
    ------
    KeyError
        If the schema knows no such value.
    """
    node = schema
    for name in path.split("."):
        node = _followed(schema, node["properties"][name])
    return node


def _followed(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    return node


def _type(schema: dict[str, Any], path: str) -> str:
    node = schema_of(schema, path)
    if "enum" in node:
        return "one of " + ", ".join(f"`{choice}`" for choice in node["enum"])
    low, high = node.get("minimum"), node.get("maximum")
    bounds = f", {low} to {high}" if low is not None and high is not None else ""
    return re.sub(r"^array$", "list", node["type"]) + bounds


def _default(values: dict[str, Any], path: str) -> str:
    node: Any = values
    for name in path.split("."):
        node = node[name]
    return json.dumps(node)


def outputs() -> dict[Path, str]:
    """Every generated file with its content."""
    return {CHART / "README.md": render_readme(), CHART / "Chart.yaml": render_chart(CHART)}


if __name__ == "__main__":
    sys.exit(write_outputs(outputs(), "--check" in sys.argv[1:]))
