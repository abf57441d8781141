"""What `simplemem doctor` asks of a cluster: what the operator needs of it, and a store if one is given."""

from __future__ import annotations

from collections.abc import Iterator

from simplemem_api.resolved import ResolvedStore
from simplemem_service.commands.bucket_checks import check_buckets, hint_at_buckets
from simplemem_service.commands.crd_checks import INSTALL, check_crd
from simplemem_service.commands.findings import Finding, State
from simplemem_service.commands.kubectl import Kubectl
from simplemem_service.commands.secret_checks import check_secrets, read_secrets

LEAST_MINOR = 30
"""Least minor version of Kubernetes 1."""
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def check_cluster(kubectl: Kubectl, store: ResolvedStore | None) -> Iterator[Finding]:
    """What a cluster must have for the operator, and for a store if one is given; the first problem may be the last."""
    version = kubectl.read("version")
    if version is None or "serverVersion" not in version:
        step = "give --context, set KUBECONFIG, or leave the cluster out with --local"
        yield Finding("cluster", State.PROBLEM, kubectl.error or "no API server answers", step)
        if store is not None:
            yield from hint_at_buckets(store)
        return
    server = version["serverVersion"]
    minor = int("".join(char for char in server["minor"] if char.isdigit()))
    is_new = (server["major"], minor) >= ("1", LEAST_MINOR)
    step = "" if is_new else f"the operator needs Kubernetes 1.{LEAST_MINOR} or later"
    yield Finding("cluster", State.OK if is_new else State.PROBLEM, f"Kubernetes {server['gitVersion']}", step)
    yield check_crd(kubectl)
    yield _check_operator(kubectl)
    yield _check_storage_class(kubectl, store)
    yield _check_metrics(kubectl, store)
    yield _check_gpus(kubectl, store)
    if store is not None:
        secrets = read_secrets(kubectl, store)
        yield from check_secrets(secrets)
        yield from check_buckets(kubectl, store, secrets)


def _check_operator(kubectl: Kubectl) -> Finding:
    found = kubectl.items("deployments", "-A", "-l", "app.kubernetes.io/name=simplemem-operator")
    ready = [one for one in found if one.get("status", {}).get("readyReplicas")]
    names = ", ".join(f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found)
    if not found:
        return Finding("operator", State.PROBLEM, kubectl.error or "no Deployment of it", INSTALL)
    if not ready:
        step = "kubectl describe its pod; kubectl logs tells why it does not start"
        return Finding("operator", State.PROBLEM, f"{names} is not ready", step)
    return Finding("operator", State.OK, f"{names} is ready")


def _check_storage_class(kubectl: Kubectl, store: ResolvedStore | None) -> Finding:
    classes = kubectl.items("storageclasses")
    if kubectl.error:
        return kubectl.unseen("StorageClass")
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
    if found is None and not kubectl.found_nothing:
        return kubectl.unseen("metrics server")
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
        return kubectl.unseen("GPU nodes")
    nodes = sum(count > 0 for count in counts)
    found = f"{nodes} of {len(counts)} nodes have {name}, {sum(counts)} together"
    if nodes:
        return Finding("GPU nodes", State.OK, found)
    if gpu is None:
        return Finding("GPU nodes", State.NOTE, found, "only GPU stores need them")
    step = "texts are embedded on CPU until one comes; node pools that scale from zero show none"
    return Finding("GPU nodes", State.NOTE, found, step)
