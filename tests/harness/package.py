"""What a release consists of, into one folder: ``python3 -m tests.harness.package [--key FILE] [FOLDER]``.

- the chart as a Helm package, which ``helm push`` takes to a registry as it is;
- both images as OCI archives under their public names, which ``skopeo copy`` takes to a registry with the same digest;
- a CycloneDX list of what each image holds, read by syft from the archive itself: Debian's packages and Python's;
- ``digests.yaml``: values of the chart that pin both images to these archives;
- ``SHA256SUMS`` over all of them, and with a key a signature of it and of each list (``signing``).

Nothing is pushed anywhere.
"""

import argparse
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path

from tests.harness.build import ensure
from tests.harness.errors import HarnessError
from tests.harness.image_inputs import INPUTS
from tests.harness.images import build_images, current_archive
from tests.harness.oci import rename_archive
from tests.harness.paths import REPOSITORY
from tests.harness.signing import sign, write_checksums
from tests.harness.steps import run, step

CHART = REPOSITORY / "charts" / "simplemem-operator"
"""The chart."""

REGISTRY = "ghcr.io/simplemem"
"""Where the chart's values look for the images."""

VALUES = {"operator": "image", "service": "serviceImage"}
"""Value of the chart that names each image."""


def package(folder: Path, key: Path | None = None) -> list[Path]:
    """Files of a release, made anew.

    Parameters
    ----------
    folder
        Where to; what lies there goes.
    key
        Private SSH key that signs; None: nothing is signed.

    Raises
    ------
    HarnessError
        If a program fails or is missing.
    """
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    chart = package_chart(folder)
    version = chart.stem.rpartition("-")[2]
    build_images(list(INPUTS))
    lists = []
    for target in INPUTS:
        name = f"simplemem-{target}"
        archive = folder / f"{name}-{version}.oci.tar"
        with step(f"name {archive.name}"):
            rename_archive(current_archive(target), archive, f"{REGISTRY}/{name}:{version}")
        lists.append(list_contents(archive, name, version))
    write_digests(folder, version)
    sums = write_checksums(folder)
    if key is not None:
        for file in (sums, *lists):
            sign(file, key)
    return sorted(folder.iterdir())


def package_chart(folder: Path) -> Path:
    """The chart's package in a folder; its name ends in the chart's version."""
    with step("package the chart"):
        output = run([ensure(["helm"])["helm"], "package", CHART, "--destination", folder])
    return Path(output.rpartition(": ")[2].strip())


def list_contents(archive: Path, name: str, version: str) -> Path:
    """List of what an image holds, as CycloneDX in JSON, beside its archive.

    Parameters
    ----------
    archive
        OCI archive.
    name, version
        What the list calls the image.
    """
    path = archive.with_name(f"{name}-{version}.cdx.json")
    syft = ensure(["syft"])["syft"]
    # Packages with their licences and sources; four thousand single files beside them would say nothing more.
    settings = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "SYFT_FILE_METADATA_SELECTION": "none"}
    flags = ["--quiet", "--source-name", name, "--source-version", version, "--output", f"cyclonedx-json={path}"]
    with step(f"list the contents of {archive.name}"):
        run([syft, "scan", f"oci-archive:{archive}", *flags], env=settings)
    return path


def write_digests(folder: Path, version: str) -> Path:
    """Values that pin the images of the archives in a folder by their digests."""
    lines = []
    for target, value in VALUES.items():
        with tarfile.open(folder / f"simplemem-{target}-{version}.oci.tar") as tar:
            index = tar.extractfile("index.json")
            if index is None:
                raise HarnessError(f"the archive of '{target}' has no index.json")
            (manifest,) = json.load(index)["manifests"]
        lines.append(f'{value}: {{digest: "{manifest["digest"]}"}}\n')
    path = folder / "digests.yaml"
    path.write_text("".join(lines))
    return path


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.harness.package")
    parser.add_argument("folder", nargs="?", type=Path, default=REPOSITORY / "dist", help="default: dist")
    parser.add_argument("--key", type=Path, help="private SSH key that signs; default: nothing is signed")
    options = parser.parse_args()
    if options.key is not None and not options.key.is_file():
        parser.error(f"--key: '{options.key}' is no file")
    try:
        for file in package(options.folder.resolve(), options.key):
            print(f"  {file.stat().st_size / 1e6:8.1f} MB  {file.name}")
    except HarnessError as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
