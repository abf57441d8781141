"""One real node: a control plane, containerd, a kubelet, kube-proxy and the add-ons.

This runs inside the namespaces that ``isolation`` describes, called by ``supervisor``; ``cluster`` starts and stops
all of it from outside.
"""

import json
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.harness import addons, build, isolation, node_files
from tests.harness.catalogue import KUBERNETES_VERSION, NODE
from tests.harness.control_plane import ControlPlane
from tests.harness.control_plane_flags import ControlPlaneOptions
from tests.harness.errors import HarnessError
from tests.harness.image_inputs import names_in
from tests.harness.node_files import NODE_NAME, NodePaths
from tests.harness.oci import program_image
from tests.harness.process import Process
from tests.harness.redis_image import REDIS_IMAGE, redis_image
from tests.harness.steps import run, step

READY_SECONDS = 120.0
"""How long the node and each add-on may take to be ready, in seconds: about 10 on a quiet machine."""

BUSYBOX_COMMANDS = ("cat", "chmod", "df", "dd", "env", "id", "ls", "mkdir", "nslookup", "rm", "sh", "sleep", "stat")
"""Commands in ``localhost/busybox:harness``, an image for tests that need a shell in a pod."""

BUSYBOX_IMAGE = "localhost/busybox:harness"
"""Fixed name of the image with a shell."""

KUBECTL_IMAGE = f"registry.k8s.io/kubectl:{KUBERNETES_VERSION}"
"""What the samples call kubectl's image; here it is our own build."""


class Node:
    """A control plane and one node.

    Parameters
    ----------
    state
        Folder for its files.
    """

    def __init__(self, state: Path) -> None:
        self.paths = NodePaths(state)
        self._programs = build.ensure(NODE)
        node_user = {f"system:node:{NODE_NAME}": ("system:nodes",), "system:kube-proxy": ()}
        options = ControlPlaneOptions(
            address=node_files.NODE_ADDRESS,
            api_port=node_files.API_PORT,
            service_cidr=node_files.SERVICE_CIDR,
            pod_cidr=node_files.POD_CIDR,
            provisions_volumes=True,
            users=node_user,
            controller_manager_prefix=isolation.run_as_product_user(),
        )
        self.plane = ControlPlane(state, options)
        self._processes: list[Process] = []

    @property
    def processes(self) -> list[Process]:
        """All programs that were started."""
        return [*self.plane.processes, *self._processes]

    def start(self, archives: Iterable[Path]) -> None:
        """Bring everything up and wait until it is ready.

        Parameters
        ----------
        archives
            Image archives to import.

        Raises
        ------
        HarnessError
            If a part ends or is not ready in time.
        """
        with step("network, folders and control groups of the node"):
            isolation.set_up_network()
            isolation.mount_private_folders(self.paths)
            isolation.create_cgroup(self.paths.cgroup)
        with step("etcd, kube-apiserver, kube-controller-manager, kube-scheduler"):
            self.plane.start()
        images = self._start_containerd()
        with step("kubelet and kube-proxy: node Ready"):
            self._start_kubelet()
            self._start_kube_proxy()
            self._wait("node", NODE_NAME, "Ready")
        with step("apply StorageClass, coredns, metrics-server, versitygw"):
            self.plane.kubectl("apply", "-f", "-", stdin=addons.manifests(images))
        # Meanwhile the add-ons start.
        for archive in archives:
            import_product_image(self.paths, archive)
        self._wait_for_addons()

    def _start_containerd(self) -> dict[str, str]:
        """Image reference of each program that runs as a pod, once containerd has them."""
        images: dict[str, str] = {}
        with step("containerd, and the images of the add-ons"):
            links: dict[str, tuple[str, ...]] = {"busybox": BUSYBOX_COMMANDS}
            names = ("pause", "coredns", "metrics-server", "versitygw", "kubectl")
            programs = {name: self._programs[name] for name in names}
            programs["busybox"] = _busybox()
            built = {name: program_image(name, path, links.get(name, ())) for name, path in programs.items()}
            built["redis"] = redis_image()
            images = {name: reference for name, (reference, _) in built.items()}
            config = self.paths.state / "containerd.toml"
            config.write_text(node_files.containerd_config(self.paths, images["pause"]))
            process = self._launch("containerd", ["containerd", "--config", str(config)])
            process.wait_until(lambda: _answers(self.paths), "answering on its socket", READY_SECONDS)
            for _, archive in built.values():
                import_image(self.paths, archive)
            for name, fixed in (("busybox", BUSYBOX_IMAGE), ("kubectl", KUBECTL_IMAGE), ("redis", REDIS_IMAGE)):
                run([*ctr(self.paths), "images", "tag", "--force", images[name], fixed])
        return {name: images[name] for name in ("coredns", "metrics-server", "versitygw")}

    def _start_kubelet(self) -> None:
        paths = self.paths
        paths.cni.mkdir(exist_ok=True)
        (paths.cni / "10-pods.conflist").write_text(json.dumps(node_files.pod_network()))
        # No name server of the machine can be reached from here.
        (paths.state / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        config = paths.state / "kubelet.json"
        config.write_text(json.dumps(node_files.kubelet_config(paths, self.plane.places.pki.ca)))
        flags = [
            f"--config={config}",
            f"--kubeconfig={self.plane.kubeconfig_for(f'system:node:{NODE_NAME}')}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={node_files.NODE_ADDRESS}",
            f"--root-dir={paths.kubelet}",
            f"--cert-dir={paths.kubelet / 'pki'}",
        ]
        self._launch("kubelet", [str(self._programs["kubelet"]), *flags])

    def _start_kube_proxy(self) -> None:
        config = self.paths.state / "kube-proxy.json"
        kubeconfig = self.plane.kubeconfig_for("system:kube-proxy")
        masquerades = not isolation.BRIDGE_FILTER.exists()
        config.write_text(json.dumps(node_files.kube_proxy_config(kubeconfig, masquerades=masquerades)))
        self._launch("kube-proxy", [str(self._programs["kube-proxy"]), f"--config={config}"])

    def _wait_for_addons(self) -> None:
        for namespace, name in addons.DEPLOYMENTS:
            with step(f"{name}: Available"):
                self._wait("deployment", name, "Available", namespace)
        with step("metrics of the node"):
            self._poll(lambda: NODE_NAME in self.plane.kubectl("top", "node"), "kubectl top node")
        s3 = addons.S3()
        with step(f"bucket '{s3.bucket}'"):
            keys = ["--access", s3.access_key, "--secret", s3.secret_key, "--endpoint-url", s3.endpoint]
            words = [str(self._programs["versitygw"]), "admin", *keys]
            run([*words, "create-bucket", "--owner", s3.access_key, "--bucket", s3.bucket], timeout_seconds=30)

    def _launch(self, name: str, argv: list[str]) -> Process:
        process = Process(name, argv, self.paths.log / f"{name}.log")
        self._processes.append(process)
        process.start()
        return process

    def _wait(self, kind: str, name: str, condition: str, namespace: str = "default") -> None:
        text = f"jsonpath={{.status.conditions[?(@.type=='{condition}')].status}}"
        words = ("get", kind, name, f"--namespace={namespace}", "-o", text)
        self._poll(lambda: self.plane.kubectl(*words) == "True", f"{kind} {namespace}/{name} {condition}")

    def _poll(self, check: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while True:
            for process in self.processes:
                process.check_alive()
            try:
                if check():
                    return
                found = "not yet"
            except HarnessError as error:
                found = str(error)
            if time.monotonic() > deadline:
                raise HarnessError(f"{what} did not hold within {READY_SECONDS:.0f} s: {found}\n{self._explain()}")
            time.sleep(0.3)

    def _explain(self) -> str:
        """What a person would look at: pods, their events, the kubelet's last words."""
        try:
            pods = self.plane.kubectl("get", "pods", "--all-namespaces", "-o", "wide")
            events = self.plane.kubectl("get", "events", "--all-namespaces", "--sort-by=.lastTimestamp")
        except HarnessError as error:
            pods, events = "", str(error)
        return "\n".join([pods, *events.splitlines()[-15:], *(process.tail() for process in self._processes)])


def ctr(paths: NodePaths) -> list[str]:
    """Words that begin a command of ``ctr`` against this node's containerd, in the namespace that the kubelet uses."""
    return ["ctr", "--address", str(paths.containerd_socket), "--namespace", "k8s.io"]


def import_image(paths: NodePaths, archive: Path) -> None:
    """Import an image archive into this node's containerd."""
    run([*ctr(paths), "images", "import", archive])


def import_product_image(paths: NodePaths, archive: Path) -> None:
    """Import an archive that ``images`` wrote; the image gets its fixed name and the name by its content."""
    with step(f"import {archive.name} ({archive.stat().st_size / 1e6:.0f} MB)"):
        import_image(paths, archive)
        fixed, by_content = names_in(archive)
        run([*ctr(paths), "images", "tag", "--force", fixed, by_content])


def _answers(paths: NodePaths) -> bool:
    try:
        run([*ctr(paths), "version"], timeout_seconds=5)
    except HarnessError:
        return False
    return True


def _busybox() -> Path:
    found = shutil.which("busybox")
    if found is None:
        raise HarnessError("program 'busybox' was not found; install the package busybox-static")
    return Path(found)
