"""CRDs on a control plane: applied, and waited for until their kinds are served."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

from tests.harness.control_plane import ControlPlane
from tests.harness.errors import HarnessError

ESTABLISHED_SECONDS = 30.0
"""How long the API server may take to serve a CRD, in seconds: less than one on a quiet machine."""


def apply_crds(plane: ControlPlane, files: Iterable[Path]) -> None:
    """Have the API server serve the CRDs of some files.

    Raises
    ------
    HarnessError
        If it refuses one, or does not serve it in time.
    """
    flags = [f"--filename={file}" for file in files]
    for name in plane.kubectl("apply", "--server-side", *flags, "-o", "name").split():
        wait_established(plane, name.partition("/")[2])


def wait_established(plane: ControlPlane, crd: str) -> None:
    """Wait until a CRD is served. `kubectl wait` fails on one whose conditions are not there yet.

    Raises
    ------
    HarnessError
        If it is not served in time.
    """
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while True:
        status = json.loads(plane.kubectl("get", "crd", crd, "-o", "json")).get("status") or {}
        found = {(one["type"], one["status"]) for one in status.get("conditions") or ()}
        if ("Established", "True") in found:
            return
        if time.monotonic() > deadline:
            raise HarnessError(f"CRD '{crd}' was not established within {ESTABLISHED_SECONDS:.0f} s: {status}")
        time.sleep(0.1)
