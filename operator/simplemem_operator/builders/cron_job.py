"""The CronJob that copies a store."""

from __future__ import annotations

import copy

from simplemem_operator import names
from simplemem_operator.builders.common import build_object
from simplemem_operator.builders.podspec import build_pod_template
from simplemem_operator.models.desired import Desired, Manifest

BACKUP = "backup"
"""Component that copies."""


def build_backup_cron_job(desired: Desired) -> Manifest | None:
    """Regular copies, one at a time; None where the spec names no target."""
    store = desired.store
    if store.backup is None:
        return None
    template = copy.deepcopy(build_pod_template(desired, BACKUP, BACKUP))
    container = template["spec"]["containers"][0]
    container["args"] = ["backup"]
    for unwanted in ("ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle"):
        container.pop(unwanted)
    template["spec"]["restartPolicy"] = "Never"
    body = {
        "spec": {
            "schedule": store.backup.schedule,
            "suspend": store.suspend,
            "concurrencyPolicy": "Forbid",
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {"spec": {"backoffLimit": 2, "template": template}},
        }
    }
    return build_object(desired, "batch/v1", "CronJob", names.backup(store.name), BACKUP, body)
