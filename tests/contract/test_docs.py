"""Links lead somewhere, and every command of the pages is one that works, or names what it needs."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from docs.generators.site import find_pages
from simplemem_api.conditions import Reason
from simplemem_service.__main__ import build_parser
from simplemem_service.commands.arguments import DEFAULT_URL
from tests.contract.command_checks import check, commands

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "docs" / "reference"
WITH_COMMANDS = [
    page
    for page in find_pages()
    # What was told of an earlier version is not to be run on this one.
    if page.name != "CHANGELOG.md" and GENERATED not in page.parents and commands(page.read_text())
]
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


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_works_or_names_what_it_needs(page: Path) -> None:
    check(commands(page.read_text()))


def test_the_commands_of_a_page_are_those_of_its_blocks_and_of_its_text() -> None:
    page = "Say `helm test` or\n`helm test simplemem\n-n x`, `LEVEL=debug make demo` and `other`.\n"
    page += "```sh\nkubectl apply \\\n  -f a.yaml # comment\necho '{\n}' &\n```\n"
    page += "```bash\nmake x\n```\n```yaml\nmake: y\n```\n"
    assert commands(page) == [
        ["kubectl", "apply", "-f", "a.yaml"], ["echo", "{ }"], ["make", "x"],
        ["helm", "test", "simplemem", "-n", "x"], ["LEVEL=debug", "make", "demo"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "command",
    [
        "helm test simplemem",
        "helm upgrade simplemem charts/simplemem-operator -n default",
        "helm install simplemem charts/other -n simplemem-system",
        "helm upgrade simplemem charts/simplemem-operator -n simplemem-system --set monitoring.podmonitor.enabled=true",
        "make demoo",
        "simplemem up --prot 8000 -f manifests/minimal.yaml",
        "kubectl smem topp",
        "kubectl get memorystors",
        "docker build --target operators -t ghcr.io/simplemem/simplemem-operator:0.1.0 .",
        "docker build --target operator -t ghcr.io/simplemem/simplemem-service:0.1.0 .",
        "docker build --target operator -t ghcr.io/simplemem/simplemem-operator:0.0.9 .",
        "docker compose exec simplemen simplemem status",
        "docker compose exec simplemem simplemem statuss",
        "docker compose --profile cache up -d",
        "REDIS=redis://redis:6379 docker compose --profile redis up -d",
        "REDIS_URL=redis://cache:6379 docker compose --profile redis up -d",
        "kind load docker-image ghcr.io/simplemem/simplemem-operator:0.1.0",
        "pip install '.[operators]'",
        "unheard-of --help",
    ],
)
def test_a_command_that_would_fail_is_found(command: str) -> None:
    with pytest.raises((AssertionError, SystemExit)):
        check(commands(f"```sh\n{command}\n```\n"))


QUICK_START = (ROOT / "docs" / "quick-start.md").read_text()
ENVIRONMENT = {"PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'service'}", "PATH": "/usr/bin:/bin"}
PROGRAM = [sys.executable, "-m", "simplemem_service"]


def steps(number: int) -> list[str]:
    """The lines of one of the quick start's blocks, but for the one that enters the environment."""
    block = re.findall(r"```sh\n(.*?)```", QUICK_START, flags=re.DOTALL)[number]
    return [line for line in block.splitlines() if not line.startswith("source ")]


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where the quick start's store answers, started by its own command but for a port that nobody else has."""
    (command,) = steps(1)
    assert command.startswith("simplemem up ")
    (tmp_path / "manifests").symlink_to(ROOT / "manifests")
    with (tmp_path / "up.log").open("w+") as log, ExitStack() as running:
        process = subprocess.Popen(
            [*PROGRAM, *shlex.split(command)[1:], "--port", "0"],
            cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=log, text=True,
        )  # fmt: skip
        running.enter_context(process)
        running.callback(process.kill)
        assert process.stdout is not None
        told = process.stdout.readline()
        assert told.startswith("ready "), (tmp_path / "up.log").read_text()
        yield told.split()[1]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def test_the_first_steps_on_a_laptop_work(tmp_path: Path, address: str) -> None:
    def run(line: str) -> str:
        line = re.sub(r"^simplemem (\w+)", rf"{shlex.join(PROGRAM)} \1 --url {address}", line)
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    *more, ask, status = steps(2)
    for step in more:
        run(step)
    assert "Rome" in run(ask)
    assert "notes" in run(status)
    assert "text/html" in httpx.get(f"{address}/").headers["Content-Type"]
    assert httpx.get(f"{address}/docs").status_code == 200
    assert "/mcp" in QUICK_START
    assert httpx.post(f"{address}/mcp", json={}).status_code == 400
    assert (tmp_path / ".simplemem" / "default" / "notes").is_dir()


def test_the_address_that_the_quick_start_names_is_where_a_store_listens() -> None:
    (command,) = steps(1)
    options = build_parser().parse_args(shlex.split(command)[1:])
    assert f"http://{options.host}:{options.port}" == DEFAULT_URL
    assert f"<{DEFAULT_URL}/>" in QUICK_START


def test_the_steps_on_any_cluster_are_those_that_run_on_the_node() -> None:
    """`tests/e2e` runs the README's block word for word, and `helm test`."""
    block = r"```sh\n(helm install .*?)```"
    (steps,) = re.findall(block, (ROOT / "README.md").read_text(), flags=re.DOTALL)
    (more,) = re.findall(block, QUICK_START, flags=re.DOTALL)
    lines = more.splitlines()
    lines.remove("helm test simplemem --namespace simplemem-system")
    assert lines == steps.splitlines()


def test_troubleshooting_names_reasons_that_there_are() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text()
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z]\w+)`", row)}
    assert len(named) > 8
    assert named <= {*Reason, "WithinBudget"}
