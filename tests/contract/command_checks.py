"""The commands that a page shows, and whether each is one that works: by its program, against what it names here."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from simplemem_service.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "simplemem-operator"
OPERATOR_COMMANDS = ROOT / "docs" / "reference" / "operator-commands.md"
RELEASE, NAMESPACE = "simplemem", "simplemem-system"
OF_OTHERS = {"source", "export", "curl", "echo", "sleep", "ssh-keygen", "sha256sum", "skopeo"}
"""Programs of the reader's own, whose arguments are not ours to check."""
OF_RELEASE = {"install", "upgrade", "test", "rollback", "uninstall", "status", "history", "get"}
"""What helm does to a release; all of it looks into the namespace of the kubeconfig unless one is named."""
OF_FILES = {"template", "lint", "push"}
"""What helm does with a chart alone."""
ELIDED = "..."

Words = list[str]


def read_values() -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return values


def default_images() -> dict[str, str]:
    """The image that the chart takes for each stage of the Dockerfile, with its tag."""
    version, values = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"], read_values()
    named = {"operator": values["image"], "service": values["serviceImage"]}
    return {stage: f"{image['repository']}:{image['tag'] or version}" for stage, image in named.items()}


@cache
def names_of_stores() -> frozenset[str]:
    """What kubectl knows MemoryStores by."""
    crd = yaml.safe_load((ROOT / "crds" / "memorystore.yaml").read_text())
    names = crd["spec"]["names"]
    return frozenset({names["plural"], names["singular"], *names["shortNames"], crd["metadata"]["name"]})


def commands(text: str) -> list[Words]:
    """The commands of a page's shell blocks and of its text, as words; lines that go on are joined."""
    blocks = re.findall(r"```(?:sh|bash)\n(.*?)```", text, flags=re.DOTALL)
    found = [words for block in blocks for words in _split(block.replace("\\\n", " "))]
    spans = re.findall(r"`([^`]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    within = [words for span in spans for words in _split(span.replace("\n", " ")) if _program(words) in CHECKS]
    # `helm test` and the like name a command; they show none.
    return found + [words for words in within if len(words) > 2 or words[0] == "make"]


def _split(text: str) -> Iterator[Words]:
    lines: list[str] = []
    for line in text.splitlines():
        lines.append(line)
        try:
            found = shlex.split(" ".join(lines), comments=True)
        except ValueError:
            # A quoted text goes on.
            continue
        lines = []
        if found:
            yield [word for word in found if word != "&"]


def _program(words: Words) -> str:
    return next((word for word in words if not _is_setting(word)), "")


def _is_setting(word: str) -> bool:
    return re.match(r"[A-Z_]+=", word) is not None


def check(page: Sequence[Words]) -> None:
    """Fail for a command of a page that does not work, or whose program nobody checks."""
    for words in page:
        program = _program(words)
        if program in OF_OTHERS or ELIDED in words:
            continue
        assert program in CHECKS, words
        CHECKS[program](words)
    _check_loaded(page)


def _check_make(words: Words) -> None:
    makefile = (ROOT / "Makefile").read_text()
    for word in words[1:]:
        name = word.split("=")[0]
        wanted = rf"\b{name}\b" if _is_setting(word) else rf"^{name}:"
        assert re.search(wanted, makefile, flags=re.MULTILINE), words


def _check_simplemem(words: Words) -> None:
    if words[1] != "COMMAND":
        build_parser().parse_args(words[1:])
    _check_samples(words)


def _check_samples(words: Words) -> None:
    for name in (word for word in words if word.startswith("manifests/")):
        assert (ROOT / name).exists(), words


def _check_helm(words: Words) -> None:
    assert words[1] in OF_RELEASE | OF_FILES, words
    if words[1] in OF_RELEASE and RELEASE in words:
        named = [words[place + 1] for place, word in enumerate(words) if word in ("-n", "--namespace")]
        assert named == [NAMESPACE], f"{shlex.join(words)}: no {NAMESPACE}, so helm looks for the release elsewhere"
    for place, word in enumerate(words):
        assert not word.startswith("charts/") or (ROOT / word / "Chart.yaml").is_file(), words
        if word == "--show-only":
            assert (CHART / words[place + 1]).is_file(), words
        if word == "--set":
            _check_value(words[place + 1].split("=")[0])


def _check_value(name: str) -> None:
    within: Any = read_values()
    for part in re.split(r"[.\[]", name):
        if not isinstance(within, dict):
            # An item of a list, which the values leave empty.
            return
        assert part in within, name
        within = within[part]


def _check_kubectl(words: Words) -> None:
    if words[1] == "smem":
        # Its parser needs a library that only the operator's environment has.
        assert f"### kubectl smem {words[2]}\n" in OPERATOR_COMMANDS.read_text(), words
    for word in words:
        if word.startswith(("memory", "smem")):
            assert word.split("/")[0] in names_of_stores(), words
    for place, word in enumerate(words):
        if word == "-f" and "/" in words[place + 1]:
            assert (ROOT / words[place + 1]).is_file(), words
        elif "patch" in words and word == "-p":
            json.loads(words[place + 1])
    _check_samples(words)


def _check_docker(words: Words) -> None:
    start = words.index("docker")
    rest = words[start + 1 :]
    if rest[0] == "compose":
        _check_compose(words[:start], rest[1:])
        return
    assert rest[0] == "build", words
    stage, image = (rest[rest.index(option) + 1] for option in ("--target", "-t"))
    stages = re.findall(r"^FROM \S+ AS (\S+)$", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    assert stage in stages, words
    default = default_images()[stage]
    # Under a registry of the reader's own it keeps its last name and its tag.
    assert image == default or image.startswith("registry.example.com/"), words
    assert image.split("/")[-1] == default.split("/")[-1], words


def _check_compose(settings: Words, rest: Words) -> None:
    text = (ROOT / "compose.yaml").read_text()
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    for name, value in (word.split("=", 1) for word in settings):
        assert f"${{{name}:-" in text, name
        host = re.match(r"\w+://([\w.-]+)", value)
        assert host is None or host[1] in services, value
    if rest[0] == "--profile":
        assert any(rest[1] in service.get("profiles", ()) for service in services.values()), rest
        rest = rest[2:]
    assert rest[0] in ("up", "exec"), rest
    plain = [word for word in rest[1:] if not word.startswith("-")]
    assert rest[0] == "up" or plain[0] in services, rest
    if rest[0] == "exec":
        check([rest[rest.index(plain[0]) + 1 :]])
    assert rest[0] == "exec" or set(plain) <= services.keys(), rest


def _check_kind(words: Words) -> None:
    assert words[1:] == ["create", "cluster"] or words[1:3] == ["load", "docker-image"], words
    for image in words[3:]:
        assert image in default_images().values(), words


def _check_loaded(page: Sequence[Words]) -> None:
    """What is loaded into kind's node was built by the same page."""
    built = {words[words.index("-t") + 1] for words in page if words[:2] == ["docker", "build"]}
    loaded = {image for words in page if words[:3] == ["kind", "load", "docker-image"] for image in words[3:]}
    assert loaded <= built, loaded - built


def _check_pip(words: Words) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for named in re.findall(r"\.\[(\w+)\]", shlex.join(words)):
        assert named in extras, words


CHECKS: dict[str, Callable[[Words], None]] = {
    "make": _check_make,
    "simplemem": _check_simplemem,
    "helm": _check_helm,
    "kubectl": _check_kubectl,
    "docker": _check_docker,
    "kind": _check_kind,
    "pip": _check_pip,
}
