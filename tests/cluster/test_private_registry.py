"""Credentials of a registry, given to the operator once, are on every pod that a store gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cluster.conftest import Space, eventually
from tests.harness.operator import WRITER, Operator

MIRROR = [{"name": "mirror"}]


def pods(space: Space) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(space.kubectl("get", "pods", "-o", "json"))["items"]
    return found


def test_pods_get_the_credentials_and_running_ones_stay_when_they_change(
    bare_space: Space, bare_credentials: Path, tmp_path: Path
) -> None:
    scope = ["--namespace", bare_space.name]
    plain = Operator(bare_credentials, tmp_path, "plain", scope)
    plain.start()
    bare_space.store("notes", tier="Minimal")
    (before,) = eventually(lambda: pods(bare_space))
    assert "imagePullSecrets" not in before["spec"]
    bare_space.settled()
    plain.stop()

    mirrored = Operator(bare_credentials, tmp_path, "mirrored", [*scope, "--image-pull-secret", "mirror"])
    mirrored.start()
    account = eventually(lambda: (found := bare_space.get("sa", "notes")) and "imagePullSecrets" in found and found)
    assert account["imagePullSecrets"] == MIRROR
    bare_space.rest(1)
    assert [pod["metadata"]["uid"] for pod in pods(bare_space)] == [before["metadata"]["uid"]]

    bare_space.kubectl("delete", "pod", before["metadata"]["name"], "--grace-period=0", "--force")
    (after,) = eventually(
        lambda: [pod for pod in pods(bare_space) if pod["metadata"]["uid"] != before["metadata"]["uid"]]
    )
    assert after["spec"]["imagePullSecrets"] == MIRROR
    bare_space.rest(1)
    mirrored.stop()
    written = [event["objectRef"]["name"] for event in bare_space.plane.writes(WRITER) if is_account(event, bare_space)]
    # Made once and changed once: the API server's form of the list is the operator's own.
    assert written == ["notes", "notes"]


def is_account(event: dict[str, Any], space: Space) -> bool:
    reference = event["objectRef"]
    return bool(reference["resource"] == "serviceaccounts" and reference.get("namespace") == space.name)
