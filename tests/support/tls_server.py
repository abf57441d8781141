"""A server that speaks TLS by a certificate made for the test."""

from __future__ import annotations

import contextlib
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(folder: Path, expires: datetime, name: str = "127.0.0.1") -> Path:
    """A file with a certificate that nobody vouches for, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(expires, datetime.now(UTC)) - timedelta(days=1))
        .not_valid_after(expires)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / f"{expires:%Y%m%d%H%M%S}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return path


class _Handler(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        """Shake hands, and wait for the end."""
        assert isinstance(self.server, _Server)
        with contextlib.suppress(OSError), self.server.context.wrap_socket(self.request, server_side=True) as secured:
            while sent := secured.recv(1024):
                self.server.received.append(sent)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.received: list[bytes] = []


@contextmanager
def tls_server(certificate: Path, port: int = 0) -> Iterator[tuple[int, list[bytes]]]:
    """A running server's port, and what was sent to it."""
    with _Server(port) as server:
        server.context.load_cert_chain(certificate)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield int(server.server_address[1]), server.received
        finally:
            server.shutdown()
            thread.join()
