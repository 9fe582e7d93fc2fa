"""Connections to the open internet, and to no machine in one's own house unless the config allows it by name.

A name is resolved once a connection; every address that it has is checked, and the connection goes to such a checked
address: a name server that answers something else a moment later is not asked again.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import httpcore2

from groundtune.sources._urls import FetchError

Resolve = Callable[[str, int], Sequence[str]]

_UNICAST = IPv6Network("2000::/3")  # all that is given out of IPv6 for use on the internet
_HOLDING_IPV4 = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))  # in their last 32 bits: mapped, NAT64
# What some Pythons take for public: protocol assignments, relays and tunnels, examples, and the one address with which
# a cloud (Azure) speaks to its machines.
_NOT_PUBLIC = tuple(
    ip_network(net)
    for net in (
        *("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_TRIED = 4  # of a name's addresses


def is_public(address: str) -> bool:
    """Whether an IP address is of the open internet: not private, loopback, link-local, multicast, reserved ..."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    if isinstance(found, IPv6Address):
        if any(found in net for net in _HOLDING_IPV4):
            found = IPv4Address(int(found) & 0xFFFF_FFFF)
        elif found not in _UNICAST:
            return False
    return found.is_global and not found.is_multicast and not any(found in net for net in _NOT_PUBLIC)


def resolve(host: str, port: int) -> list[str]:
    """The IP addresses of a host. Raises OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class Deadline:
    """The moment by which the request under way must be done. A server that sends byte by byte meets it too."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.restart()

    def restart(self) -> None:
        """A request begins."""
        self._end = time.monotonic() + self.seconds

    def left(self) -> float:
        """Seconds left, more than none. Raises FetchError where the time is up."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.missed()
        return left

    def missed(self) -> FetchError:
        """What is said of a request that is not done in time."""
        return FetchError(f"not answered within {self.seconds:g} seconds", passing=True)


class CheckedBackend(httpcore2.NetworkBackend):
    """Opens the connections of an httpcore2 pool, to checked addresses, within the deadline.

    allowed: (host, port) that may be connected to whatever its address. network: what opens a socket.
    """

    def __init__(
        self,
        allowed: frozenset[tuple[str, int]],
        deadline: Deadline,
        resolve: Resolve,
        network: httpcore2.NetworkBackend,
    ) -> None:
        self._allowed = allowed
        self._deadline = deadline
        self._resolve = resolve
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first address that takes one. Raises FetchError for a host that may not be asked."""
        addresses = self._checked(host, port)[:_TRIED]
        for others, address in zip(reversed(range(len(addresses))), addresses, strict=True):
            seconds = self._deadline.left() / (others + 1)  # an address that is silent leaves time for the others
            try:
                stream = self._network.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if not others:
                    raise
            else:
                return _TimedStream(stream, self._deadline)
        raise FetchError(f"{host} has no address", passing=True)

    def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = self._resolve(host, port)
        except OSError as error:
            raise FetchError(f"the host {host} is not found ({error.strerror})", passing=True) from error
        if (host, port) not in self._allowed:
            for address in addresses:
                if not is_public(address):
                    raise FetchError(
                        f"{host} is at {address}, which is not a public address; if it is meant, "
                        f'add "{f"[{host}]" if ":" in host else host}:{port}" to allow_hosts'
                    )
        return addresses


class _TimedStream(httpcore2.NetworkStream):
    """A connection on which nothing waits beyond the deadline."""

    def __init__(self, stream: httpcore2.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
