"""CRDs of other projects, taken from their Go modules, so that a real API server judges objects of their kinds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tests.harness.catalogue import PROGRAMS_DIR
from tests.harness.control_plane import ControlPlane
from tests.harness.crds import apply_crds
from tests.harness.steps import run


@dataclass(frozen=True, slots=True)
class ForeignCrds:
    """The CRDs of a project."""

    module: str
    """Go module that holds them, with its version unless the folder pins it."""
    files: str
    """Which files of it, as a pattern."""
    folder: Path = Path("/")
    """Where Go is asked: a folder whose go.mod requires the module, or none in particular."""

    def install(self, plane: ControlPlane) -> None:
        """Have the API server serve them."""
        found = run(["go", "mod", "download", "-json", self.module], cwd=self.folder)
        apply_crds(plane, sorted(Path(json.loads(found)["Dir"]).glob(self.files)))


PROMETHEUS_OPERATOR = ForeignCrds(
    "github.com/prometheus-operator/prometheus-operator@v0.93.0", "example/prometheus-operator-crd/*.yaml"
)
"""Monitors and rules among them."""

ARGO_CD = ForeignCrds("github.com/argoproj/argo-cd/v3", "manifests/crds/*-crd.yaml", PROGRAMS_DIR / "argocd")
"""Those of the Argo CD that is built: what it is told by."""

KEDA = ForeignCrds("github.com/kedacore/keda/v2", "config/crd/bases/*.yaml", PROGRAMS_DIR / "keda")
"""Those of the KEDA that is built, what it scales among them."""
