"""The key under which a built program is kept, and what `ensure` refuses and honours."""

import shutil
from pathlib import Path

import pytest

from tests.harness import build, catalogue
from tests.harness.build import content_hash
from tests.harness.catalogue import PROGRAMS, SETS, Program
from tests.harness.errors import HarnessError

GO = "go version go1.26.8 linux/amd64"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    shutil.copytree(PROGRAMS["etcd"].folder, tmp_path / "etcd")
    monkeypatch.setattr(catalogue, "PROGRAMS_DIR", tmp_path)
    return Program("etcd", "etcd", ".")


def test_the_same_content_has_the_same_key(program: Program) -> None:
    assert content_hash(program, GO) == content_hash(PROGRAMS["etcd"], GO)


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go"])
def test_a_changed_file_changes_the_key(program: Program, name: str) -> None:
    before = content_hash(program, GO)
    with (program.folder / name).open("a") as file:
        file.write("\n")
    assert content_hash(program, GO) != before


def test_a_file_that_go_does_not_read_keeps_the_key(program: Program) -> None:
    before = content_hash(program, GO)
    (program.folder / "notes.txt").write_text("x")
    assert content_hash(program, GO) == before


def test_another_compiler_or_linker_variable_changes_the_key(program: Program) -> None:
    before = content_hash(program, GO)
    assert content_hash(program, GO.replace("1.26.8", "1.26.9")) != before
    assert content_hash(Program("etcd", "etcd", ".", {"main.version": "1"}), GO) != before


def test_an_unknown_program_is_named_in_the_error() -> None:
    with pytest.raises(HarnessError, match="program 'kubectx' is unknown"):
        build.ensure(["kubectx"])


def test_kubebuilder_assets_take_precedence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = tmp_path / "etcd"
    asset.write_text("#!/bin/sh\n")
    asset.chmod(0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert build.ensure(["etcd"]) == {"etcd": asset}


def test_every_program_of_a_set_has_a_pinned_module() -> None:
    for name in {name for names in SETS.values() for name in names}:
        folder = PROGRAMS[name].folder
        assert (folder / "go.mod").exists(), name
        assert (folder / "go.sum").exists() or name == "pause", name


@pytest.mark.parametrize(("version", "module"), catalogue.KUBERNETES_MODULES.items())
def test_the_version_reported_is_the_one_required(version: str, module: str) -> None:
    assert f"k8s.io/kubernetes {version}\n" in (catalogue.PROGRAMS_DIR / module / "go.mod").read_text()


def test_an_unknown_version_of_kubernetes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KUBERNETES_VERSION", "v1.2.3")
    with pytest.raises(HarnessError, match=r"'v1\.2\.3'; it must be one of v1\.34\.4, v1\.35\.4, v1\.37\.2"):
        catalogue.kubernetes_version()
