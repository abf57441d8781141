"""Configuration of containerd, the kubelet, kube-proxy and the pod network, as plain data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.harness.packages import CNI_PLUGINS

NODE_NAME = "node-1"
NODE_ADDRESS = "192.0.2.10"
"""Address of the node, from a range that is reserved for documentation, so that it is nobody's."""
GATEWAY = "192.0.2.1"
"""Next hop of the default route: nobody has this address, so nothing leaves the network namespace."""
POD_CIDR = "10.88.0.0/16"
SERVICE_CIDR = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
"""Address of the cluster's DNS server, which every pod is told."""
S3_ADDRESS = "10.96.0.20"
"""Address of the S3 server, the same from pods and from tests in the network namespace."""
API_PORT = 6443


@dataclass(frozen=True)
class NodePaths:
    """Where one node keeps its things."""

    state: Path
    """Folder that holds all of it; gone after ``down``."""

    @property
    def containerd_socket(self) -> Path:
        """Socket of containerd, for the kubelet and for ``ctr``."""
        return self.state / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        """Folder of the kubelet: the pods' volumes."""
        return self.state / "kubelet"

    @property
    def volumes(self) -> Path:
        """Folder of the persistent volumes, one folder each."""
        return self.state / "volumes"

    @property
    def cni(self) -> Path:
        """Folder of the pod network's configuration."""
        return self.state / "cni"

    @property
    def log(self) -> Path:
        """Folder of the programs' logs."""
        return self.state / "log"

    @property
    def cgroup(self) -> str:
        """Name of the control group that holds the pods, unlike that of any other kubelet."""
        return "simplemem-node"


def containerd_config(paths: NodePaths, pause_image: str) -> str:
    """Text of containerd's configuration file."""
    return f"""\
version = 2
root = "{paths.state}/containerd/root"
state = "{paths.state}/containerd/state"
[grpc]
address = "{paths.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause_image}"
# Root without CAP_SYS_RESOURCE may not lower oom_score_adj; without this every sandbox fails with "can't get final
# child's PID from pipe: EOF".
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{CNI_PLUGINS}"
conf_dir = "{paths.cni}"
[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def kubelet_config(paths: NodePaths, ca: Path) -> dict[str, Any]:
    """KubeletConfiguration."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{paths.cgroup}",
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "containerRuntimeEndpoint": f"unix://{paths.containerd_socket}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(ca)},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        "resolvConf": str(paths.state / "resolv.conf"),
        "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "100Mi"},
        # Images cannot be pulled again, so none is ever collected.
        "imageGCHighThresholdPercent": 100,
        "maxPods": 110,
        # A Secret or ConfigMap that changes reaches a mounted volume within seconds instead of a minute.
        "syncFrequency": "5s",
    }


def kube_proxy_config(kubeconfig: Path, *, masquerades: bool) -> dict[str, Any]:
    """KubeProxyConfiguration.

    Parameters
    ----------
    kubeconfig
        Its access to the API server.
    masquerades
        Whether replies between pods have to be led back through the node, because bridged traffic passes iptables by.
    """
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_CIDR,
        "mode": "iptables",
        "iptables": {"masqueradeAll": masquerades, "minSyncPeriod": "0.2s"},
        "hostnameOverride": NODE_NAME,
        # The limits are the machine's, not this namespace's to change.
        "conntrack": {"maxPerCore": 0},
        "oomScoreAdj": 0,
    }


def pod_network() -> dict[str, Any]:
    """Configuration of the pod network: a bridge, addresses from the pods' range, host ports."""
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "ipMasq": False,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": POD_CIDR}]], "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}
