"""Kinds of objects that the operator reads and writes, and where the API serves them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from simplemem_api.memorystore import GROUP, PLURAL, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of object and where the API serves it."""

    name: str
    """Kind."""
    api_version: str
    """API group and version."""
    plural: str
    """Resource name."""
    is_optional: bool = False
    """Whether a cluster may lack it: an API that comes with another project."""
    is_metadata_only: bool = False
    """Whether its content stays with the API server: only names and versions are ever sent here."""

    def path(self, namespace: str | None, name: str = "") -> str:
        """Path of the collection in a namespace, or in all for None, or of one object."""
        path = "/api" if "/" not in self.api_version else "/apis"
        path = f"{path}/{self.api_version}"
        if namespace is not None:
            path = f"{path}/namespaces/{quote(namespace)}"
        path = f"{path}/{self.plural}"
        return f"{path}/{quote(name)}" if name else path


KINDS = {
    kind.name: kind
    for kind in (
        Kind("ServiceAccount", "v1", "serviceaccounts"),
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("Service", "v1", "services"),
        Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Kind("Deployment", "apps/v1", "deployments"),
        Kind("StatefulSet", "apps/v1", "statefulsets"),
        Kind("CronJob", "batch/v1", "cronjobs"),
        Kind("Job", "batch/v1", "jobs"),
        Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
        Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
        Kind("ServiceMonitor", "monitoring.coreos.com/v1", "servicemonitors", is_optional=True),
    )
}
"""Kinds of children, by name."""

STORES = Kind("MemoryStore", f"{GROUP}/{VERSION}", PLURAL)
"""Our own kind."""
PODS = Kind("Pod", "v1", "pods")
"""Pods."""
SECRETS = Kind("Secret", "v1", "secrets", is_metadata_only=True)
"""Secrets; read only, and each one's data only to be hashed."""
EVENTS = Kind("Event", "v1", "events")
"""Events."""
