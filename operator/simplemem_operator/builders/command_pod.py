"""Pods that run one command of the service's image and end: what jobs are made of."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from typing import Any

from simplemem_operator.builders.podspec import build_pod_template
from simplemem_operator.models.desired import Desired, Manifest

UNWANTED = ("ports", "startupProbe", "livenessProbe", "readinessProbe", "lifecycle", "envFrom")
"""What a pod that serves has, and one that runs a command has not."""


def build_command_template(
    desired: Desired,
    component: str,
    args: Sequence[str],
    *,
    env: Sequence[Manifest],
    resources: Manifest,
    volumes: Collection[str],
) -> Manifest:
    """Template of a pod that runs one command, as restricted as those that serve.

    Parameters
    ----------
    desired
        The store.
    component
        Component of the pod.
    args
        The command.
    env
        All its variables.
    resources
        What it asks for.
    volumes
        Names of the volumes of a serving pod that it mounts, too.
    """
    template = copy.deepcopy(build_pod_template(desired, component, component))
    # Every run makes a pod of its own, which needs no hash to be replaced.
    template["metadata"]["annotations"] = dict(desired.store.pods.annotations)
    pod = template["spec"]
    pod["restartPolicy"] = "Never"
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] in volumes]
    container: dict[str, Any] = pod["containers"][0]
    for name in UNWANTED:
        container.pop(name, None)
    container["args"] = list(args)
    container["env"] = list(env)
    container["resources"] = copy.deepcopy(resources)
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] in volumes]
    # The last lines of a run that failed stand in the pod's status.
    container["terminationMessagePolicy"] = "FallbackToLogsOnError"
    return template
