"""One builder a kind, pure: `build_<kind>(desired) -> Manifest | None`; BUILDERS lists them all."""

from __future__ import annotations

from collections.abc import Callable

from simplemem_operator.builders.config_map import build_config_map
from simplemem_operator.builders.cron_job import build_backup_cron_job
from simplemem_operator.builders.deployment import build_ingest_deployment, build_retrieval_deployment
from simplemem_operator.builders.embedding import build_embedding_service, build_embedding_stateful_set
from simplemem_operator.builders.horizontal_pod_autoscaler import build_horizontal_pod_autoscaler
from simplemem_operator.builders.network_policy import build_network_policy
from simplemem_operator.builders.persistent_volume_claim import build_persistent_volume_claim
from simplemem_operator.builders.pod_disruption_budget import build_pod_disruption_budget
from simplemem_operator.builders.redis import build_redis_config_map, build_redis_service, build_redis_stateful_set
from simplemem_operator.builders.removal import build_removal_record
from simplemem_operator.builders.service import build_service
from simplemem_operator.builders.service_account import build_service_account
from simplemem_operator.builders.service_monitor import build_service_monitor
from simplemem_operator.models.desired import Desired, Manifest

Builder = Callable[[Desired], Manifest | None]
"""Builds one child, or None where the store must not have it."""

BUILDERS: tuple[Builder, ...] = (
    build_service_account,
    build_config_map,
    build_removal_record,
    build_network_policy,
    build_persistent_volume_claim,
    build_service,
    build_redis_config_map,
    build_redis_service,
    build_redis_stateful_set,
    build_ingest_deployment,
    build_retrieval_deployment,
    build_embedding_service,
    build_embedding_stateful_set,
    build_pod_disruption_budget,
    build_horizontal_pod_autoscaler,
    build_backup_cron_job,
    build_service_monitor,
)
"""In order of application: what others refer to comes first."""

WORKLOADS = frozenset({"Deployment", "StatefulSet"})
"""Kinds that start pods; held back while something that the pods need is missing."""


def build_children(desired: Desired) -> list[Manifest]:
    """All children that the store should have now, in order of application."""
    return [child for builder in BUILDERS if (child := builder(desired)) is not None]
