"""Start: read the settings, build the parts, register the handlers, run kopf."""

from __future__ import annotations

import os
import sys
from typing import Any

import kopf
from kubernetes import client
from kubernetes import config as kubernetes_config

from simplemem_operator.api import Api
from simplemem_operator.caches import Caches
from simplemem_operator.cluster import Cluster
from simplemem_operator.config import Config, read_config
from simplemem_operator.handlers import lifecycle, memorystore
from simplemem_operator.handlers.probes import ProbeServer
from simplemem_operator.heartbeat import Heartbeat
from simplemem_operator.kinds import KINDS
from simplemem_operator.logs import configure_logging
from simplemem_operator.loops import StoreLoops
from simplemem_operator.observe import Observer
from simplemem_operator.probe import PROXIED_AT_ONCE, Prober
from simplemem_operator.reconcile import Reconciler
from simplemem_operator.secret_index import SecretIndex


def main() -> None:
    """Run the operator until it is told to stop."""
    config = read_config()
    configure_logging(config.log_level)
    try:
        cluster = Cluster(Api(_connect(config)))
    except kubernetes_config.ConfigException as error:
        sys.exit(f"simplemem-operator: no credentials: {error}; run in a pod, or give --kubeconfig")
    heartbeat = Heartbeat()
    caches = Caches(
        cluster,
        config.namespaces,
        watch_seconds=config.watch_seconds,
        heartbeat=heartbeat,
        selector=config.selector,
    )
    prober = Prober(cluster, caches.pods, config.probe_url)
    observer = Observer(cluster, caches, prober.reports)
    reconciler = Reconciler(
        cluster,
        caches,
        observer,
        config.images,
        surroundings=config.surroundings,
        prices=config.prices,
    )
    loops = StoreLoops(
        reconciler.reconcile,
        prober.refresh,
        heartbeat,
        workers=config.workers,
        poll_seconds=config.poll_seconds,
        resync_seconds=config.resync_seconds,
    )
    registry = kopf.OperatorRegistry()
    waker = memorystore.Waker(caches, loops, SecretIndex(), prober, ignored_namespaces=config.ignored_namespaces)
    memorystore.register(registry, caches, waker)
    lifecycle.register(registry, config, caches, loops, prober, ProbeServer(heartbeat, caches), waker)
    kopf.on.login(registry=registry, id="login")(_login)
    where = {"namespaces": config.namespaces} if config.namespaces else {"clusterwide": True}
    kopf.run(registry=registry, standalone=True, **where)


def _connect(config: Config) -> client.ApiClient:
    if config.surroundings.operator_namespace is not None:
        kubernetes_config.load_incluster_config()
    else:
        kubeconfig = config.kubeconfig.resolve() if config.kubeconfig else None
        if kubeconfig is not None:
            # kopf reads the same credentials, by this name.
            os.environ["KUBECONFIG"] = str(kubeconfig)
        kubernetes_config.load_kube_config(str(kubeconfig) if kubeconfig else None)
    settings = client.Configuration.get_default_copy()
    watches = (len(KINDS) + 3) * max(1, len(config.namespaces))
    settings.connection_pool_maxsize = config.workers + PROXIED_AT_ONCE + watches
    # The loops retry, with back-off; retries below them would hide an API server that is away.
    settings.retries = False
    return client.ApiClient(settings)


def _login(*, settings: kopf.OperatorSettings, **kwargs: Any) -> kopf.ConnectionInfo | None:
    return kopf.login_with_service_account(settings=settings, **kwargs) or kopf.login_with_kubeconfig(
        settings=settings, **kwargs
    )


if __name__ == "__main__":
    main()
