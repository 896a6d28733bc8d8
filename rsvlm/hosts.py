"""Which hosts images may be read from, and the connection to one of them.

Nothing is read unless its host is on a list. The name of the host is resolved once,
every address of it must be a public one or be named on the list itself, and the
connection goes to that very address, so that a name which changes its mind between
check and connection reaches nothing. No redirect is followed and no proxy is used.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from rsvlm.errors import RsvlmError

_PORTS = {"http": 80, "https": 443}
#: Prefix of addresses that a gateway translates to IPv4 (NAT64, RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
#: Most characters of a host that an error repeats.
_SHOWN = 100

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressError(RsvlmError):
    """Raised when an address is not one that may be read; says why, without a dot."""


@dataclass(frozen=True, slots=True)
class Target:
    """A file on a host that may be reached.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: Name of the host, in small letters.
        port: TCP port.
        address: The one address of the host that connections go to.
        path: What is asked for, its query included.
        name: Last part of the path.
    """

    scheme: str
    host: str
    port: int
    address: str
    path: str
    name: str

    @classmethod
    def of(
        cls, url: str, listed: Collection[str], inside: Collection[str] = ()
    ) -> "Target":
        """Return the target of a URL, if it may be reached.

        Args:
            url: An address that begins with http:// or https://.
            listed: Hosts that may be reached, as host or host:port.
            inside: Addresses that may be reached although they are not public.

        Raises:
            AddressError: If it may not, or there is no such host.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme, 0)
        except ValueError:
            raise AddressError("The image URL cannot be read") from None
        if parts.scheme not in _PORTS or not url.isascii() or not url.isprintable():
            raise AddressError("An image URL begins with https:// and is plain ASCII")
        if parts.username is not None or parts.password is not None:
            raise AddressError("An image URL holds no user name or password")
        host = parts.hostname or ""
        is_listed = f"{host}:{port}" in listed
        if not is_listed and not (host in listed and port == _PORTS[parts.scheme]):
            raise AddressError(
                f"{host[:_SHOWN]!r} is not a host that is fetched from"
                + (f" on port {port}" if port != _PORTS[parts.scheme] else "")
            )
        path = parts.path or "/"
        return cls(
            parts.scheme,
            host,
            port,
            _address(host, port, inside),
            path + (f"?{parts.query}" if parts.query else ""),
            PurePosixPath(unquote(parts.path)).name or host or "image",
        )

    def connection(self, seconds: float) -> "Pinned":
        """Return a connection to it, not yet made; each step may take so long."""
        return Pinned(self, seconds)


def host_of(entry: str) -> str:
    """Return the host of an entry of a list, without its port.

    >>> host_of("tiles.example:8080"), host_of("tiles.example")
    ('tiles.example', 'tiles.example')
    """
    host, colon, port = entry.rpartition(":")
    return host if colon and port.isdecimal() else entry


def is_public(address: Address) -> bool:
    """Say whether an address is on the public internet.

    Of IPv6 addresses that carry an IPv4 address, that one decides as well.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None or (inner is not None and not is_public(inner)):
            return False
        if address.ipv4_mapped is not None or address in _NAT64:
            return True
    return address.is_global and not address.is_multicast


def _address(host: str, port: int, inside: Collection[str]) -> str:
    """Return one address of a host, if all of them may be reached."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise AddressError(f"The host {host[:_SHOWN]!r} was not found") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(
        text in inside or is_public(ipaddress.ip_address(text.split("%")[0]))
        for text in addresses
    ):
        raise AddressError(f"{host[:_SHOWN]!r} is not on the public internet")
    return addresses[0]


class Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host.

    Attributes:
        is_late: Whether it was broken off.
    """

    def __init__(self, target: Target, seconds: float) -> None:
        """Prepare; nothing is sent yet."""
        super().__init__(target.host, target.port, timeout=seconds)
        self.default_port = _PORTS[target.scheme]  # so that Host names no usual port
        self._scheme, self._address = target.scheme, target.address
        # It outlives self.sock, which is let go of once the answer begins.
        self._link: socket.socket | None = None
        self.is_late = False

    def connect(self) -> None:
        """Connect to the address that was checked."""
        self._link = socket.create_connection((self._address, self.port), self.timeout)
        if self._scheme == "https":
            context = ssl.create_default_context()
            self._link = context.wrap_socket(self._link, server_hostname=self.host)
        self.sock = self._link

    def close(self) -> None:
        """Close the connection, also one whose TLS never came to be."""
        super().close()
        if self._link is not None:
            self._link.close()

    def abort(self) -> None:
        """Break the connection off, whatever it is waiting for."""
        self.is_late = True
        if self._link is not None:
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
