"""Write the values table of the chart's README from the comments in values.yaml.

A comment that begins with `# --` describes the value below it. Run by `make generate`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).resolve().parent / "simplemem-operator"
HEAD = """# simplemem-operator

Installs the MemoryStore CRD and the operator that turns each MemoryStore into a running memory.

```sh
helm install simplemem charts/simplemem-operator --namespace simplemem-system --create-namespace
```

The CRD is a template, so an upgrade updates it, and it is kept by an uninstall, with every store. The operator runs
once (`Recreate`), non-root, on a read-only root file system, and may read Secrets, never write them. With
`watchNamespaces` it gets a Role in each of those namespaces and no cluster-wide right.

## Values

| value | default | meaning |
|---|---|---|
"""


def render() -> str:
    """The README, made from values.yaml alone."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = [f"| `{path}` | `{_default(values, path)}` | {meaning} |" for path, meaning in _described(text)]
    return HEAD + "\n".join(rows) + "\n"


def _described(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    parents: list[tuple[int, str]] = []
    comment = ""
    for line in text.splitlines():
        stripped = line.strip()
        if stripped.startswith("# --"):
            comment = stripped.removeprefix("# --").strip()
            continue
        key, colon, _ = stripped.partition(":")
        if not colon or stripped.startswith(("#", "-")):
            continue
        indent = len(line) - len(line.lstrip())
        parents = [parent for parent in parents if parent[0] < indent] + [(indent, key)]
        if comment:
            found.append((".".join(name for _, name in parents), comment))
            comment = ""
    return found


def _default(values: dict[str, Any], path: str) -> str:
    node: Any = values
    for name in path.split("."):
        node = node[name]
    return json.dumps(node)


def main() -> int:
    """Write the README if it differs; with --check only say so and return 1."""
    path = CHART / "README.md"
    is_stale = not path.exists() or path.read_text() != render()
    if is_stale and "--check" in sys.argv[1:]:
        print("stale, run `make generate`: charts/simplemem-operator/README.md")  # noqa: T201 - a command's output
        return 1
    if is_stale:
        path.write_text(render())
    return 0


if __name__ == "__main__":
    sys.exit(main())
