"""buildah with a storage of its own in the cache folder."""

import os
from pathlib import Path

from tests.harness.errors import HarnessError
from tests.harness.paths import cache_dir
from tests.harness.steps import run

BUILD_SECONDS = 3600
"""How long one build may take: the service's packages need 2 minutes, on a slow line many more."""


class Buildah:
    """The ``buildah`` program; its images are apart from those of any other user of it."""

    def __init__(self) -> None:
        self.folder = cache_dir("images")
        storage = self.folder / "storage"
        driver = os.environ.get("STORAGE_DRIVER", "overlay")
        # In mounts of its own: what an aborted build had mounted is gone with it.
        self._words = ["unshare", "--mount", "--", "buildah", "--root", str(storage / "root")]
        self._words += ["--runroot", str(storage / "run"), "--storage-driver", driver]

    def has(self, reference: str) -> bool:
        """Whether the storage holds an image of this name."""
        try:
            self._run("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference)
        except HarnessError:
            return False
        return True

    def image_from_tar(self, archive: Path, reference: str) -> None:
        """Make an image of one layer.

        Parameters
        ----------
        archive
            Tar file of a root file system.
        reference
            Name of the image.
        """
        container = self._run("from", "scratch").strip()
        try:
            self._run("add", container, str(archive), "/")
            self._run("commit", "--quiet", container, reference)
        finally:
            self._run("rm", container)

    def build(self, target: str, context: Path, reference: str, arguments: dict[str, str], volume: Path) -> str:
        """Id of the image that a target of the Dockerfile gives; layers of earlier builds are taken up.

        Parameters
        ----------
        target
            Stage of the Dockerfile.
        context
            Folder that holds the Dockerfile and what it copies.
        reference
            Name of the image.
        arguments
            Build arguments.
        volume
            Folder that is there as ``/run/build`` during the build only.
        """
        given = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
        flags = ["--isolation", "chroot", "--layers", "--pull-never", "--target", target, "--tag", reference]
        mounts = ["--volume", f"{volume}:/run/build:ro"]
        output = self._run("build", *flags, *given, *mounts, str(context), seconds=BUILD_SECONDS)
        return output.strip().splitlines()[-1]

    def export(self, reference: str, archive: Path) -> None:
        """Write an image with its name to an OCI archive.

        buildah always compresses these, here as little as can be. Docker's format would not be compressed, but takes
        longer to write, three times the space, and longer to import.
        """
        fast = ["--compression-format", "gzip", "--compression-level", "1"]
        self._run("push", *fast, reference, f"oci-archive:{archive}:{reference}")

    def prune(self) -> None:
        """Remove images that no name and no layer of a named one leads to."""
        self._run("rmi", "--prune")

    def _run(self, *args: str, seconds: float = 600) -> str:
        return run([*self._words, *args], timeout_seconds=seconds)
