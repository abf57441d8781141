"""What the Prometheus operator makes of a monitor, as a scrape job that still lacks its discovery.

The Prometheus operator itself needs images of its own.
"""

from __future__ import annotations

import re
from typing import Any


def pods_job(monitor: dict[str, Any]) -> dict[str, Any]:
    """The job of a PodMonitor's spec."""
    (endpoint,) = monitor["podMetricsEndpoints"]
    rules = [
        *_selected("__meta_kubernetes_pod_label_", monitor["selector"]),
        _keep("__meta_kubernetes_pod_container_port_name", endpoint["port"]),
        _drop("__meta_kubernetes_pod_phase", "(Failed|Succeeded)"),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        _copy("__meta_kubernetes_pod_container_name", "container"),
    ]
    return _job("stores", endpoint, rules)


def endpoints_job(monitor: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The job of the spec of a ServiceMonitor that stands in the namespace."""
    (endpoint,) = monitor["endpoints"]
    rules = [
        _keep("__meta_kubernetes_namespace", namespace),
        *_selected("__meta_kubernetes_service_label_", monitor["selector"]),
        _keep("__meta_kubernetes_endpointslice_port_name", endpoint["port"]),
        _copy("__meta_kubernetes_namespace", "namespace"),
        _copy("__meta_kubernetes_pod_name", "pod"),
        _copy("__meta_kubernetes_service_name", "service"),
    ]
    return _job("operator", endpoint, rules)


def _job(name: str, endpoint: dict[str, Any], rules: list[dict[str, Any]]) -> dict[str, Any]:
    own = [{_snake(key): value for key, value in rule.items()} for rule in endpoint.get("relabelings", ())]
    return {
        "job_name": name,
        "honor_labels": endpoint.get("honorLabels", False),
        "metrics_path": endpoint.get("path", "/metrics"),
        "scrape_interval": endpoint["interval"],
        "scrape_timeout": endpoint["interval"],
        "relabel_configs": [*rules, *own],
    }


def _selected(prefix: str, selector: dict[str, Any]) -> list[dict[str, Any]]:
    wanted = {key: [value] for key, value in selector.get("matchLabels", {}).items()}
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In", expression
        wanted[expression["key"]] = expression["values"]
    return [_keep(prefix + re.sub(r"\W", "_", key), "|".join(values)) for key, values in wanted.items()]


def _keep(source: str, regex: str) -> dict[str, Any]:
    return {"source_labels": [source], "regex": regex, "action": "keep"}


def _drop(source: str, regex: str) -> dict[str, Any]:
    return {"source_labels": [source], "regex": regex, "action": "drop"}


def _copy(source: str, target: str) -> dict[str, Any]:
    return {"source_labels": [source], "target_label": target}


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda found: "_" + found[0].lower(), name)
