"""Which program is taken, and what is said where there is none."""

import subprocess
from pathlib import Path

import pytest

from tests.harness.debian import unpacked
from tests.harness.errors import HarnessError


def test_a_program_on_the_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "promtool"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert unpacked("prometheus", "promtool") == program


def test_without_a_package_manager_the_error_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(HarnessError, match="'prometheus' is not installed"):
        unpacked("prometheus", "promtool")


def test_an_unpacked_program_runs() -> None:
    done = subprocess.run([unpacked("prometheus", "promtool"), "--version"], capture_output=True, text=True, check=True)
    assert "promtool, version" in done.stdout + done.stderr
