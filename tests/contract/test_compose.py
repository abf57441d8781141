"""compose.yaml runs what the operator runs: the same image and settings, under the same limits.

No container engine runs here, so the file is compared with the pods that the builders make, and its commands are run as
they stand there, on this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from simplemem_api.load import load_store
from simplemem_api.resolve import resolve
from simplemem_operator.builders.deployment import build_retrieval_deployment
from simplemem_operator.builders.redis import build_redis_stateful_set
from simplemem_operator.config import DEFAULT_IMAGE, DEFAULT_REDIS_IMAGE
from simplemem_operator.models.desired import Desired, Images
from tests.harness.errors import HarnessError
from tests.harness.packages import install
from tests.support.bucket import free_port

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICE: dict[str, Any] = COMPOSE["services"]["simplemem"]
REDIS: dict[str, Any] = COMPOSE["services"]["redis"]
MANIFEST = ROOT / "manifests" / "minimal.yaml"


def desired(**spec: Any) -> Desired:
    manifest = yaml.safe_load(MANIFEST.read_text())
    manifest["spec"] |= spec
    return Desired(
        resolve(load_store(yaml.safe_dump(manifest))), "uid", Images(DEFAULT_IMAGE, redis=DEFAULT_REDIS_IMAGE)
    )


def pod(**spec: Any) -> dict[str, Any]:
    found: dict[str, Any] = build_retrieval_deployment(desired(**spec))["spec"]["template"]["spec"]
    return found


def cache_pod() -> dict[str, Any]:
    made = build_redis_stateful_set(desired(cache={"redis": {"managed": {"replicas": 3}}}))
    assert made is not None
    found: dict[str, Any] = made["spec"]["template"]["spec"]
    return found


@pytest.mark.parametrize(("service", "wanted"), [(SERVICE, pod()), (REDIS, cache_pod())], ids=["simplemem", "redis"])
def test_containers_have_the_image_and_the_limits_of_the_pods(service: dict[str, Any], wanted: dict[str, Any]) -> None:
    container, security = wanted["containers"][0], wanted["securityContext"]
    limits = container["securityContext"]
    assert service["image"] == container["image"]
    assert service["user"] == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert service["read_only"] is limits["readOnlyRootFilesystem"] is True
    assert service["cap_drop"] == limits["capabilities"]["drop"] == ["ALL"]
    assert limits["allowPrivilegeEscalation"] is False
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert service["stop_grace_period"] == f"{wanted['terminationGracePeriodSeconds']}s"


def test_the_service_writes_where_the_pod_does() -> None:
    mounts = pod()["containers"][0]["volumeMounts"]
    written = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
    volumes = [volume.split(":") for volume in SERVICE["volumes"]]
    assert {volume[1] for volume in volumes if volume[-1] != "ro"} | set(SERVICE["tmpfs"]) == written
    assert {volume[0] for volume in volumes if volume[-1] != "ro"} == set(COMPOSE["volumes"])
    (config,) = (volume for volume in volumes if volume[-1] == "ro")
    assert config[1].startswith(next(mount["mountPath"] for mount in mounts if mount["name"] == "config"))
    assert (ROOT / config[0]).samefile(MANIFEST)


def test_the_image_makes_the_folder_of_the_volume_for_its_user() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    user = SERVICE["user"].split(":")
    data = next(volume.split(":")[1] for volume in SERVICE["volumes"] if volume.startswith("memories:"))
    assert re.search(rf"install -d -o {user[0]} -g {user[1]} [^\n]*{data}\b", dockerfile)


def test_the_port_is_the_pods_and_open_to_this_machine_only() -> None:
    (published,) = SERVICE["ports"]
    address, _, inner = published.rsplit(":", 2)
    assert address == "127.0.0.1"
    assert int(inner) == pod()["containers"][0]["ports"][0]["containerPort"]
    assert "ports" not in REDIS


def test_variables_are_those_that_the_service_reads() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "service" / "README.md").read_text()))
    with_cache = pod(cache={"redis": {"managed": {"replicas": 3}}})
    known = documented | {variable["name"] for variable in with_cache["containers"][0]["env"]}
    assert set(SERVICE["environment"]) <= known
    assert "${REDIS_URL:-}" in SERVICE["environment"].values()


def test_the_cache_is_a_redis_7_that_is_asked_for() -> None:
    assert REDIS["image"].startswith("redis:7")
    assert REDIS["profiles"] == ["redis"]
    assert "depends_on" not in SERVICE


@contextmanager
def running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


def here(words: list[str], replaced: dict[str, str]) -> list[str]:
    """Words of a command with what belongs to this machine put in."""
    found = []
    for word in words:
        for old, new in replaced.items():
            word = word.replace(old, new)  # noqa: PLW2901 - one after the other
        found.append(word)
    return found


def check(words: list[str], replaced: dict[str, str]) -> int:
    """Exit code of a health check."""
    assert words[0] == "CMD"
    return subprocess.run(here(words[1:], replaced), check=False, capture_output=True, timeout=20).returncode


def test_the_commands_run_as_they_stand_there(tmp_path: Path) -> None:
    try:
        install({"redis-server": "redis-server"})
    except HarnessError as error:
        pytest.skip(f"no redis-server: {error}")
    port, cache_port = free_port(), free_port()
    redis_words = [*REDIS["command"], "--port", str(cache_port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    redis_words[0] = shutil.which("redis-server") or redis_words[0]
    places = {"/etc/simplemem/memorystore.yaml": str(MANIFEST), "/data": str(tmp_path / "data"), "0.0.0.0": "127.0.0.1"}
    words = [sys.executable, "-m", "simplemem_service", *here(SERVICE["command"], places), "--port", str(port)]
    paths = os.pathsep.join(str(ROOT / part) for part in ("crds", "service"))
    variables = {"SIMPLEMEM_LOG_LEVEL": "info", "REDIS_URL": f"redis://127.0.0.1:{cache_port}"}
    assert set(variables) == set(SERVICE["environment"])
    mine = {"127.0.0.1:8000": f"127.0.0.1:{port}", "python": sys.executable}
    with (
        running(redis_words, dict(os.environ), tmp_path / "redis.log"),
        running(words, {**os.environ, "PYTHONPATH": paths, **variables}, tmp_path / "service.log") as service,
    ):
        ready = 1
        while ready != 0 and service.poll() is None:
            ready = check(SERVICE["healthcheck"]["test"], mine)
        assert ready == 0, (tmp_path / "service.log").read_text()[-2000:]
        program, question = REDIS["healthcheck"]["test"][:2], REDIS["healthcheck"]["test"][2:]
        assert check([*program, "-p", str(cache_port), *question], {}) == 0
    assert check(SERVICE["healthcheck"]["test"], mine) != 0
