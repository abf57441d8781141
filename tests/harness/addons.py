"""What runs in the cluster from the start: a default StorageClass, DNS, metrics and S3."""

from dataclasses import dataclass
from pathlib import Path
from string import Template

from tests.harness.node_files import DNS_ADDRESS, S3_ADDRESS

MANIFESTS = Path(__file__).resolve().parent / "manifests"
"""The add-ons' manifests; a word after a dollar sign is filled in."""

DEPLOYMENTS = (("kube-system", "coredns"), ("kube-system", "metrics-server"), ("s3", "s3"))
"""Namespace and name of what has to be available before the cluster is."""


@dataclass(frozen=True)
class S3:
    """How to reach the cluster's S3 server, with keys that open nothing else."""

    endpoint: str = f"http://{S3_ADDRESS}"
    """Address for pods and for programs in the network namespace alike, so it names no DNS name."""
    bucket: str = "memories"
    """A bucket that exists and is empty at first."""
    access_key: str = "harness-access"
    """Access key of the one account."""
    secret_key: str = "harness-secret-for-tests-only"
    """Secret key of the one account."""

    def environment(self) -> dict[str, str]:
        """The same, as environment variables of the end-to-end tests."""
        return {
            "E2E_S3_ENDPOINT": self.endpoint,
            "E2E_S3_BUCKET": self.bucket,
            "E2E_S3_ACCESS_KEY": self.access_key,
            "E2E_S3_SECRET_KEY": self.secret_key,
        }


def manifests(images: dict[str, str]) -> str:
    """Text of all add-ons' manifests.

    Parameters
    ----------
    images
        Image reference of each program: coredns, metrics-server, versitygw.
    """
    s3 = S3()
    values = {f"{name.replace('-', '_')}_image": reference for name, reference in images.items()}
    values |= {"dns_address": DNS_ADDRESS, "s3_address": S3_ADDRESS}
    values |= {"s3_access_key": s3.access_key, "s3_secret_key": s3.secret_key}
    texts = [Template(path.read_text()).substitute(values) for path in sorted(MANIFESTS.glob("*.yaml"))]
    return "\n---\n".join(texts)
