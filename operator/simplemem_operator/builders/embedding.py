"""The embedding pods on GPU nodes, and the names by which they are reached."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from simplemem_api.resolved import ResolvedGpu
from simplemem_api.workload_spec import SpotPolicy
from simplemem_operator import labels, names
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.podspec import build_pod_template
from simplemem_operator.constants import IDLE_SINCE, PORT
from simplemem_operator.models.desired import Desired, Manifest
from simplemem_operator.models.scale import EmbeddingScale

EMBEDDING = "embedding"
"""Component that embeds."""

SPOT_LABELS = (
    ("cloud.google.com/gke-spot", "true"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
)
"""Labels of spot nodes on GKE, EKS and AKS."""

SPOT_TOLERATIONS = [
    {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    {"key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule"},
]
"""Taints of spot nodes on GKE and AKS; EKS puts none."""

PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
"""Where the nodes stand that a pod prefers."""

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
"""Where those stand that it needs."""


def build_embedding_stateful_set(desired: Desired) -> Manifest | None:
    """Pods with one GPU each, as many as the backlog wants (`scaling.py`); None where texts are embedded elsewhere."""
    store, gpu = desired.store, desired.store.embedding.gpu
    if gpu is None:
        return None
    scale = desired.scale or EmbeddingScale(gpu.min_replicas)
    template = copy.deepcopy(build_pod_template(desired, EMBEDDING, EMBEDDING))
    pod = template["spec"]
    container = pod["containers"][0]
    # The weights are cached on a volume of the pod's own; the store's volume belongs to its one writer.
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] != "data"] + [
        {"name": "data", "emptyDir": {}}
    ]
    container["image"] = desired.images.embedding or desired.images.service
    resources: dict[str, Any] = container["resources"]
    limits = {**resources.get("limits", {}), gpu.resource_name: "1"}
    container["resources"] = {**resources, "limits": limits}
    pod["nodeSelector"] = {**pod.get("nodeSelector", {}), **gpu.node_selector}
    pod["tolerations"] = [*pod.get("tolerations", []), *gpu.tolerations, *_spot_tolerations(gpu)]
    affinity = _with_spot(pod.get("affinity", {}), gpu)
    if affinity:
        pod["affinity"] = affinity
    body = {
        "spec": {
            "replicas": 0 if store.suspend else scale.replicas,
            "serviceName": names.embedding(store.name),
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels.selector(store.name, EMBEDDING)},
            "template": template,
        }
    }
    annotations = {IDLE_SINCE: scale.idle_since} if scale.idle_since else {}
    name = names.embedding(store.name)
    return build_object(desired, "apps/v1", "StatefulSet", name, EMBEDDING, body, annotations=annotations)


def build_embedding_service(desired: Desired) -> Manifest | None:
    """Headless Service of the embedding pods; None where there are none."""
    store = desired.store
    if store.embedding.gpu is None:
        return None
    body = {
        "spec": {
            "clusterIP": "None",
            "selector": labels.selector(store.name, EMBEDDING),
            "ports": [{"name": "http", "port": PORT, "targetPort": "http", "protocol": "TCP"}],
        }
    }
    return build_object(desired, "v1", "Service", names.embedding(store.name), EMBEDDING, body)


def _spot_tolerations(gpu: ResolvedGpu) -> list[dict[str, Any]]:
    return [] if gpu.spot is SpotPolicy.NEVER else copy.deepcopy(SPOT_TOLERATIONS)


def _with_spot(affinity: Mapping[str, Any], gpu: ResolvedGpu) -> dict[str, Any]:
    """The user's affinity and the policy on spot nodes, both in force.

    Terms that a node must match are alternatives, so each of the user's is joined with each of the spot nodes'.
    """
    spot = [{"key": key, "operator": "In", "values": [value]} for key, value in SPOT_LABELS]
    node: dict[str, Any] = copy.deepcopy(affinity.get("nodeAffinity", {}))
    if gpu.spot is SpotPolicy.PREFERRED:
        preferred = [{"weight": 100, "preference": {"matchExpressions": [one]}} for one in spot]
        node[PREFERRED] = [*node.get(PREFERRED, []), *preferred]
    if gpu.spot is SpotPolicy.REQUIRED:
        own = node.get(REQUIRED, {}).get("nodeSelectorTerms") or [{}]
        joined = [
            {**term, "matchExpressions": [*term.get("matchExpressions", []), one]} for term in own for one in spot
        ]
        node[REQUIRED] = {"nodeSelectorTerms": joined}
    return {**affinity, "nodeAffinity": node} if node else dict(affinity)
