"""Connections to public addresses only, so that nobody can make a service reach into its own network.

The address that is checked is the one that is connected to, for every connection anew: neither a redirect nor a name
that resolves differently the next time (DNS rebinding) gets past it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from typing import Any

import httpcore2
import httpx2

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is reachable by all: not private, loopback, link-local, multicast, reserved or unspecified.

    An IPv4 address within an IPv6 address (mapped, 6to4, Teredo, NAT64) must be public, too.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if not ip.is_global or ip.is_multicast or ip.is_reserved:
        return False
    return all(is_public(str(inner)) for inner in _within(ip))


def _within(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address carries."""
    if isinstance(ip, ipaddress.IPv4Address):
        return []
    found = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


class _PublicBackend(httpcore2.NetworkBackend):
    """Resolves a name, checks what it resolves to, and connects to exactly that."""

    def __init__(self) -> None:
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore2.ConnectError("the host has no address") from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        if not addresses or not all(map(is_public, addresses)):
            raise httpcore2.ConnectError("not a public address")
        return self._plain.connect_tcp(addresses[0], port, timeout, local_address, socket_options)

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore2.NetworkStream:
        raise httpcore2.ConnectError("not a public address")


class PublicTransport(httpx2.HTTPTransport):
    """A transport of httpx that connects to public addresses only, and never by a proxy.

    Args:
        certificates: The trusted ones.
    """

    def __init__(self, certificates: Any) -> None:
        super().__init__(verify=certificates, trust_env=False)
        self._pool.close()
        self._pool = httpcore2.ConnectionPool(ssl_context=certificates, network_backend=_PublicBackend())
