"""Settings of the operator, from its command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simplemem_api.errors import InvalidPricesError
from simplemem_api.price_file import load_prices
from simplemem_api.prices import BUILT_IN, Prices
from simplemem_operator.models.desired import Images

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
"""Where Kubernetes writes the namespace of a pod."""

POD_URL = "http://{ip}:{port}/readyz"
"""Where a pod tells how it is, to an operator in the cluster."""

DEFAULT_REDIS_IMAGE = "redis:7"
"""Image of managed caches where none is named."""

DEFAULT_IMAGE = "ghcr.io/simplemem/simplemem-service:0.1.0"
"""Image of the service where none is named."""

TRACING = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_PROPAGATORS",
    "OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_SDK_DISABLED",
    "OTEL_TRACES_EXPORTER",
    "OTEL_TRACES_SAMPLER",
    "OTEL_TRACES_SAMPLER_ARG",
)
"""Variables of OpenTelemetry that the operator hands on to the stores' pods. Headers are none of them: they hold keys,
which would stand in every pod's spec."""


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of the operator."""

    kubeconfig: Path | None
    """Credentials; None: those of the pod, or of the environment variable KUBECONFIG."""
    namespaces: tuple[str, ...]
    """Namespaces to watch; none: all of them."""
    selector: str
    """Labels of the MemoryStores to look after, as Kubernetes spells a selector; empty: all of them."""
    images: Images
    """What the pods of every store run."""
    resync_seconds: float
    """How often a Ready store is looked at when nothing happens, in seconds."""
    poll_seconds: float
    """How often the pods of a Ready store are asked for their figures, in seconds."""
    watch_seconds: int
    """Life of a watch, in seconds: how long a connection that died without a word goes unnoticed."""
    probe_url: str
    """URL of a pod's report with the fields `{ip}`, `{namespace}`, `{name}` and `{port}`; empty: by way of the API."""
    workers: int
    """Passes at the same time."""
    port: int
    """Port of /healthz, /readyz and /metrics."""
    log_level: str
    """Least severe log line that is written."""
    operator_namespace: str | None
    """Where the operator itself runs; None: outside the cluster."""
    prices: Prices
    """What things cost."""


def read_config(arguments: Sequence[str] | None = None) -> Config:
    """Settings from the command line; a wrong one ends the program with a message that names it."""
    parser = argparse.ArgumentParser(prog="simplemem-operator", description="Turns MemoryStores into running memories.")
    parser.add_argument("--kubeconfig", type=Path, help="credentials; default: the pod's own, or KUBECONFIG")
    parser.add_argument("--namespace", action="append", default=[], help="namespace to watch, repeatable; default: all")
    parser.add_argument("--selector", default="", help="labels of the MemoryStores to look after; default: all")
    parser.add_argument("--service-image", default=DEFAULT_IMAGE, help="image of the stores' pods")
    parser.add_argument(
        "--service-image-pull-policy", default="IfNotPresent", choices=["Always", "IfNotPresent", "Never"]
    )
    parser.add_argument("--redis-image", default=DEFAULT_REDIS_IMAGE, help="image of managed caches: Redis 7 or later")
    parser.add_argument("--embedding-image", default="", help="image of the embedding pods; default: --service-image")
    parser.add_argument(
        "--image-pull-secret",
        action="append",
        default=[],
        help="Secret with a registry's credentials, in the namespace of each store, repeatable",
    )
    parser.add_argument("--resync-seconds", type=_seconds, default=300.0, help="how often a quiet store is looked at")
    parser.add_argument("--poll-seconds", type=_seconds, default=30.0, help="how often pods give their figures")
    parser.add_argument("--watch-seconds", type=_seconds, default=60.0, help="life of a watch of the API")
    parser.add_argument(
        "--probe-url",
        type=_template,
        help="where pods tell how they are, with the fields {ip}, {port}, {namespace} and {name}; "
        f"default: {POD_URL} in a cluster, through the API server outside",
    )
    parser.add_argument("--workers", type=int, default=8, help="passes at the same time")
    parser.add_argument("--metrics-port", type=int, default=8080, help="port of /healthz, /readyz and /metrics")
    parser.add_argument("--prices", type=_prices, default=BUILT_IN, help="file of prices in place of the built-in ones")
    parser.add_argument("--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    parsed = parser.parse_args(arguments)
    if parsed.kubeconfig is not None and not parsed.kubeconfig.is_file():
        parser.error(f"--kubeconfig: '{parsed.kubeconfig}' is no file")
    is_inside = parsed.kubeconfig is None and NAMESPACE_FILE.exists() and "KUBECONFIG" not in os.environ
    return Config(
        kubeconfig=parsed.kubeconfig,
        namespaces=tuple(dict.fromkeys(parsed.namespace)),
        selector=parsed.selector,
        images=Images(
            parsed.service_image,
            parsed.service_image_pull_policy,
            redis=parsed.redis_image,
            embedding=parsed.embedding_image,
            pull_secrets=tuple(dict.fromkeys(parsed.image_pull_secret)),
            tracing=tuple((name, os.environ[name]) for name in TRACING if os.environ.get(name)),
        ),
        resync_seconds=parsed.resync_seconds,
        poll_seconds=min(parsed.poll_seconds, parsed.resync_seconds),
        watch_seconds=round(parsed.watch_seconds),
        probe_url=parsed.probe_url or (POD_URL if is_inside else ""),
        workers=max(1, parsed.workers),
        port=parsed.metrics_port,
        log_level=parsed.log_level,
        operator_namespace=NAMESPACE_FILE.read_text().strip() if is_inside else None,
        prices=parsed.prices,
    )


def _seconds(text: str) -> float:
    value = float(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' must be at least 1")
    return value


def _prices(text: str) -> Prices:
    try:
        return load_prices(Path(text).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"'{text}' cannot be read: {error}") from error
    except InvalidPricesError as error:
        raise argparse.ArgumentTypeError(f"'{text}': {error}") from error


def _template(text: str) -> str:
    try:
        text.format(ip="192.0.2.1", port=8000, namespace="team-a", name="notes")
    except (KeyError, IndexError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"'{text}' may hold {{ip}}, {{port}}, {{namespace}} and {{name}}") from error
    return text
