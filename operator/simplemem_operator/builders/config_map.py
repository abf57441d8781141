"""The ConfigMap: the ResolvedStore that the pods read."""

from __future__ import annotations

import json

from simplemem_api.resolved import ResolvedStore
from simplemem_operator import names
from simplemem_operator.builders.common import build_object
from simplemem_operator.constants import MONTH_FILE, STORE_FILE
from simplemem_operator.models.desired import Desired, Manifest


def build_config_map(desired: Desired) -> Manifest:
    """Settings of the pods. They hold names of Secrets, never values.

    What machines have cost stands beside the settings, so that a new figure replaces no pod.
    """
    data = {STORE_FILE: render_store(desired.store)}
    if desired.machine_cost is not None:
        cost = {"month": desired.machine_cost.month, "machinesUSD": desired.machine_cost.usd}
        data[MONTH_FILE] = json.dumps(cost, sort_keys=True) + "\n"
    body = {"data": data}
    return build_object(desired, "v1", "ConfigMap", names.config_map(desired.store.name), "config", body)


def render_store(store: ResolvedStore) -> str:
    """The ResolvedStore as the pods read it: JSON with sorted keys, so that the same store gives the same text.

    What only the operator acts on is set to nothing, since a change of it must not replace the pods.
    """
    document = store.model_dump(mode="json", by_alias=True)
    document["pods"] = {"resources": {}, "nodeSelector": {}, "tolerations": [], "affinity": {}, "annotations": {}}
    document["pods"]["priorityClassName"] = None
    document["autoscaling"] = None
    document["suspend"] = False
    document["embedding"]["gpu"] = None
    document["redis"] = None
    document["retrieval"]["replicas"] = 1
    return json.dumps(document, indent=1, sort_keys=True) + "\n"
