"""When the certificates expire that the endpoints of a store's spec present.

Others renew them, and the first that a store would notice of one that was forgotten is that all its requests fail. Each
is read by a handshake of its own, beside all requests and straight to the server, not through a proxy. It asks for no
trust, since the question is what is presented; nothing is sent after the handshake.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from prometheus_client import Gauge

from simplemem_service.config import Config, Role
from simplemem_service.constants import CERTIFICATE_INTERVAL, CERTIFICATE_RETRY, CERTIFICATE_TIMEOUT
from simplemem_service.health import describe

logger = logging.getLogger(__name__)

TLS_PORTS = {"https": 443, "rediss": 6379}
"""Schemes that mean TLS, and the port where an address names none."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server that speaks TLS."""

    host: str
    """Its name or address."""
    port: int
    """Where it listens."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Certificates:
    """Looks at the certificates of endpoints again and again.

    Parameters
    ----------
    endpoints
        Whom to ask.
    expiry
        Where it is told when each certificate expires, by the endpoint; what was told stays while one does not answer.
    timeout
        How long one may take to answer.
    """

    def __init__(self, endpoints: Iterable[Endpoint], expiry: Gauge, timeout: timedelta = CERTIFICATE_TIMEOUT) -> None:
        self._endpoints = tuple(endpoints)
        self._expiry = expiry
        self._timeout = timeout
        self._failing: set[Endpoint] = set()

    async def run(self) -> None:
        """Look for ever, if there is anything to look at."""
        while self._endpoints:
            await self.look()
            await asyncio.sleep((CERTIFICATE_RETRY if self._failing else CERTIFICATE_INTERVAL).total_seconds())

    async def look(self) -> None:
        """Ask all of them once."""
        await asyncio.gather(*(self._look_at(endpoint) for endpoint in self._endpoints))

    async def _look_at(self, endpoint: Endpoint) -> None:
        try:
            async with asyncio.timeout(self._timeout.total_seconds()):
                expires = await read_expiry(endpoint)
        except (OSError, ValueError) as error:
            if endpoint not in self._failing:
                logger.warning("certificate not read", extra={"endpoint": str(endpoint), "error": describe(error)})
            self._failing.add(endpoint)
            return
        self._failing.discard(endpoint)
        self._expiry.labels(str(endpoint)).set(expires.timestamp())


def list_endpoints(config: Config) -> list[Endpoint]:
    """The endpoints that the spec names and that speak TLS, each once; none for pods that speak to none of them."""
    if config.role is Role.EMBEDDING:
        return []
    store = config.store
    places = (store.storage.s3, store.backup.s3 if store.backup is not None else None)
    addresses = [place.endpoint for place in places if place is not None]
    addresses += [config.lancedb_host, store.llm.api_base, config.redis_url]
    found = (parse_endpoint(address) for address in addresses if address is not None)
    return list(dict.fromkeys(endpoint for endpoint in found if endpoint is not None))


def parse_endpoint(address: str) -> Endpoint | None:
    """Host and port of an address, and nothing else of it; None where it means no TLS or is none."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in TLS_PORTS or not parts.hostname:
        return None
    return Endpoint(parts.hostname, port or TLS_PORTS[parts.scheme])


async def read_expiry(endpoint: Endpoint) -> datetime:
    """When the certificate that an endpoint presents expires, whoever vouches for it; UTC.

    Raises `OSError` where there is no TLS connection, `ValueError` where what is presented cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(endpoint.host, endpoint.port, ssl=context, server_hostname=endpoint.host)
    try:
        presented: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        # No polite end, which a server may keep waiting for.
        writer.transport.abort()
    if presented is None:
        raise ValueError("no certificate is presented")
    # In a thread, since the first time imports a library.
    return await asyncio.to_thread(_parse_expiry, presented)


def _parse_expiry(presented: bytes) -> datetime:
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(presented).not_valid_after_utc
    except x509.InvalidVersion as error:
        raise ValueError(str(error)) from error
