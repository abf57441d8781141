"""Certificates and tokens of a control plane, made with the ``openssl`` program."""

import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.harness.steps import run

VALID_DAYS = "3650"
"""Lifetime of the certificates: longer than any node that a developer leaves running."""

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Pki:
    """The certificates in one folder; what exists is kept.

    Parameters
    ----------
    folder
        Where the files lie; made readable by its owner only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = folder / "ca.crt"
        self.front_proxy_ca = folder / "front-proxy-ca.crt"
        self.service_account_key = folder / "service-account.key"
        self.service_account_public = folder / "service-account.pub"
        self.tokens_file = folder / "tokens.csv"

    def create(self, addresses: Iterable[str], names: Iterable[str]) -> None:
        """Make what is missing.

        Parameters
        ----------
        addresses, names
            IP addresses and DNS names under which clients reach the API server.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.ca.exists():
            return
        self._authority("front-proxy-ca")
        self._signed("front-proxy", "front-proxy-ca", "/CN=front-proxy")
        key = self.service_account_key
        run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", key])
        run(["openssl", "pkey", "-in", key, "-pubout", "-out", self.service_account_public])
        # Last, since its presence says that all is there: the CA is renamed into place once everything is signed.
        self._authority("new-ca")
        alternatives = ",".join([*(f"IP:{a}" for a in addresses), *(f"DNS:{n}" for n in names)])
        self._signed("apiserver", "new-ca", "/CN=kube-apiserver", f"subjectAltName={alternatives}")
        self._signed("kubelet-client", "new-ca", "/O=system:masters/CN=apiserver-kubelet-client")
        (self.folder / "new-ca.key").rename(self.folder / "ca.key")
        (self.folder / "new-ca.crt").rename(self.ca)

    def certificate(self, name: str) -> Path:
        """Certificate of ``apiserver``, ``kubelet-client`` or ``front-proxy``."""
        return self.folder / f"{name}.crt"

    def key(self, name: str) -> Path:
        """Private key that belongs to ``certificate(name)``."""
        return self.folder / f"{name}.key"

    def tokens(self, users: Mapping[str, Iterable[str]]) -> dict[str, str]:
        """Bearer token of each user; also written as the API server's token file.

        Parameters
        ----------
        users
            Groups of each user.
        """
        known = self._read_tokens()
        tokens = {user: known.get(user) or secrets.token_hex(16) for user in users}
        lines = [f'{tokens[user]},{user},{user},"{",".join(groups)}"\n' for user, groups in users.items()]
        self.tokens_file.write_text("".join(lines))
        return tokens

    def _read_tokens(self) -> dict[str, str]:
        if not self.tokens_file.exists():
            return {}
        rows = [line.split(",") for line in self.tokens_file.read_text().splitlines()]
        return {row[1]: row[0] for row in rows}

    def _authority(self, name: str) -> None:
        run(["openssl", "req", "-x509", *_KEY, *self._files(name), "-subj", f"/CN={name}", "-days", VALID_DAYS])

    def _signed(self, name: str, authority: str, subject: str, *extensions: str) -> None:
        signer = ["-CA", str(self.certificate(authority)), "-CAkey", str(self.key(authority))]
        added = [word for text in ("basicConstraints=CA:FALSE", *extensions) for word in ("-addext", text)]
        run(
            [
                "openssl",
                "req",
                "-x509",
                *_KEY,
                *self._files(name),
                "-subj",
                subject,
                "-days",
                VALID_DAYS,
                *signer,
                *added,
            ]
        )

    def _files(self, name: str) -> list[str]:
        return ["-keyout", str(self.key(name)), "-out", str(self.certificate(name))]
