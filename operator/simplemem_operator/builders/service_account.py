"""The ServiceAccount of a store's pods."""

from __future__ import annotations

from simplemem_operator.builders.common import build_object, pull_secrets
from simplemem_operator.models.desired import Desired, Manifest


def build_service_account(desired: Desired) -> Manifest:
    """Identity of the pods, for cloud roles and private registries; it has no rights in the cluster, and no token is
    mounted.
    """
    body: Manifest = {"automountServiceAccountToken": False, **pull_secrets(desired)}
    return build_object(desired, "v1", "ServiceAccount", desired.store.name, "identity", body)
