"""Telling others by HTTP: signed, never into the private network.

Standard Webhooks: `webhook-id` is the same for each attempt of one delivery, so that a receiver that got it
and could not say so takes it once. `GS1-Signature` carries the same signature under the standard's name.
"""

import asyncio
import base64
import hmac
import ipaddress
import socket
import ssl
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

import httpx

TIMEOUT: Final = 10.0
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_PORTS: Final = frozenset({80, 443, 8080, 8443})


@cache
def tls() -> ssl.SSLContext:
    """The certificates this machine trusts, for every client: reading them takes as long as many requests."""
    return httpx.create_ssl_context()


class DeliveryError(Exception):
    """The delivery did not arrive, or may not be sent. The text says why."""


def signature(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body` (Standard Webhooks).

    A secret in that standard's form, `whsec_` and base64, is decoded; any other text is the key itself.
    """
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_key(secret), signed, sha256).digest()).decode()


def _key(secret: str) -> bytes:
    bare = secret.removeprefix("whsec_")
    return base64.b64decode(bare) if bare != secret else secret.encode()


def require_deliverable(destination: str, secret: str | None = None, *, allow_private: bool = False) -> None:
    """What can be told of a destination and its secret without asking anybody. Raises DeliveryError."""
    try:
        parts = urlsplit(destination)
        host, port = parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
        (host or "").encode("idna")
    except ValueError as error:
        raise DeliveryError("the destination is no well-formed address") from error
    if parts.scheme not in {"https", "http"} or not host or parts.username or parts.password:
        raise DeliveryError("the destination is an http or https address without user and password")
    if not allow_private and port not in _PORTS:
        raise DeliveryError(f"port {port} is none that webhooks are sent to")
    with suppress(ValueError):
        if not allow_private and not _is_public(ipaddress.ip_address(host)):
            raise DeliveryError(f"{host} is not in the public network")
    try:
        _key(secret or "")
    except ValueError as error:
        raise DeliveryError("what follows whsec_ in the secret is no base64") from error


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether it is, and does not carry another address that a gateway may turn it into."""
    if isinstance(address, ipaddress.IPv6Address) and (
        address.sixtofour is not None or address.teredo is not None or address in _NAT64
    ):
        return False
    return address.is_global and not address.is_multicast


async def resolve(destination: str, *, allow_private: bool = False) -> tuple[str, str]:
    """The address to connect to and the host it stands for.

    The name is resolved once and the connection made to that address: a name that changes its mind in between
    reaches nothing else. Raises DeliveryError for anything but http(s) to a public address.
    """
    require_deliverable(destination, allow_private=allow_private)
    parts = urlsplit(destination)
    host, port = str(parts.hostname), parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DeliveryError(f"{host} cannot be resolved") from error
    for *_, place in found:
        if not allow_private and not _is_public(ipaddress.ip_address(place[0])):
            raise DeliveryError(f"{host} is not in the public network")
    return str(found[0][4][0]), host


async def deliver(
    destination: str,
    body: bytes,
    *,
    delivery_id: str,
    timestamp: int,
    secret: str | None,
    allow_private: bool = False,
) -> None:
    """Sends one document. Raises DeliveryError unless the answer is 2xx."""
    require_deliverable(destination, secret, allow_private=allow_private)
    address, host = await resolve(destination, allow_private=allow_private)
    parts = urlsplit(destination)
    port = f":{parts.port}" if parts.port else ""
    bracketed = f"[{address}]" if ":" in address else address
    url = parts._replace(netloc=f"{bracketed}{port}").geturl()
    headers = {
        "Host": f"{host}{port}",
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
    }
    if secret is not None:
        signed = signature(secret, delivery_id, timestamp, body)
        headers |= {"webhook-signature": signed, "GS1-Signature": signed}
    try:
        client = httpx.AsyncClient(verify=tls(), timeout=TIMEOUT, follow_redirects=False, trust_env=False)
        # Only the status is read: an answer without end must not fill our memory.
        name = {"sni_hostname": host}
        async with (
            client,
            client.stream("POST", url, content=body, headers=headers, extensions=name) as answer,
        ):
            pass
    except httpx.HTTPError as error:
        raise DeliveryError(f"{type(error).__name__}: {host} did not answer") from error
    if not answer.is_success:
        raise DeliveryError(f"{host} answered {answer.status_code}")
