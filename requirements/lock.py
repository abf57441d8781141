"""Pin what is installed: the closure of an extra into its file, everything else into the file of its tests.

Run by `make lock` with the operator's environment; it asks the service's environment through a subprocess.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROBE = """
import json, sys
from importlib.metadata import distribution, distributions
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as norm
found, queue = set(), [("simplemem-kubernetes", sys.argv[1])]
while queue:
    name, extra = queue.pop()
    for text in distribution(name).requires or ():
        need = Requirement(text)
        if need.marker and not need.marker.evaluate({"extra": extra}):
            continue
        for wanted in need.extras or {""}:
            if (norm(need.name), wanted) not in found:
                found.add((norm(need.name), wanted))
                queue.append((need.name, wanted))
closure = {name for name, _ in found}
pins = {norm(d.name): d.version.split("+")[0] for d in distributions()}
print(json.dumps([sorted(closure), pins]))
"""
TOOLS = {"pip", "setuptools", "simplemem-kubernetes", "wheel"}


def lock(part: str) -> None:
    """Write requirements/<part>.txt and requirements/<part>-dev.txt."""
    python = ROOT / ".venv" / part / "bin" / "python"
    answer = subprocess.run(  # noqa: S603 - our own interpreter and text
        [python, "-I", "-c", PROBE, part], check=True, capture_output=True, text=True
    )
    closure, pins = json.loads(answer.stdout)
    lines = {name: f"{name}=={version}" for name, version in sorted(pins.items()) if name not in TOOLS}
    run = [line for name, line in lines.items() if name in closure]
    rest = [line for name, line in lines.items() if name not in closure]
    head = f"# The {part}: what its image holds. Made by `make lock`."
    (ROOT / "requirements" / f"{part}.txt").write_text("\n".join([head, *run]) + "\n")
    head = f"# The {part}: what its tests and checks need besides. Made by `make lock`."
    (ROOT / "requirements" / f"{part}-dev.txt").write_text("\n".join([head, f"-r {part}.txt", *rest]) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:] or ("operator", "service"):
        lock(name)
