"""The cluster that a command works with, under the caller's own credentials."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from kubernetes import client
from kubernetes import config as kubernetes_config

from simplemem_api import exits
from simplemem_operator.api import Api
from simplemem_operator.cluster import Cluster
from simplemem_operator.kinds import STORES, Kind
from simplemem_operator.kubectl.errors import CommandError
from simplemem_operator.models.desired import Manifest


@dataclass(frozen=True, slots=True)
class Session:
    """A connection and the part of the cluster that was asked for."""

    client: client.ApiClient
    """The client of the Kubernetes API."""
    namespace: str | None
    """The namespace; None: all of them."""

    @property
    def api(self) -> Api:
        """Requests of any kind."""
        return Api(self.client)

    def list_objects(self, kind: Kind, namespace: str | None, selector: str = "") -> Iterator[Manifest]:
        """Objects of a namespace, or of all for None, page by page. Raises `OperatorError`."""
        cluster, token = Cluster(self.api), ""
        while True:
            page = cluster.list_page(kind, namespace, selector, token)
            yield from page.items
            token = page.next_token
            if not token:
                return

    def list_stores(self, name: str | None = None) -> list[Manifest]:
        """The stores asked for, by namespace and name. Raises `CommandError` if there are none."""
        found = [store for store in self.list_objects(STORES, self.namespace) if name in (None, _name(store))]
        if not found:
            what = "no MemoryStores" if name is None else f"no MemoryStore '{name}'"
            where = (
                "in any namespace" if self.namespace is None else f"in namespace '{self.namespace}'; -A looks in all"
            )
            raise CommandError(f"{what} {where}")
        return sorted(found, key=lambda store: (store["metadata"]["namespace"], _name(store)))

    def read_store(self, name: str) -> Manifest:
        """The one store of a name. Raises `CommandError` if there is none, or one in each of several namespaces."""
        first, *others = self.list_stores(name)
        if others:
            places = ", ".join(store["metadata"]["namespace"] for store in (first, *others))
            raise CommandError(f"there is a MemoryStore '{name}' in each of {places}; name one with -n", exits.USAGE)
        return first


def _name(store: Manifest) -> str:
    return str(store["metadata"]["name"])


def open_session(options: argparse.Namespace) -> Session:
    """The session that the flags ask for. Raises `CommandError` where there are no credentials."""
    try:
        contexts, active = kubernetes_config.list_kube_config_contexts(options.kubeconfig)
        named = [context for context in contexts if context["name"] == options.context]
        if options.context and not named:
            raise CommandError(f"the kubeconfig has no context '{options.context}'", exits.USAGE)
        connection = kubernetes_config.new_client_from_config(options.kubeconfig, options.context)
    except kubernetes_config.ConfigException as error:
        raise CommandError(f"no credentials: {error}; give --kubeconfig or set KUBECONFIG", exits.USAGE) from error
    default = (named or [active])[0]["context"].get("namespace") or "default"
    return Session(connection, None if options.all_namespaces else options.namespace or default)
