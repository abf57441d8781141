"""The CronJob that has a store copied.

Its pod holds no data and no key of a bucket: it asks the store to copy itself, follows, and fails where that fails. So
it needs no more than the store's address and a token.
"""

from __future__ import annotations

from simplemem_api.in_force import backup_in_force
from simplemem_operator import names
from simplemem_operator.builders.command_pod import build_command_template
from simplemem_operator.builders.common import build_object
from simplemem_operator.constants import TOKENS_FOLDER
from simplemem_operator.models.desired import Desired, Manifest

BACKUP = "backup"
"""Component that copies."""
LATE_SECONDS = 3600
"""How late a run may begin that was due while nothing could be started, in seconds; beyond it the next one counts."""
LONGEST_SECONDS = 6 * 3600
"""How long a run may take, in seconds; a copy of 100 GB at 10 MB a second takes three hours."""
TRIES_AGAIN = 2
"""Pods made after one that failed: each asks anew, or joins a copy that is under way."""
RESOURCES = {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}
"""What the waiting pod asks for; the work is the store's."""


def build_backup_cron_job(desired: Desired) -> Manifest | None:
    """Regular copies, one at a time; None where none are made."""
    store = desired.store
    backup = backup_in_force(store)
    if backup is None:
        return None
    body = {
        "spec": {
            "schedule": backup.schedule,
            "timeZone": "Etc/UTC",
            "suspend": store.suspend,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": LATE_SECONDS,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": TRIES_AGAIN,
                    "activeDeadlineSeconds": LONGEST_SECONDS,
                    "template": _template(desired),
                }
            },
        }
    }
    return build_object(desired, "batch/v1", "CronJob", names.backup(store.name), BACKUP, body)


def _template(desired: Desired) -> Manifest:
    store = desired.store
    env = [{"name": "SIMPLEMEM_URL", "value": f"http://{store.name}"}]
    if store.access.token_secret_name:
        env.append({"name": "SIMPLEMEM_TOKENS", "value": TOKENS_FOLDER})
    return build_command_template(desired, BACKUP, ["backup"], env=env, resources=RESOURCES, volumes=("tmp", "tokens"))
