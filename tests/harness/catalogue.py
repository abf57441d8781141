"""Which programs the harness builds, and from which Go module of ``programs/`` each one comes."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from tests.harness.errors import HarnessError

PROGRAMS_DIR = Path(__file__).resolve().parent / "programs"
"""One folder per Go module: go.mod and go.sum pin what is built, tools.go or main.go says which package."""

KUBERNETES_MODULES = {"v1.34.4": "kubernetes-1.34", "v1.35.4": "kubernetes", "v1.37.2": "kubernetes-1.37"}
"""Versions of Kubernetes that tests know, and the folder below ``programs/`` whose go.mod requires each. Only the
default's holds what a node needs besides."""

DEFAULT_KUBERNETES_VERSION = "v1.35.4"
"""Version that tests run against unless told otherwise."""


def kubernetes_version() -> str:
    """Version of Kubernetes that tests run against: the one of ``TEST_KUBERNETES_VERSION``, or the default.

    Raises
    ------
    HarnessError
        If no module requires that version.
    """
    version = os.environ.get("TEST_KUBERNETES_VERSION") or DEFAULT_KUBERNETES_VERSION
    if version not in KUBERNETES_MODULES:
        raise HarnessError(
            f"TEST_KUBERNETES_VERSION is '{version}'; it must be one of {', '.join(sorted(KUBERNETES_MODULES))}"
        )
    return version


KUBERNETES_VERSION = kubernetes_version()
"""Version that the Kubernetes programs of this run report; equal to the one that their go.mod requires."""


@dataclass(frozen=True)
class Program:
    """One program that ``go build`` makes."""

    name: str
    """File name of the program."""
    module: str
    """Folder below ``programs/`` that holds its go.mod."""
    package: str
    """Import path of its main package; ``.`` for a main of our own."""
    variables: dict[str, str] = field(default_factory=dict)
    """String variables that the linker sets, by import path."""

    @property
    def folder(self) -> Path:
        """Folder of the Go module."""
        return PROGRAMS_DIR / self.module

    @property
    def linker_flags(self) -> str:
        """Value of ``-ldflags``: neither symbols nor debug data, which halve the size, and the variables."""
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in sorted(self.variables.items()))])


def _kubernetes(name: str) -> Program:
    # Without these the server calls itself v0.0.0, and clients refuse to talk to it.
    prefix = "k8s.io/component-base/version."
    major, minor, _ = KUBERNETES_VERSION.removeprefix("v").split(".")
    variables = {
        f"{prefix}gitVersion": KUBERNETES_VERSION,
        f"{prefix}gitMajor": major,
        f"{prefix}gitMinor": minor,
        f"{prefix}gitTreeState": "clean",
    }
    return Program(name, KUBERNETES_MODULES[KUBERNETES_VERSION], f"k8s.io/kubernetes/cmd/{name}", variables)


SYFT_VERSION = "1.57.0"
"""Version that syft reports, also in the lists that it writes; equal to the one that programs/syft/go.mod requires."""

PROGRAMS = {
    program.name: program
    for program in (
        Program("etcd", "etcd", "."),
        _kubernetes("kube-apiserver"),
        _kubernetes("kube-controller-manager"),
        _kubernetes("kube-scheduler"),
        _kubernetes("kubectl"),
        _kubernetes("kubelet"),
        _kubernetes("kube-proxy"),
        Program("helm", "addons", "helm.sh/helm/v3/cmd/helm"),
        Program("kubeconform", "kubeconform", "github.com/yannh/kubeconform/cmd/kubeconform"),
        Program("kwok", "addons", "sigs.k8s.io/kwok/cmd/kwok"),
        Program("coredns", "addons", "."),
        Program("metrics-server", "addons", "sigs.k8s.io/metrics-server/cmd/metrics-server"),
        Program("versitygw", "versitygw", "github.com/versity/versitygw/cmd/versitygw"),
        Program("pause", "pause", "."),
        Program("argocd", "argocd", "github.com/argoproj/argo-cd/v3/cmd"),
        Program("keda-operator", "keda", "github.com/kedacore/keda/v2/cmd/operator"),
        Program("keda-adapter", "keda", "github.com/kedacore/keda/v2/cmd/adapter"),
        Program("prometheus-adapter", "prometheus-adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter"),
        Program("controller-gen", "flux", "sigs.k8s.io/controller-tools/cmd/controller-gen"),
        Program("flux-health", "flux", "."),
        Program("kustomize-controller", "flux", "github.com/fluxcd/kustomize-controller"),
        Program("syft", "syft", "github.com/anchore/syft/cmd/syft", {"main.version": SYFT_VERSION}),
    )
}
"""Every program, by name."""

CONTROL_PLANE = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "helm",
    "kubeconform",
    "kwok",
)
"""What the tests against a control plane and the chart's tests run."""

NODE = (*CONTROL_PLANE, "kubelet", "kube-proxy", "coredns", "metrics-server", "versitygw", "pause")
"""What a node with running pods needs besides the packages of the distribution."""

SETS = {"control-plane": CONTROL_PLANE, "node": NODE}
"""Sets that ``python3 -m tests.harness.build`` accepts by name."""
