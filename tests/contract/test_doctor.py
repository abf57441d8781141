"""`simplemem doctor` beside a real API server and a real S3 server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.build import ensure
from tests.harness.control_plane import ControlPlane
from tests.support.bucket import BUCKET, BucketServer, credentials
from tests.support.server import eventually
from tests.support.stores import make_manifest

ROOT = Path(__file__).resolve().parents[2]
CRD = ROOT / "crds" / "memorystore.yaml"


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BucketServer]:
    server = BucketServer(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


def doctor(*arguments: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the findings by their check."""
    path = os.pathsep.join([str(ensure(["kubectl"])["kubectl"].parent), "/usr/bin", "/bin"])
    # kubectl keeps what it learnt of a cluster in the home folder.
    settings = {
        "HOME": tempfile.gettempdir(),
        "PATH": path,
        "PYTHONPATH": f"{ROOT / 'crds'}:{ROOT / 'service'}",
        **environment,
    }
    command = [sys.executable, "-m", "simplemem_service", "doctor", "--json", *arguments]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, {one["check"]: one for one in json.loads(done.stdout)["findings"]}


def write(folder: Path, **spec: Any) -> str:
    path = folder / "store.yaml"
    # The library that knows which keys a model needs takes seconds to load.
    path.write_text(yaml.safe_dump(make_manifest(**{"llm": {"mode": "Rules"}, **spec})))
    return str(path)


def test_a_bare_cluster_lacks_crd_and_operator_and_is_told_what_to_do(plane: ControlPlane) -> None:
    status, found = doctor(KUBECONFIG=str(plane.kubeconfig))
    assert status == 1
    assert found["cluster"]["state"] == "ok"
    assert (found["CRD"]["state"], found["operator"]["state"]) == ("problem", "problem")
    assert found["CRD"]["next_step"].startswith("helm install")
    assert found["operator"]["found"] == "no Deployment of it"
    assert (found["StorageClass"]["state"], found["metrics server"]["state"]) == ("note", "note")
    plane.kubectl("apply", "--server-side", "-f", str(CRD))
    _, found = doctor(KUBECONFIG=str(plane.kubeconfig))
    assert found["CRD"]["state"] == "ok"


def with_crd(plane: ControlPlane, edit: Callable[[dict[str, Any]], object], source: Path = CRD) -> dict[str, Any]:
    """What is found of a CRD whose schema was edited; the released one stands there afterwards."""
    crd = yaml.safe_load(source.read_text())
    edit(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    plane.kubectl(*apply, stdin=yaml.safe_dump(crd))
    _, found = doctor(KUBECONFIG=str(plane.kubeconfig))
    plane.kubectl(*apply, stdin=CRD.read_text())
    return found["CRD"]


def test_a_crd_of_another_version_is_told_by_its_fields_and_rules(plane: ControlPlane) -> None:
    def without_backup(spec: dict[str, Any]) -> None:
        del spec["properties"]["backup"]
        rules = spec["x-kubernetes-validations"]
        spec["x-kubernetes-validations"] = [rule for rule in rules if "backup" not in rule["rule"]]

    older = with_crd(plane, without_backup)
    assert (older["state"], "lacks spec.backup" in older["found"]) == ("problem", True)
    assert not re.search(r"spec\.backup[. ]", older["found"]), "a field stands for what it holds and what is said of it"
    assert "docs/upgrade.md" in older["next_step"]
    lax = with_crd(plane, lambda spec: spec["x-kubernetes-validations"].pop())
    assert (lax["state"], "lacks spec (" in lax["found"]) == ("problem", True)
    newer = with_crd(plane, lambda spec: spec["properties"].update(later={"type": "string"}))
    assert (newer["state"], newer["found"].endswith("has spec.later, unknown here")) == ("note", True)
    assert with_crd(plane, lambda spec: spec)["state"] == "ok"


def test_a_crd_of_another_version_is_told_by_its_types_and_values(plane: ControlPlane) -> None:
    fewer = with_crd(plane, lambda spec: spec["properties"]["tier"]["enum"].remove("Hybrid"))
    assert (fewer["state"], fewer["found"].endswith("lacks spec.tier 'Hybrid'")) == ("problem", True)
    more = with_crd(plane, lambda spec: spec["properties"]["tier"]["enum"].append("Galactic"))
    assert (more["state"], more["found"].endswith("has spec.tier 'Galactic', unknown here")) == ("note", True)
    other = with_crd(plane, lambda spec: spec["properties"]["suspend"].update(type="string"))
    assert (other["state"], other["found"].endswith("lacks spec.suspend as boolean")) == ("problem", True)


def test_the_crd_of_the_first_version_is_told_by_what_came_since(plane: ControlPlane) -> None:
    found = with_crd(plane, lambda spec: spec, ROOT / "tests" / "data" / "upgrade" / "crd.yaml")
    assert found["state"] == "problem"
    assert "spec.autoscaling.metrics" in found["found"]
    assert re.search(r" and \d+ more$", found["found"])
    assert "docs/upgrade.md" in found["next_step"]


def test_what_a_store_needs_of_a_cluster_is_a_problem_where_it_is_missing(plane: ControlPlane, tmp_path: Path) -> None:
    plane.kubectl("create", "namespace", "team-a")
    plane.kubectl("create", "secret", "generic", "tokens", "-n", "team-a", "--from-literal=agent=t")
    plane.kubectl("create", "secret", "generic", "keys", "-n", "team-a", "--from-literal=AWS_ACCESS_KEY_ID=a")
    file = write(
        tmp_path,
        tier="CostEffective",
        access={"tokenSecretName": "tokens"},
        backup={"s3": {"bucket": "copies", "credentialsSecretName": "keys"}},
        cache={"redis": {"urlSecretName": "redis"}},
    )
    status, found = doctor("-f", file, KUBECONFIG=str(plane.kubeconfig))
    assert status == 1
    assert found["StorageClass"]["state"] == "problem"
    assert found["Secret team-a/tokens"]["state"] == "ok"
    assert found["Secret team-a/keys"]["found"] == "lacks AWS_SECRET_ACCESS_KEY"
    assert "not found" in found["Secret team-a/redis"]["found"]


@contextmanager
def objects(plane: ControlPlane, *manifests: dict[str, Any]) -> Iterator[None]:
    """What the cluster holds during the block."""
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests})
    plane.kubectl("apply", "--server-side", "-f", "-", stdin=listed)
    try:
        yield
    finally:
        plane.kubectl("delete", "-f", "-", stdin=listed)


def wait_for(plane: ControlPlane, told: str, *words: str) -> None:
    """Wait until kubectl tells just that of an object."""
    eventually(lambda: plane.kubectl("get", *words) == told, within=30, what=f"{told} of {' '.join(words)}")


def test_an_operator_counts_once_a_pod_of_it_is_ready(plane: ControlPlane) -> None:
    labels = {"app.kubernetes.io/name": "simplemem-operator"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "operator", "image": "operator:1"}]}}
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "smo", "namespace": "default", "labels": labels},
        "spec": {"selector": {"matchLabels": labels}, "template": pod},
    }  # fmt: skip
    of_it = ("-n", "default", "-l", "app.kubernetes.io/name=simplemem-operator", "-o", "name")
    with objects(plane, deployment):
        name = eventually(lambda: plane.kubectl("get", "pods", *of_it).strip(), within=30, what="a pod")
        _, found = doctor(KUBECONFIG=str(plane.kubeconfig))
        assert (found["operator"]["state"], found["operator"]["found"]) == ("problem", "default/smo is not ready")
        assert "kubectl logs" in found["operator"]["next_step"]
        # As a kubelet says it; the controllers count the rest.
        patch = json.dumps({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
        plane.kubectl("patch", name, "-n", "default", "--subresource=status", "-p", patch)
        wait_for(plane, "1", "deployment", "smo", "-n", "default", "-o", "jsonpath={.status.readyReplicas}")
        _, found = doctor(KUBECONFIG=str(plane.kubeconfig))
        assert (found["operator"]["state"], found["operator"]["found"]) == ("ok", "default/smo is ready")


def test_a_class_of_volumes_is_the_one_that_the_store_names_or_the_default(plane: ControlPlane, tmp_path: Path) -> None:
    def found(*arguments: str) -> tuple[str, str]:
        _, all_found = doctor(*arguments, KUBECONFIG=str(plane.kubeconfig))
        return all_found["StorageClass"]["state"], all_found["StorageClass"]["found"]

    fast = {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "fast"}, "provisioner": "example.com/fast",
    }  # fmt: skip
    with objects(plane, fast):
        assert found() == ("note", "none is the default of fast")
        wants = {"tier": "Minimal", "storage": {"pvc": {"storageClassName": "fast"}}}
        assert found("-f", write(tmp_path, **wants)) == ("ok", "fast wanted; there are fast")
        wants["storage"] = {"pvc": {"storageClassName": "slow"}}
        assert found("-f", write(tmp_path, **wants)) == ("problem", "slow wanted; there are fast")
        default = "storageclass.kubernetes.io/is-default-class=true"
        plane.kubectl("annotate", "storageclass", "fast", default)
        assert found("-f", write(tmp_path, tier="Minimal")) == ("ok", "fast is the default")


def test_a_metrics_server_counts_once_it_answers(plane: ControlPlane, tmp_path: Path) -> None:
    name = "v1beta1.metrics.k8s.io"
    spec = {"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100}
    away = {"service": {"name": "metrics-server", "namespace": "kube-system"}, "insecureSkipTLSVerify": True}
    scaled = write(
        tmp_path,
        tier="CostEffective",
        storage={"s3": {"bucket": "memories"}},
        autoscaling={"minReplicas": 1, "maxReplicas": 3},
    )
    # An API that the API server serves itself is available at once.
    for more, reason, state in ((away, "ServiceNotFound", "problem"), ({}, "Local", "ok")):
        api = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name}}
        with objects(plane, api | {"spec": spec | more}):
            wait_for(plane, reason, "apiservice", name, "-o", "jsonpath={.status.conditions[*].reason}")
            _, found = doctor("-f", scaled, KUBECONFIG=str(plane.kubeconfig))
            assert found["metrics server"]["state"] == state, reason


def test_gpus_are_counted_by_the_name_that_the_store_asks_for(plane: ControlPlane, tmp_path: Path) -> None:
    def found(*arguments: str) -> tuple[str, str]:
        _, all_found = doctor(*arguments, KUBECONFIG=str(plane.kubeconfig))
        return all_found["GPU nodes"]["state"], all_found["GPU nodes"]["found"]

    gpus = {
        "cpu-1": {},
        "gpu-1": {"nvidia.com/gpu": "2"},
        "gpu-2": {"nvidia.com/gpu": "1", "nvidia.com/mig-1g.10gb": "7"},
    }
    assert found() == ("note", "0 of 0 nodes have nvidia.com/gpu, 0 together")
    with objects(plane, *({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}} for name in gpus)):
        for name, allocatable in gpus.items():
            patch = json.dumps({"status": {"allocatable": {"cpu": "4", **allocatable}}})
            plane.kubectl("patch", "node", name, "--subresource=status", "-p", patch)
        assert found() == ("ok", "2 of 3 nodes have nvidia.com/gpu, 3 together")
        s3 = {"s3": {"bucket": "memories"}}
        for resource, told in (
            ("nvidia.com/mig-1g.10gb", ("ok", "1 of 3 nodes have nvidia.com/mig-1g.10gb, 7 together")),
            ("amd.com/gpu", ("note", "0 of 3 nodes have amd.com/gpu, 0 together")),
        ):
            gpu = {"gpu": {"resourceName": resource}}
            assert found("-f", write(tmp_path, tier="GPUAccelerated", storage=s3, embedding=gpu)) == told


def test_a_cluster_that_does_not_answer_is_one_problem(tmp_path: Path) -> None:
    status, found = doctor(KUBECONFIG=str(tmp_path / "none"))
    assert status == 1
    assert set(found) == {"program", "cluster"}
    assert "--local" in found["cluster"]["next_step"]


def storage_ready(status: str, reason: str, message: str, generation: int = 1) -> dict[str, Any]:
    """A condition as the operator writes it."""
    return {
        "type": "StorageReady", "status": status, "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": "2026-03-01T10:00:00Z",
    }  # fmt: skip


def test_of_a_cluster_the_store_says_itself_whether_its_bucket_can_be_written(
    plane: ControlPlane, tmp_path: Path
) -> None:
    plane.kubectl("apply", "--server-side", "-f", str(CRD))
    # As in manifests/gpu-aks.yaml: out of reach from here, and the keys of this environment are none of the store's.
    s3 = {"bucket": "memories", "endpoint": "http://s3.storage.svc:7070", "credentialsSecretName": "bucket-keys"}
    file = write(tmp_path, namespace="team-b", tier="CostEffective", storage={"s3": s3}, llm={"mode": "Rules"})
    plane.kubectl("create", "namespace", "team-b")
    environment = {"KUBECONFIG": str(plane.kubeconfig), **credentials()}
    _, found = doctor("-f", file, **environment)
    assert (found["bucket"]["state"], found["Secret team-b/bucket-keys"]["state"]) == ("note", "problem")
    assert "is not complete" in found["bucket"]["found"]
    literals = [
        f"--from-literal={name}=secret-value-of-mine" for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    ]
    plane.kubectl("create", "secret", "generic", "bucket-keys", "-n", "team-b", *literals)
    _, found = doctor("-f", file, **environment)
    assert (found["bucket"]["state"], found["Secret team-b/bucket-keys"]["state"]) == ("note", "ok")
    assert "no pod has used them yet" in found["bucket"]["found"]
    plane.kubectl("apply", "-f", file)
    for condition, state in (
        (storage_ready("True", "BucketReachable", "can be written"), "ok"),
        (storage_ready("False", "BucketRefused", "bucket 'memories' refuses: AccessDenied"), "problem"),
        (storage_ready("False", "Reconciling", "starting"), "note"),
        (storage_ready("False", "BucketRefused", "of a spec before", generation=0), "note"),
    ):
        patch = json.dumps({"status": {"conditions": [condition]}})
        plane.kubectl("patch", "smem", "notes", "-n", "team-b", "--subresource=status", "--type=merge", "-p", patch)
        _, found = doctor("-f", file, **environment)
        assert found["bucket"]["state"] == state, condition
        assert "secret-value-of-mine" not in json.dumps(found)
        told = f"{condition['message']} (StorageReady: {condition['reason']})"
        assert (told in found["bucket"]["found"]) == (state != "note")
    moved = write(tmp_path, namespace="team-b", tier="CostEffective", storage={"s3": s3 | {"prefix": "other"}})
    _, found = doctor("-f", moved, **environment)
    assert found["bucket"]["state"] == "note"


def test_a_bucket_of_which_the_cluster_tells_nothing_is_tried_from_here_as_a_hint(
    plane: ControlPlane, bucket: BucketServer, tmp_path: Path
) -> None:
    s3 = {"bucket": BUCKET, "endpoint": bucket.endpoint}
    copies = {"s3": {"bucket": "missing", "endpoint": bucket.endpoint}}
    file = write(tmp_path, tier="CostEffective", storage={"s3": s3}, backup=copies, llm={"mode": "Rules"})
    for kubeconfig in (plane.kubeconfig, tmp_path / "none"):
        _, found = doctor("-f", file, KUBECONFIG=str(kubeconfig), **credentials())
        assert (found["bucket"]["state"], found["backup bucket"]["state"]) == ("ok", "note")
        assert "s3://missing" in found["backup bucket"]["found"]
        assert "a hint only" in found["backup bucket"]["next_step"]


def test_the_bucket_of_the_copies_is_tried_too(bucket: BucketServer, tmp_path: Path) -> None:
    copies = {"s3": {"bucket": BUCKET, "prefix": "copies", "endpoint": bucket.endpoint}}
    file = write(tmp_path, tier="CostEffective", backup=copies, llm={"mode": "Rules"})
    status, found = doctor("--local", "-f", file, **credentials())
    assert (status, found["backup bucket"]["state"]) == (0, "ok")
    own = {f"SIMPLEMEM_BACKUP_{name}": value for name, value in credentials().items()}
    wrong = own | {"SIMPLEMEM_BACKUP_AWS_SECRET_ACCESS_KEY": "wrong"}
    status, found = doctor("--local", "-f", file, **own)
    assert (status, found["backup bucket"]["state"]) == (0, "ok")
    status, found = doctor("--local", "-f", file, **credentials(), **wrong)
    assert (status, found["backup bucket"]["state"]) == (1, "problem")
    assert "SIMPLEMEM_BACKUP_AWS_ACCESS_KEY_ID" in found["backup bucket"]["next_step"]


def test_a_bucket_is_written_with_the_keys_of_the_environment(bucket: BucketServer, tmp_path: Path) -> None:
    s3 = {"bucket": BUCKET, "endpoint": bucket.endpoint}
    file = write(tmp_path, tier="CostEffective", storage={"s3": s3}, llm={"mode": "Model", "secretName": "models"})
    status, found = doctor("--local", "-f", file, **credentials())
    assert (status, found["bucket"]["state"], found["model key"]["state"]) == (0, "ok", "note")
    wrong = credentials() | {"AWS_SECRET_ACCESS_KEY": "wrong"}
    status, found = doctor("--local", "-f", file, **wrong, ANTHROPIC_API_KEY="key-of-mine")
    assert (status, found["bucket"]["state"], found["model key"]["state"]) == (1, "problem", "ok")
    assert "key-of-mine" not in json.dumps(found)
    assert "wrong" not in found["bucket"]["found"]


@pytest.mark.parametrize(
    ("llm", "expected"),
    [
        ({"models": ["mistral/mistral-small-latest"]}, "mistral/mistral-small-latest needs MISTRAL_API_KEY"),
        ({"models": ["gemini/gemini-2.0-flash"]}, "needs GOOGLE_API_KEY or GEMINI_API_KEY"),
        ({"models": ["bedrock/amazon.nova-lite-v1:0"]}, "needs AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ({"models": ["who-knows/which"]}, "LiteLLM knows no provider of who-knows/which"),
        ({"models": ["openai/served-here"], "apiBase": "http://model.team-a:8000/v1"}, None),
    ],
)
def test_the_key_of_each_provider_is_asked_for_by_its_name(
    llm: dict[str, Any], expected: str | None, tmp_path: Path
) -> None:
    file = write(tmp_path, tier="Minimal", llm={"mode": "Model", "secretName": "models", **llm})
    status, found = doctor("--local", "-f", file)
    assert status == 0
    assert (found.get("model key", {}).get("state"), bool(expected)) in (("note", True), (None, False))
    assert (expected or "") in found.get("model key", {}).get("found", "")
