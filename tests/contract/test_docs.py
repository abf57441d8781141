"""Links lead somewhere, and every command of the pages for new users is one that works, or names what it needs."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.generators.site import find_pages
from simplemem_api.conditions import Reason
from simplemem_service.__main__ import build_parser
from tests.support.server import Server

ROOT = Path(__file__).resolve().parents[2]
WITH_COMMANDS = [ROOT / "README.md", *(ROOT / "docs" / f"{name}.md" for name in ("quick-start", "tiers", "tracing"))]
OF_OTHERS = {"docker", "kind", "source", "curl", "echo", "sleep"}
"""Programs of the reader's own, whose arguments are not ours to check."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    heads = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", find_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in LINK.findall(text):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), link


def commands(page: Path) -> Iterator[list[str]]:
    """The commands of a page's shell blocks, as words; lines that go on are joined."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text(), flags=re.DOTALL):
        text = block.replace("\\\n", " ")
        yield from _split(text)


def _split(text: str) -> Iterator[list[str]]:
    words: list[str] = []
    for line in text.splitlines():
        words.append(line)
        try:
            found = shlex.split(" ".join(words), comments=True)
        except ValueError:
            # A quoted text goes on.
            continue
        words = []
        if found:
            yield [word for word in found if word != "&"]


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    found = list(commands(page))
    assert found
    for words in found:
        check = {"make": _check_make, "simplemem": _check_simplemem, "helm": _check_helm, "kubectl": _check_kubectl}
        if words[0] in OF_OTHERS:
            continue
        assert words[0] in check, words
        check[words[0]](words)


def _check_make(words: list[str]) -> None:
    assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE), words


def _check_simplemem(words: list[str]) -> None:
    build_parser().parse_args(words[1:])
    for name in (word for word in words if word.startswith("manifests/")):
        assert (ROOT / name).is_file(), words


def _check_helm(words: list[str]) -> None:
    assert words[1] in ("install", "test", "upgrade"), words
    for word in words:
        assert not word.startswith("charts/") or (ROOT / word / "Chart.yaml").is_file(), words
    values: dict[str, Any] = yaml.safe_load((ROOT / "charts" / "simplemem-operator" / "values.yaml").read_text())
    for name in (words[place + 1] for place, word in enumerate(words) if word == "--set"):
        assert re.split(r"[.\[=]", name)[0] in values, name


def _check_kubectl(words: list[str]) -> None:
    for place, word in enumerate(words):
        if word == "-f":
            assert (ROOT / words[place + 1]).is_file(), words
        elif words[1] == "patch" and word == "-p":
            json.loads(words[place + 1])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    server.start()
    server.wait_ready()
    yield server
    server.kill()


def test_the_first_steps_on_a_laptop_work(tmp_path: Path, server: Server) -> None:
    block = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "quick-start.md").read_text(), flags=re.DOTALL)[2]
    *steps, ask, status = [line for line in block.splitlines() if not line.startswith("source ")]

    def run(line: str) -> str:
        program = shlex.quote(sys.executable) + " -m simplemem_service "
        line = re.sub(r"^simplemem (\w+)", rf"{program}\1 --url {server.url}", line)
        environment = {"PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'service'}", "PATH": "/usr/bin:/bin"}
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    for step in steps:
        run(step)
    assert "Rome" in run(ask)
    assert "notes" in run(status)


def test_the_steps_on_any_cluster_are_those_that_run_on_the_node() -> None:
    """`tests/e2e` runs the README's block word for word, and `helm test`."""
    block = r"```sh\n(helm install .*?)```"
    (steps,) = re.findall(block, (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (more,) = re.findall(block, (ROOT / "docs" / "quick-start.md").read_text(), flags=re.DOTALL)
    lines = more.splitlines()
    lines.remove("helm test simplemem --namespace simplemem-system")
    assert lines == steps.splitlines()


def test_troubleshooting_names_reasons_that_there_are() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)}
    assert len(named) > 8
    assert named <= {*Reason, "WithinBudget"}
