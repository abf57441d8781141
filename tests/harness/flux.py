"""Flux's kinds, from the Go modules that ``programs/flux`` pins.

Their CRDs are written from the Go types by controller-gen, as Flux's own releases are made: the module of the
helm-controller, which would hold its CRD, is not to be had everywhere, and its types are.
"""

from pathlib import Path

from tests.harness.build import ensure
from tests.harness.catalogue import PROGRAMS_DIR
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import apply_crds
from tests.harness.steps import run

VERSION = "2.9.5"
"""Release of Flux whose controllers have the versions that ``programs/flux/go.mod`` requires."""

KINDS = (
    "github.com/fluxcd/helm-controller/api/v2",
    "github.com/fluxcd/kustomize-controller/api/v1",
    "github.com/fluxcd/source-controller/api/v1",
)
"""Go packages with the types."""

GENERATOR = "sigs.k8s.io/controller-tools/cmd/controller-gen"
"""Go package of the program that writes CRDs."""


def download() -> None:
    """Fetch the modules that the CRDs are made of, where the module cache lacks them.

    Raises
    ------
    HarnessError
        If one cannot be downloaded, or Go is missing.
    """
    run(["go", "list", "-deps", *KINDS, GENERATOR], cwd=PROGRAMS_DIR / "flux")


def install_crds(plane: ControlPlane, folder: Path) -> None:
    """Write the CRDs into a folder, apply them, and wait until they are served.

    Parameters
    ----------
    plane
        Control plane that learns the kinds.
    folder
        Where the files go; made here.

    Raises
    ------
    HarnessError
        If they cannot be made or the server refuses one.
    """
    paths = [f"paths={package}" for package in KINDS]
    generator = ensure(["controller-gen"])["controller-gen"]
    run([generator, "crd", *paths, f"output:crd:dir={folder}"], cwd=PROGRAMS_DIR / "flux")
    apply_crds(plane, sorted(folder.glob("*.yaml")))
