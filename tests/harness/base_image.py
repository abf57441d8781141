"""The base image of the product's images on a machine without a registry: Debian with Python, from packages."""

import hashlib
import platform
import re
import shutil
import tempfile
from pathlib import Path

from tests.harness.buildah import Buildah
from tests.harness.errors import HarnessError
from tests.harness.steps import run, step

INCLUDED = ("ca-certificates", "python3", "python3-venv")
"""Packages beside the smallest Debian."""

TRIMMED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "var/cache/apt", "var/lib/apt/lists")
"""Folders that no program reads; they are left empty."""


def ensure_base_image(buildah: Buildah) -> str:
    """Reference of the base image in buildah's storage, made when missing.

    Raises
    ------
    HarnessError
        If this is not Debian, or a program fails.
    """
    suite = _distribution()
    text = repr((suite, platform.machine(), INCLUDED, TRIMMED))
    reference = f"localhost/harness/python:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if buildah.has(reference):
        return reference
    mirror = package_mirror(suite, _apt_sources())
    print(f"  making a base image of Debian {suite} with {', '.join(INCLUDED)} (once)", flush=True)
    with step("base image"), tempfile.TemporaryDirectory(dir=buildah.folder, prefix=".base-") as folder:
        root, archive = Path(folder) / "root", Path(folder) / "root.tar"
        words = ["debootstrap", "--variant=minbase", f"--include={','.join(INCLUDED)}", suite, root, mirror]
        # In mounts of its own, since an aborted run would leave the new system's /proc mounted.
        run(["unshare", "--mount", "--", *map(str, words)], timeout_seconds=1800)
        for name in TRIMMED:
            shutil.rmtree(root / name, ignore_errors=True)
            (root / name).mkdir(parents=True)
        run(["tar", "--directory", root, "--create", "--file", archive, "."])
        buildah.image_from_tar(archive, reference)
    return reference


def package_mirror(suite: str, sources: str) -> str:
    """Address of the machine's own package mirror.

    Parameters
    ----------
    suite
        Name of the release, as ``bookworm``.
    sources
        Text of all files that apt reads its sources from, in either of the two formats.

    Raises
    ------
    HarnessError
        If no source has this suite.
    """
    for paragraph in re.split(r"\n\s*\n", sources):
        fields = dict(re.findall(r"^(\w[\w-]*):[ \t]*(.+)$", paragraph, re.MULTILINE))
        if suite in fields.get("Suites", "").split():
            return str(fields["URIs"]).split()[0]
    line = re.search(rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{re.escape(suite)}\s", sources, re.MULTILINE)
    if line is None:
        raise HarnessError(f"apt has no source for the suite '{suite}'; the base image needs one of the same release")
    return line.group(1)


def _distribution() -> str:
    values = platform.freedesktop_os_release()
    if values["ID"] != "debian":
        raise HarnessError(f"the base image is made of Debian, but this is '{values['ID']}'; name one in BASE_IMAGE")
    return values["VERSION_CODENAME"]


def _apt_sources() -> str:
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return "\n\n".join(file.read_text() for file in files if file.suffix in {".list", ".sources"} and file.exists())
