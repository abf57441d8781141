"""Builds the product's images: ``python3 -m tests.harness.images [operator] [service]``.

The names ``localhost/simplemem-operator:dev`` and ``localhost/simplemem-service:dev`` stay, a tag of the content comes
with them, and each image lies as an archive for ``ctr images import`` in the cache folder. What is there already is
not built again. The environment can name ``BASE_IMAGE`` (default: a Debian made here from packages), ``WHEELS`` (a
folder of wheels that are preferred to the index's; default: ``../shared/wheels`` if it exists).
"""

import argparse
import configparser
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.harness.base_image import ensure_base_image
from tests.harness.buildah import Buildah
from tests.harness.errors import HarnessError
from tests.harness.image_inputs import INPUTS, archive_path, image_key, image_name, newest_archive
from tests.harness.locks import locked
from tests.harness.packages import IMAGE_PACKAGES, install
from tests.harness.paths import REPOSITORY, cache_dir
from tests.harness.steps import step

CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Where the environment names a bundle of authorities, in the order that pip heeds."""

OWN_PATHS = {"cert", "client-cert", "find-links", "cache-dir", "log", "config-file", "target", "prefix", "root"}
"""Settings of pip that name files of this machine; the build has its own."""

REBUILD = "`python3 -m tests.harness.images`"
"""The command that builds what is missing."""

KEPT_ARCHIVES = 2
"""How many archives of a target stay, the newest: each is a gigabyte or two, and going back one commit is common."""


def wheels_folder() -> Path | None:
    """Folder of wheels that are preferred to the index's, if there is one."""
    named = os.environ.get("WHEELS")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "wheels"
    return folder.resolve() if folder.is_dir() else None


def exported_archives() -> list[Path]:
    """Archives of the checkout's images; of one that is not built as the code is now, the last that was, and a note."""
    found: list[Path] = []
    for target in INPUTS:
        current, newest = archive_path(target, _key(target)), newest_archive(target)
        if current.exists():
            found.append(current)
        elif newest is not None:
            found.append(newest)
            print(f"  {image_name(target)} is of an earlier state of the code: {REBUILD} builds it anew", flush=True)
        else:
            print(f"  {image_name(target)} is not built: {REBUILD} builds it", flush=True)
    return found


def current_archive(target: str) -> Path:
    """Archive of a target's image as the code is now.

    Raises
    ------
    HarnessError
        If it is not built.
    """
    archive = archive_path(target, _key(target))
    if not archive.exists():
        raise HarnessError(f"{image_name(target)} is not built as the code is now; {REBUILD} builds it")
    return archive


def build_images(targets: list[str]) -> None:
    """Build and export the images of the targets, where that is not done.

    Raises
    ------
    HarnessError
        If a program fails, or is missing and cannot be installed.
    """
    with locked(cache_dir("images") / ".lock"):
        for target in targets:
            key = _key(target)
            archive = archive_path(target, key)
            if not archive.exists():
                _build(target, archive)
            print(
                f"  {image_name(target)}, {image_name(target, key)}: {archive.stat().st_size / 1e6:.0f} MB", flush=True
            )


def _build(target: str, archive: Path) -> None:
    install(IMAGE_PACKAGES)
    buildah = Buildah()
    for stale in buildah.folder.glob(".*-*"):
        shutil.rmtree(stale)
    base = os.environ.get("BASE_IMAGE") or ensure_base_image(buildah)
    print(f"  building {image_name(target)}", flush=True)
    with tempfile.TemporaryDirectory(dir=buildah.folder, prefix=".build-") as folder:
        with step(f"build target '{target}'"):
            volume = _build_volume(Path(folder) / "volume")
            buildah.build(target, REPOSITORY, image_name(target), {"BASE_IMAGE": base}, volume)
        with step(f"export {archive.name}"):
            partial = Path(folder) / archive.name
            buildah.export(image_name(target), partial)
            partial.rename(archive)
    buildah.prune()
    _drop_old_archives(target)


def _build_volume(folder: Path) -> Path:
    """The folder, filled with what a build needs of this machine and no image shall hold."""
    wheels = folder / "wheels"
    wheels.mkdir(parents=True)
    source = wheels_folder()
    for wheel in source.glob("*.whl") if source else ():
        try:
            (wheels / wheel.name).hardlink_to(wheel)
        except OSError:
            shutil.copy(wheel, wheels)
    settings = pip_settings(os.environ, _pip_configuration())
    bundle = next((Path(os.environ[name]) for name in CA_VARIABLES if os.environ.get(name)), None)
    if bundle is not None and bundle.is_file():
        shutil.copy(bundle, folder / "ca.crt")
        settings["cert"] = "/run/build/ca.crt"
    parser = configparser.RawConfigParser()
    parser["global"] = settings
    with (folder / "pip.conf").open("w") as file:
        parser.write(file)
    return folder


def pip_settings(environment: Mapping[str, str], configured: Mapping[str, str]) -> dict[str, str]:
    """Settings of pip that hold inside a build as well: how to reach the index, not where files of this machine lie.

    Parameters
    ----------
    environment
        Environment variables; those called ``PIP_...`` count, and win.
    configured
        Settings of the machine's configuration files.
    """
    named = {
        name[4:].lower().replace("_", "-"): value for name, value in environment.items() if name.startswith("PIP_")
    }
    return {name: value for name, value in {**configured, **named}.items() if name not in OWN_PATHS and value}


def _pip_configuration() -> dict[str, str]:
    home = Path.home()
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    parser = configparser.RawConfigParser()
    parser.read([*files, os.environ.get("PIP_CONFIG_FILE", "")])
    return dict(parser["global"]) if parser.has_section("global") else {}


def _key(target: str) -> str:
    wheels = wheels_folder()
    names = sorted(f"{wheel.name} {wheel.stat().st_size}" for wheel in wheels.glob("*.whl")) if wheels else []
    return image_key(target, [os.environ.get("BASE_IMAGE", ""), *names])


def _drop_old_archives(target: str) -> None:
    archives = sorted(
        archive_path(target, "").parent.glob(f"simplemem-{target}-*.tar"), key=lambda a: a.stat().st_mtime
    )
    for archive in archives[:-KEPT_ARCHIVES]:
        archive.unlink()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python3 -m tests.harness.images")
    parser.add_argument("targets", nargs="*", choices=[*INPUTS, []], help=f"default: {' '.join(INPUTS)}")
    targets = parser.parse_args().targets or list(INPUTS)
    try:
        build_images(targets)
    except HarnessError as error:
        sys.exit(f"{parser.prog}: {error}")


if __name__ == "__main__":
    main()
