"""What a release is made of: names, digests, checksums and signatures that others can check."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from tests.harness import oci, package
from tests.harness.build import built
from tests.harness.errors import HarnessError
from tests.harness.image_inputs import INPUTS
from tests.harness.oci import rename_archive
from tests.harness.ports import free_ports
from tests.harness.process import Process
from tests.harness.signing import SIGNER, is_signed, sign, write_checksums
from tests.support.chart import CHART, helm
from tests.support.tools import tool

STATUS = (
    "Package: zlib1g\nStatus: install ok installed\nVersion: 1:1.2.13\nArchitecture: amd64\nMaintainer: a <a@b.c>\n"
)
METADATA = "Metadata-Version: 2.1\nName: pydantic\nVersion: 2.11.0\nLicense-Expression: MIT\n"


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """An image with one package of Debian and one of Python."""
    tree = tmp_path / "tree"
    files = {
        "var/lib/dpkg/status": STATUS,
        "opt/simplemem/lib/python3.11/site-packages/pydantic-2.11.0.dist-info/METADATA": METADATA,
        "opt/simplemem/lib/python3.11/site-packages/pydantic-2.11.0.dist-info/RECORD": "pydantic/__init__.py,,\n",
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
    }
    for name, text in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(text)
    layer = tmp_path / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        for child in tree.iterdir():
            tar.add(child, child.name)
    path = tmp_path / "image.tar"
    oci._write_archive(path, "localhost/simplemem-operator:dev", layer.read_bytes(), ["/simplemem-operator"])
    return path


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@pytest.fixture
def allowed(key: Path, tmp_path: Path) -> Path:
    path = tmp_path / "allowed_signers"
    path.write_text(f"{SIGNER} {key.with_suffix('.pub').read_text()}")
    return path


def index(path: Path) -> dict[str, Any]:
    with tarfile.open(path) as tar:
        file = tar.extractfile("index.json")
        assert file is not None
        found: dict[str, Any] = json.load(file)
    return found


def test_a_renamed_image_keeps_its_digest_and_all_its_blobs(archive: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "renamed.tar"
    rename_archive(archive, renamed, "ghcr.io/simplemem/simplemem-operator:1")
    (old,), (new,) = index(archive)["manifests"], index(renamed)["manifests"]
    assert old["digest"] == new["digest"]
    assert set(new["annotations"].values()) == {"ghcr.io/simplemem/simplemem-operator:1"}
    with tarfile.open(archive) as before, tarfile.open(renamed) as after:
        assert before.getnames() == after.getnames()
        blobs = [info.name for info in before if info.name.startswith("blobs/")]
        for name in blobs:
            one, other = before.extractfile(name), after.extractfile(name)
            assert one is not None
            assert other is not None
            assert one.read() == other.read()
    assert blobs


def test_an_archive_of_two_images_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "two.tar"
    (tmp_path / "index.json").write_text('{"manifests": [{}, {}]}')
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "index.json", "index.json")
    with pytest.raises(HarnessError, match="holds 2 images; it must be one"):
        rename_archive(path, tmp_path / "renamed.tar", "x")


def test_the_values_pin_both_images(archive: Path, tmp_path: Path) -> None:
    for target in ("operator", "service"):
        rename_archive(archive, tmp_path / f"simplemem-{target}-1.oci.tar", "x")
    values = package.write_digests(tmp_path, "1")
    digest = index(archive)["manifests"][0]["digest"]
    assert yaml.safe_load(values.read_text()) == {"image": {"digest": digest}, "serviceImage": {"digest": digest}}
    done = helm("template", "mem", str(CHART), "--kube-version", "1.35.4", "-f", str(values))
    assert f"image: ghcr.io/simplemem/simplemem-operator@{digest}" in done.stdout


def test_the_chart_s_package_gives_what_its_folder_gives(tmp_path: Path) -> None:
    chart = package.package_chart(tmp_path)
    assert chart.name == f"simplemem-operator-{yaml.safe_load((CHART / 'Chart.yaml').read_text())['version']}.tgz"
    everything = [
        "--kube-version",
        "1.35.4",
        "--set",
        "monitoring.dashboards.enabled=true,monitoring.rules.enabled=true",
    ]
    packed, folder = (helm("template", "mem", str(path), *everything) for path in (chart, CHART))
    assert packed.returncode == 0, packed.stderr
    assert packed.stdout == folder.stdout


def test_a_registry_takes_the_chart_s_package_as_it_is(tmp_path: Path) -> None:
    registry = tool("docker-registry", "docker-registry")
    (port,) = free_ports(1)
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(config))
    process = Process("docker-registry", [registry, "serve", tmp_path / "registry.yaml"], tmp_path / "registry.log")
    chart = package.package_chart(tmp_path)
    process.start()
    try:
        process.wait_until(lambda: answers(port), "an answer", 30)
        pushed = helm("push", str(chart), f"oci://127.0.0.1:{port}/charts", "--plain-http")
        assert pushed.returncode == 0, pushed.stderr
        address = f"oci://127.0.0.1:{port}/charts/simplemem-operator"
        flags = ("--kube-version", "1.35.4")
        pulled = helm("template", "mem", address, "--version", chart.stem.rpartition("-")[2], "--plain-http", *flags)
        folder = helm("template", "mem", str(CHART), *flags)
        assert pulled.stdout == folder.stdout, pulled.stderr
        assert "kind: Deployment" in pulled.stdout
    finally:
        process.kill()


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture
def built_before(archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The images as if built, which takes minutes and root, and their lists as if made, whose own test is below."""
    asked: list[str] = []

    def list_contents(image: Path, name: str, version: str) -> Path:
        path = image.with_name(f"{name}-{version}.cdx.json")
        path.write_text(json.dumps({"bomFormat": "CycloneDX", "metadata": {"component": {"name": name}}}))
        return path

    monkeypatch.setattr(package, "build_images", asked.extend)
    monkeypatch.setattr(package, "current_archive", lambda _: archive)
    monkeypatch.setattr(package, "list_contents", list_contents)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / "of-the-last-release.tgz").touch()
    return asked


def test_a_release_is_the_chart_both_images_their_lists_digests_and_checksums(
    built_before: list[str], archive: Path, tmp_path: Path
) -> None:
    files = package.package(tmp_path / "dist")
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    names = {f"simplemem-{target}-{version}.{kind}" for target in INPUTS for kind in ("oci.tar", "cdx.json")}
    names |= {f"simplemem-operator-{version}.tgz", "digests.yaml", "SHA256SUMS"}
    assert [file.name for file in files] == sorted(names)
    assert built_before == list(INPUTS)
    for target in INPUTS:
        (image,) = index(tmp_path / "dist" / f"simplemem-{target}-{version}.oci.tar")["manifests"]
        assert f"ghcr.io/simplemem/simplemem-{target}:{version}" in image["annotations"].values()
    digest = index(archive)["manifests"][0]["digest"]
    assert (tmp_path / "dist" / "digests.yaml").read_text().count(digest) == len(INPUTS)
    assert summed(tmp_path / "dist") == names - {"SHA256SUMS"}


def test_with_a_key_the_checksums_and_both_lists_are_signed(
    built_before: list[str], key: Path, allowed: Path, tmp_path: Path
) -> None:
    files = package.package(tmp_path / "dist", key)
    assert built_before
    signed = {file for file in files if file.name == "SHA256SUMS" or file.name.endswith(".cdx.json")}
    assert {file.name for file in files if file.suffix == ".sig"} == {f"{file.name}.sig" for file in signed}
    assert len(signed) == 1 + len(INPUTS)
    assert all(is_signed(file, allowed) for file in signed)
    # The sums were signed when all that they are of was there.
    assert summed(tmp_path / "dist") == {file.name for file in files if file.suffix != ".sig"} - {"SHA256SUMS"}


def summed(folder: Path) -> set[str]:
    """The files that coreutils itself finds as the checksums of a folder say."""
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=folder, capture_output=True, text=True, check=True)
    return {line.removesuffix(": OK") for line in done.stdout.splitlines()}


def test_checksums_find_a_changed_file(tmp_path: Path) -> None:
    for name in ("a.tgz", "b.json", "b.json.sig"):
        (tmp_path / name).write_text(name)
    write_checksums(tmp_path)
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "a.tgz: OK\nb.json: OK\n")
    (tmp_path / "a.tgz").write_text("other")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_a_signature_holds_for_this_content_and_this_signer_only(key: Path, allowed: Path, tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    file.write_text("{}")
    signature = sign(file, key)
    assert signature.read_text().startswith("-----BEGIN SSH SIGNATURE-----")
    assert is_signed(file, allowed)
    file.write_text("{ }")
    assert not is_signed(file, allowed)
    # Signed anew, the signature is the new content's.
    sign(file, key)
    assert is_signed(file, allowed)
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    allowed.write_text(f"{SIGNER} {stranger.with_suffix('.pub').read_text()}")
    assert not is_signed(file, allowed)


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "list.json"
    file.write_text("{}")
    with pytest.raises(HarnessError, match="ssh-keygen"):
        sign(file, file)


def test_the_list_of_an_image_names_packages_of_debian_and_python(archive: Path) -> None:
    if built("syft") is None:
        pytest.skip("syft is not built; `python3 -m tests.harness.build syft` takes some minutes")
    found = json.loads(package.list_contents(archive, "simplemem-operator", "1").read_text())
    assert (found["bomFormat"], found["metadata"]["component"]["name"]) == ("CycloneDX", "simplemem-operator")
    assert "file" not in {component["type"] for component in found["components"]}
    purls = {component.get("purl", "").partition("?")[0] for component in found["components"]}
    assert {"pkg:pypi/pydantic@2.11.0", "pkg:deb/debian/zlib1g@1%3A1.2.13"} <= purls
