"""What `simplemem doctor` asks of a cluster, through the reader's own kubectl and its rights."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from simplemem_api.memorystore import GROUP, VERSION
from simplemem_api.resolved import ResolvedStore

LEAST_MINOR = 30
"""Least minor version of Kubernetes 1."""
SECONDS = 20
"""How long one question may take."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: str
    """What was looked at."""
    state: State
    """Whether it is as it must be; a note is something that only some stores need."""
    found: str
    """What is there."""
    next_step: str = ""
    """What to do about it; empty where nothing needs to be done."""


class Kubectl:
    """The reader's kubectl.

    Parameters
    ----------
    context
        Context of the kubeconfig; None: the current one.
    """

    def __init__(self, context: str | None) -> None:
        self._program = shutil.which("kubectl")
        self._options = ["--context", context] if context else []
        self.error = "" if self._program else "there is no kubectl on the PATH"

    def read(self, *words: str) -> dict[str, Any] | None:
        """The JSON that a call gives; None if it fails, and then `error` says why."""
        if self._program is None:
            return None
        # What an earlier call said is not about this one.
        self.error = ""
        command = [self._program, *self._options, *words, "-o", "json", f"--request-timeout={SECONDS}s"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=2 * SECONDS)  # noqa: S603 - no shell
        except subprocess.TimeoutExpired:
            self.error = f"kubectl did not answer within {2 * SECONDS} s"
            return None
        if done.returncode:
            self.error = done.stderr.strip().rpartition("\n")[2][:300]
            return None
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def items(self, *words: str) -> list[dict[str, Any]]:
        """The objects that a call lists; none where it fails, and then `error` says why."""
        return list((self.read("get", *words) or {}).get("items", ()))


def check_cluster(kubectl: Kubectl, store: ResolvedStore | None) -> Iterator[Finding]:
    """What a cluster must have for the operator, and for a store if one is given; the first problem may be the last."""
    version = kubectl.read("version")
    if version is None or "serverVersion" not in version:
        step = "give --context, set KUBECONFIG, or leave the cluster out with --local"
        yield Finding("cluster", State.PROBLEM, kubectl.error or "no API server answers", step)
        return
    server = version["serverVersion"]
    minor = int("".join(char for char in server["minor"] if char.isdigit()))
    is_new = (server["major"], minor) >= ("1", LEAST_MINOR)
    step = "" if is_new else f"the operator needs Kubernetes 1.{LEAST_MINOR} or later"
    yield Finding("cluster", State.OK if is_new else State.PROBLEM, f"Kubernetes {server['gitVersion']}", step)
    yield _check_crd(kubectl)
    yield _check_operator(kubectl)
    yield _check_storage_class(kubectl, store)
    yield _check_metrics(kubectl, store)
    yield _check_gpus(kubectl, store)
    if store is not None:
        yield from _check_secrets(kubectl, store)


def _check_crd(kubectl: Kubectl) -> Finding:
    found = kubectl.read("get", "crd", f"memorystores.{GROUP}")
    if found is None:
        return Finding("CRD", State.PROBLEM, kubectl.error, "helm install simplemem charts/simplemem-operator")
    served = [one["name"] for one in found["spec"]["versions"] if one["served"]]
    if VERSION not in served:
        return Finding("CRD", State.PROBLEM, f"serves {', '.join(served)}", f"upgrade the chart: {VERSION} is needed")
    return Finding("CRD", State.OK, f"memorystores.{GROUP} {', '.join(served)}")


def _check_operator(kubectl: Kubectl) -> Finding:
    found = kubectl.items("deployments", "-A", "-l", "app.kubernetes.io/name=simplemem-operator")
    ready = [one for one in found if one.get("status", {}).get("readyReplicas")]
    names = ", ".join(f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found)
    if not found:
        step = "helm install simplemem charts/simplemem-operator -n simplemem-system --create-namespace"
        return Finding("operator", State.PROBLEM, kubectl.error or "no Deployment of it", step)
    if not ready:
        step = "kubectl describe its pod; kubectl logs tells why it does not start"
        return Finding("operator", State.PROBLEM, f"{names} is not ready", step)
    return Finding("operator", State.OK, f"{names} is ready")


def _check_storage_class(kubectl: Kubectl, store: ResolvedStore | None) -> Finding:
    classes = kubectl.items("storageclasses")
    if kubectl.error:
        return _unseen("StorageClass", kubectl)
    names = [one["metadata"]["name"] for one in classes]
    wanted = store.storage.storage_class_name if store else None
    if wanted is not None:
        state = State.OK if wanted in names else State.PROBLEM
        step = "" if wanted in names else "name one of these in storage.pvc.storageClassName"
        return Finding("StorageClass", state, f"{wanted} wanted; there are {', '.join(names) or 'none'}", step)
    defaults = [
        one["metadata"]["name"]
        for one in classes
        if one["metadata"].get("annotations", {}).get(DEFAULT_CLASS) == "true"
    ]
    if defaults:
        return Finding("StorageClass", State.OK, f"{defaults[0]} is the default")
    needs = store is not None and store.storage.volume_size is not None
    step = "mark one as the default, name one in storage.pvc.storageClassName, or keep data in S3"
    found = f"none is the default of {', '.join(names)}" if names else "there is none"
    return Finding("StorageClass", State.PROBLEM if needs else State.NOTE, found, step)


def _check_metrics(kubectl: Kubectl, store: ResolvedStore | None) -> Finding:
    found = kubectl.read("get", "apiservice", "v1beta1.metrics.k8s.io")
    if found is None and "(NotFound)" not in kubectl.error:
        return _unseen("metrics server", kubectl)
    conditions = (found or {}).get("status", {}).get("conditions", ())
    if any(one["type"] == "Available" and one["status"] == "True" for one in conditions):
        return Finding("metrics server", State.OK, "metrics.k8s.io answers")
    needs = store is not None and store.autoscaling is not None
    step = "install metrics-server; autoscaling of retrieval pods needs it"
    return Finding("metrics server", State.PROBLEM if needs else State.NOTE, "metrics.k8s.io is not served", step)


def _check_gpus(kubectl: Kubectl, store: ResolvedStore | None) -> Finding:
    gpu = store.embedding.gpu if store else None
    name = gpu.resource_name if gpu else "nvidia.com/gpu"
    counts = [int(node["status"].get("allocatable", {}).get(name, 0)) for node in kubectl.items("nodes")]
    if kubectl.error:
        return _unseen("GPU nodes", kubectl)
    nodes = sum(count > 0 for count in counts)
    found = f"{nodes} of {len(counts)} nodes have {name}, {sum(counts)} together"
    if nodes:
        return Finding("GPU nodes", State.OK, found)
    if gpu is None:
        return Finding("GPU nodes", State.NOTE, found, "only GPU stores need them")
    step = "texts are embedded on CPU until one comes; node pools that scale from zero show none"
    return Finding("GPU nodes", State.NOTE, found, step)


def _unseen(check: str, kubectl: Kubectl) -> Finding:
    return Finding(check, State.NOTE, f"not known: {kubectl.error}", "ask somebody who may read it in the cluster")


def _check_secrets(kubectl: Kubectl, store: ResolvedStore) -> Iterator[Finding]:
    for name, keys in secrets_of(store).items():
        found = kubectl.read("get", "secret", name, "-n", store.namespace)
        check = f"Secret {store.namespace}/{name}"
        if found is None:
            step = f"kubectl create secret generic {name} -n {store.namespace}"
            yield Finding(check, State.PROBLEM, kubectl.error, step)
            continue
        missing = [key for key in keys if key not in found.get("data", {})]
        if missing:
            step = "add the key; the store goes on by itself"
            yield Finding(check, State.PROBLEM, f"lacks {', '.join(missing)}", step)
        else:
            yield Finding(check, State.OK, "is there" + (f", with {', '.join(keys)}" if keys else ""))


def secrets_of(store: ResolvedStore) -> dict[str, tuple[str, ...]]:
    """Secrets that a spec names, each with the keys that it must have (pure)."""
    bucket = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    named: list[tuple[str | None, tuple[str, ...]]] = [
        (store.storage.s3.credentials_secret_name if store.storage.s3 else None, bucket),
        (store.backup.s3.credentials_secret_name if store.backup else None, bucket),
        (store.redis.url_secret_name if store.redis else None, ("REDIS_URL",)),
        (store.redis.password_secret_name if store.redis else None, ("REDIS_PASSWORD",)),
        (store.llm.secret_name, ()),
        (store.access.token_secret_name, ()),
    ]
    found: dict[str, tuple[str, ...]] = {}
    for name, keys in named:
        if name is not None:
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *keys)))
    return found
