"""Settings of the operator, from its command line."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simplemem_api.errors import InvalidPricesError
from simplemem_api.price_file import load_prices
from simplemem_api.prices import BUILT_IN, Prices
from simplemem_operator.models.desired import Images, Manifest, Monitors, Surroundings

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
    ignored_namespaces: frozenset[str]
    """Namespaces whose stores are another operator's, where all are watched."""
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
    surroundings: Surroundings
    """Where the operator itself runs, and who watches the stores."""
    prices: Prices
    """What things cost."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all settings."""
    parser = argparse.ArgumentParser(prog="simplemem-operator", description="Turns MemoryStores into running memories.")
    parser.add_argument("--kubeconfig", type=Path, help="credentials; default: the pod's own, or KUBECONFIG")
    parser.add_argument("--namespace", action="append", default=[], help="namespace to watch, repeatable; default: all")
    parser.add_argument(
        "--ignore-namespace",
        action="append",
        default=[],
        help="namespace that another operator looks after, repeatable",
    )
    parser.add_argument("--selector", default="", help="labels of the MemoryStores to look after; default: all")
    parser.add_argument("--service-image", default=DEFAULT_IMAGE, help="image of the stores' pods")
    parser.add_argument(
        "--service-image-pull-policy",
        default="IfNotPresent",
        choices=["Always", "IfNotPresent", "Never"],
        help="when nodes ask for that image",
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
    parser.add_argument("--prices", type=_prices, help="file of prices in place of the built-in ones")
    parser.add_argument(
        "--scrapers", type=_peers, default=(), help="who may scrape the stores' pods: JSON, peers of a NetworkPolicy"
    )
    parser.add_argument("--monitors", action="store_true", help="make a ServiceMonitor for each store")
    parser.add_argument("--monitor-interval", default="30s", help="how often those have the pods scraped")
    parser.add_argument(
        "--monitor-label", type=_pair, action="append", default=[], help="label of those as NAME=VALUE, repeatable"
    )
    parser.add_argument(
        "--log-level", default="INFO", choices=["DEBUG", "INFO", "WARNING", "ERROR"], help="least severe line"
    )
    return parser


def read_config(arguments: Sequence[str] | None = None) -> Config:
    """Settings from the command line; a wrong one ends the program with a message that names it."""
    parser = build_parser()
    parsed = parser.parse_args(arguments)
    if parsed.kubeconfig is not None and not parsed.kubeconfig.is_file():
        parser.error(f"--kubeconfig: '{parsed.kubeconfig}' is no file")
    if parsed.namespace and parsed.ignore_namespace:
        parser.error("--ignore-namespace: leaves namespaces out of all; with --namespace, leave it out there")
    is_inside = parsed.kubeconfig is None and NAMESPACE_FILE.exists() and "KUBECONFIG" not in os.environ
    return Config(
        kubeconfig=parsed.kubeconfig,
        namespaces=tuple(dict.fromkeys(parsed.namespace)),
        ignored_namespaces=frozenset(parsed.ignore_namespace),
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
        surroundings=Surroundings(
            NAMESPACE_FILE.read_text().strip() if is_inside else None,
            scrapers=parsed.scrapers,
            monitors=Monitors(parsed.monitor_interval, dict(parsed.monitor_label)) if parsed.monitors else None,
        ),
        prices=parsed.prices or BUILT_IN,
    )


def _seconds(text: str) -> float:
    value = float(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' must be at least 1")
    return value


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign):
        raise argparse.ArgumentTypeError(f"'{text}' must be NAME=VALUE")
    return name, value


def _peers(text: str) -> tuple[Manifest, ...]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"'{text}' must be JSON: {error}") from error
    if not isinstance(found, list) or not all(isinstance(peer, dict) and peer for peer in found):
        raise argparse.ArgumentTypeError(f"'{text}' must be a list of peers of a NetworkPolicy")
    return tuple(found)


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
