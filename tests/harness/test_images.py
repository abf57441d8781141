"""What decides an image, what of this machine a build may see, and the archives written without an image tool."""

import json
import tarfile
from pathlib import Path

import pytest

from tests.harness import base_image, oci
from tests.harness.errors import HarnessError
from tests.harness.image_inputs import COMMON, INPUTS, image_key
from tests.harness.images import pip_settings
from tests.harness.packages import install
from tests.harness.redis_image import PROGRAMS, redis_image
from tests.harness.steps import run

LINES = """\
# comment
deb [signed-by=/k.gpg] http://mirror.example/debian-security bookworm-security main
deb [signed-by=/k.gpg] http://mirror.example/debian bookworm main
"""
PARAGRAPHS = """\
Types: deb
URIs: http://mirror.example/debian http://other.example/debian
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/node
Suites: nodistro
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in (*COMMON, *(name for names in INPUTS.values() for name in names)):
        path = tmp_path / name
        path = path if path.suffix or path.name in COMMON else path / "__init__.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


@pytest.mark.parametrize(
    ("changed", "targets"),
    [
        ("Dockerfile", {"operator", "service"}),
        ("crds/simplemem_api/__init__.py", {"operator", "service"}),
        ("service/simplemem_service/__init__.py", {"service"}),
        ("requirements/operator.txt", {"operator"}),
    ],
)
def test_a_change_gives_new_images_where_it_is_copied(checkout: Path, changed: str, targets: set[str]) -> None:
    before = {target: image_key(target, [], checkout) for target in INPUTS}
    (checkout / changed).write_text("changed")
    assert {target for target in INPUTS if image_key(target, [], checkout) != before[target]} == targets


def test_compiled_code_and_tests_give_no_new_image(checkout: Path) -> None:
    before = image_key("service", [], checkout)
    cached = checkout / "service/simplemem_service/__pycache__/a.pyc"
    cached.parent.mkdir()
    cached.write_text("x")
    (checkout / "tests").mkdir()
    assert image_key("service", [], checkout) == before


def test_other_wheels_give_a_new_image(checkout: Path) -> None:
    assert image_key("service", ["torch.whl 1"], checkout) != image_key("service", ["torch.whl 2"], checkout)


def test_a_build_reaches_the_index_as_the_machine_does_but_sees_none_of_its_files() -> None:
    environment = {"PIP_INDEX_URL": "https://index.example", "PIP_FIND_LINKS": "/wheels", "HOME": "/root"}
    configured = {"cert": "/etc/ca.crt", "index-url": "https://slow.example", "timeout": "60"}
    assert pip_settings(environment, configured) == {"index-url": "https://index.example", "timeout": "60"}


@pytest.mark.parametrize("sources", [LINES, PARAGRAPHS], ids=["one-line format", "deb822 format"])
def test_the_base_image_comes_from_the_machines_own_mirror(sources: str) -> None:
    assert base_image.package_mirror("bookworm", sources) == "http://mirror.example/debian"


def test_a_suite_that_no_source_has_is_named() -> None:
    with pytest.raises(HarnessError, match="no source for the suite 'trixie'"):
        base_image.package_mirror("trixie", LINES + PARAGRAPHS)


def test_an_image_of_one_program_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    program = tmp_path / "hello"
    program.write_bytes(b"#!/bin/true\n")
    reference, archive = oci.program_image("hello", program, ("hi",))
    with tarfile.open(archive) as tar:
        files = {member.name: (tar.extractfile(member) or pytest.fail(member.name)).read() for member in tar}
    (described,) = json.loads(files["index.json"])["manifests"]
    assert described["annotations"] == {"io.containerd.image.name": reference}
    manifest = json.loads(files[_blob(described)])
    config = json.loads(files[_blob(manifest["config"])])
    assert config["config"]["Entrypoint"] == ["/hello"]
    assert config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    (tmp_path / "layer").write_bytes(files[_blob(manifest["layers"][0])])
    with tarfile.open(tmp_path / "layer") as layer:
        assert layer.getmember("hello").mode == 0o755
        assert layer.getmember("tmp").mode == 0o1777
        assert layer.getmember("bin/hi").linkname == "/hello"
    assert oci.program_image("hello", program, ("hi",)) == (reference, archive)


def test_the_image_of_redis_holds_all_that_its_programs_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        install({"redis-server": "redis-server"})
    except HarnessError as error:
        pytest.skip(f"no redis-server: {error}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reference, archive = redis_image()
    assert redis_image() == (reference, archive)
    root = tmp_path / "root"
    with tarfile.open(archive) as tar:
        (layer,) = [member for member in tar if member.name.startswith("blobs/") and member.size > 1_000_000]
        with tarfile.open(fileobj=tar.extractfile(layer)) as files:
            files.extractall(root, filter="tar")
    (loader,) = [*root.glob("lib64/ld-linux*"), *root.glob("lib/ld-linux*")]
    folders = {path.parent for path in root.rglob("*.so*")}
    loaded: list[str | Path] = [loader, "--inhibit-cache", "--library-path", ":".join(map(str, folders)), "--list"]
    for name in PROGRAMS:
        libraries = run([*loaded, root / "bin" / name])
        assert "not found" not in libraries
        assert all(str(root) in line for line in libraries.splitlines() if "=>" in line), libraries


def _blob(descriptor: dict[str, str]) -> str:
    return f"blobs/{descriptor['digest'].replace(':', '/')}"
