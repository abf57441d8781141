"""Command lines of etcd, kube-apiserver, kube-controller-manager and kube-scheduler, and what they can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.harness.pki import Pki

ADMIN = "admin"
"""User of the kubeconfig that tests and people use; in group system:masters."""

CONTROLLER_MANAGER = "system:kube-controller-manager"
SCHEDULER = "system:kube-scheduler"

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "None"},
    ],
}
"""Every write leaves a line in the audit log, reads none: tests count who wrote what."""


@dataclass(frozen=True)
class ControlPlaneOptions:
    """What a control plane can be told; the defaults suit tests without a node."""

    address: str = "127.0.0.1"
    """Address that the API server tells its clients inside the cluster."""
    api_port: int = 0
    """Port of the API server; 0: a free one."""
    service_cidr: str = "10.96.0.0/16"
    """Range of the Services' addresses; only a node gives them a meaning."""
    pod_cidr: str = "10.88.0.0/16"
    """Range of the pods' addresses."""
    controllers: tuple[str, ...] = ("*",)
    """Value of ``--controllers``: ``*`` for all, a name to add, ``-name`` to leave one out; empty: no
    controller-manager at all."""
    has_scheduler: bool = True
    """Whether a scheduler runs; without a node it has nothing to do but say so."""
    provisions_volumes: bool = False
    """Whether claims of a class with the provisioner ``kubernetes.io/host-path`` get a directory below
    ``/tmp/hostpath_pv``; false: they stay Pending."""
    users: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Users beside ``admin`` that get a kubeconfig, each with its groups (``("system:masters",)`` may do all)."""
    api_server_flags: tuple[str, ...] = ()
    """More flags for kube-apiserver."""
    controller_manager_prefix: tuple[str, ...] = ()
    """Words before the controller-manager's command line, as of setpriv."""

    @property
    def is_loopback(self) -> bool:
        """Whether the API server's address is refused as an endpoint of the Service ``kubernetes``."""
        return self.address.startswith("127.")


@dataclass(frozen=True)
class Places:
    """Files and ports that the programs of one control plane share."""

    state: Path
    """Folder that holds everything."""
    pki: Pki
    """The certificates."""
    api_port: int
    """Port of the API server."""
    etcd_port: int
    """Port of etcd for its clients."""
    etcd_peer_port: int
    """Port of etcd for other members, of which there are none."""

    @property
    def audit_log(self) -> Path:
        """File with one JSON line per write."""
        return self.state / "log" / "audit.log"


def etcd_flags(places: Places) -> list[str]:
    """Flags of etcd, which here gives up durability for speed."""
    client = f"http://127.0.0.1:{places.etcd_port}"
    return [
        f"--data-dir={places.state / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls=http://127.0.0.1:{places.etcd_peer_port}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def api_server_flags(places: Places, options: ControlPlaneOptions, audit_policy: Path) -> list[str]:
    """Flags of kube-apiserver."""
    pki = places.pki
    return [
        f"--etcd-servers=http://127.0.0.1:{places.etcd_port}",
        f"--bind-address={'127.0.0.1' if options.is_loopback else '0.0.0.0'}",
        f"--advertise-address={options.address}",
        f"--endpoint-reconciler-type={'none' if options.is_loopback else 'lease'}",
        f"--secure-port={places.api_port}",
        f"--service-cluster-ip-range={options.service_cidr}",
        f"--tls-cert-file={pki.certificate('apiserver')}",
        f"--tls-private-key-file={pki.key('apiserver')}",
        f"--client-ca-file={pki.ca}",
        f"--token-auth-file={pki.tokens_file}",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        *_service_account_flags(pki),
        *_aggregation_flags(pki),
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
        f"--kubelet-client-key={pki.key('kubelet-client')}",
        f"--audit-policy-file={audit_policy}",
        f"--audit-log-path={places.audit_log}",
        # The default batches lines for up to 30 s, which a test that counts writes would miss.
        "--audit-log-mode=blocking",
        # The default of 70 s after SIGTERM serves load balancers, which are not here.
        "--shutdown-delay-duration=0s",
        *options.api_server_flags,
    ]


def _service_account_flags(pki: Pki) -> list[str]:
    return [
        f"--service-account-key-file={pki.service_account_public}",
        f"--service-account-signing-key-file={pki.service_account_key}",
        "--service-account-issuer=https://kubernetes.default.svc",
    ]


def _aggregation_flags(pki: Pki) -> list[str]:
    """Flags that let the API server forward requests to others, as to metrics-server."""
    return [
        "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={pki.front_proxy_ca}",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki.certificate('front-proxy')}",
        f"--proxy-client-key-file={pki.key('front-proxy')}",
    ]


def controller_manager_flags(places: Places, options: ControlPlaneOptions, kubeconfig: Path) -> list[str]:
    """Flags of kube-controller-manager; the autoscaler acts within seconds, so that a test can watch it."""
    return [
        f"--kubeconfig={kubeconfig}",
        f"--service-account-private-key-file={places.pki.service_account_key}",
        f"--root-ca-file={places.pki.ca}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        f"--controllers={','.join(options.controllers)}",
        f"--cluster-cidr={options.pod_cidr}",
        f"--enable-hostpath-provisioner={str(options.provisions_volumes).lower()}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--horizontal-pod-autoscaler-sync-period=5s",
        "--horizontal-pod-autoscaler-downscale-stabilization=30s",
        "--horizontal-pod-autoscaler-cpu-initialization-period=10s",
        "--horizontal-pod-autoscaler-initial-readiness-delay=5s",
    ]


def scheduler_flags(config: Path) -> list[str]:
    """Flags of kube-scheduler."""
    return [f"--config={config}", "--secure-port=0"]


def scheduler_config(kubeconfig: Path) -> dict[str, Any]:
    """Configuration of kube-scheduler; it spreads nothing by itself, so pods lie where their own specs want them."""
    spread = {"defaultingType": "List", "defaultConstraints": []}
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "leaderElection": {"leaderElect": False},
        "profiles": [
            {"schedulerName": "default-scheduler", "pluginConfig": [{"name": "PodTopologySpread", "args": spread}]}
        ],
    }
