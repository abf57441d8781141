"""A real control plane: starts, serves, stands still, comes back, and says why a program failed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.control_plane import ControlPlane
from tests.harness.control_plane_flags import ControlPlaneOptions
from tests.harness.errors import HarnessError

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    options = ControlPlaneOptions(users={"observer": ()})
    with ControlPlane(tmp_path_factory.mktemp("plane"), options) as plane:
        yield plane


def test_the_server_reports_its_version(plane: ControlPlane) -> None:
    assert "Server Version: v1.35" in plane.kubectl("version")


def test_controllers_act(plane: ControlPlane) -> None:
    assert "kube-root-ca.crt" in plane.kubectl("get", "configmaps", "--namespace=default")


def test_only_writes_are_recorded_and_by_user(plane: ControlPlane) -> None:
    before = len(plane.writes("admin"))
    plane.kubectl("get", "namespaces")
    plane.kubectl("create", "configmap", "written", "--namespace=default")
    assert [event["verb"] for event in plane.writes("admin")[before:]] == ["create"]
    assert plane.writes("observer") == []


def test_a_user_without_a_role_may_not_read(plane: ControlPlane) -> None:
    with pytest.raises(HarnessError, match="observer"):
        plane.kubectl("get", "secrets", f"--kubeconfig={plane.kubeconfig_for('observer')}")


def test_a_paused_server_answers_nothing_and_goes_on(plane: ControlPlane) -> None:
    with plane.paused(), pytest.raises(HarnessError):
        plane.kubectl("get", "namespaces", "--request-timeout=1s")
    assert "kube-system" in plane.kubectl("get", "namespaces")


def test_a_restarted_server_has_kept_its_objects(plane: ControlPlane) -> None:
    plane.kubectl("create", "namespace", "kept")
    plane.restart_api_server()
    assert "kept" in plane.kubectl("get", "namespaces")


def test_two_control_planes_run_side_by_side(plane: ControlPlane, tmp_path: Path) -> None:
    with ControlPlane(tmp_path, ControlPlaneOptions(controllers=(), has_scheduler=False)) as other:
        other.kubectl("create", "namespace", "elsewhere")
        assert "elsewhere" not in plane.kubectl("get", "namespaces")
    assert not any(process.is_running for process in other.processes)


def test_a_failing_program_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    options = ControlPlaneOptions(api_server_flags=("--no-such-flag",), controllers=(), has_scheduler=False)
    plane = ControlPlane(tmp_path, options)
    with pytest.raises(HarnessError, match=r"(?s)kube-apiserver ended with 1.*unknown flag: --no-such-flag"), plane:
        pass
    assert not any(process.is_running for process in plane.processes)
