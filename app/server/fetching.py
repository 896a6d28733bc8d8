"""Images from other hosts: only those on a list, and nothing inside the own network.

The name of the host is resolved once, every address of it must be a public one, and the
connection goes to that very address, so that a name which changes its mind between
check and connection reaches nothing. No redirect is followed, no proxy is used, and the
bytes and the time are limited.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import PurePosixPath
from urllib.parse import SplitResult, unquote, urlsplit

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.incoming import shown_bytes
from rsvlm.decode import shown

_PORTS = {"http": 80, "https": 443}
#: Prefix of addresses that a gateway translates to IPv4 (NAT64, RFC 6052).
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PIECE = 2**16

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def fetch(url: str, limits: FileLimits) -> tuple[str, bytes]:
    """Fetch a file from a host on the list of the settings.

    Args:
        url: Its address.
        limits: Hosts, bytes and time.

    Returns:
        The last part of the path, and the bytes of the file.

    Raises:
        ApiError: If the address is not allowed, or the host does not deliver.
    """
    parts, port = _allowed(url, limits)
    host = parts.hostname or ""
    address = _public_address(host, port)
    connection = _Pinned(parts.scheme, host, port, address, limits.fetch_seconds)
    timer = threading.Timer(limits.fetch_seconds, connection.abort)
    timer.daemon = True
    timer.start()
    try:
        return _file_name(parts), _body(connection, parts, limits)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _refused(
            f"{shown(host, 100)} did not deliver the image ({type(error).__name__})"
        ) from error
    finally:
        timer.cancel()
        connection.close()


def _allowed(url: str, limits: FileLimits) -> tuple[SplitResult, int]:
    """Return the parts of an address and its port, if its host is on the list."""
    if not limits.hosts:
        raise _refused("This server fetches no URLs")
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        raise _refused("The image URL cannot be read") from None
    if parts.scheme not in _PORTS or not url.isascii() or not url.isprintable():
        raise _refused("An image URL begins with https:// and is plain ASCII")
    if parts.username is not None or parts.password is not None:
        raise _refused("An image URL holds no user name or password")
    host = parts.hostname or ""
    listed = f"{host}:{port}" in limits.hosts
    if not listed and not (host in limits.hosts and port == _PORTS[parts.scheme]):
        raise _refused(f"{shown(host, 100)!r} is not a host that is fetched from")
    return parts, port


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


def _public_address(host: str, port: int) -> str:
    """Return one address of a host, if all of them are public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _refused(f"The host {shown(host, 100)!r} was not found") from None
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not all(
        is_public(ipaddress.ip_address(text.split("%")[0])) for text in addresses
    ):
        raise _refused(f"{shown(host, 100)!r} is not on the public internet")
    return addresses[0]


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host."""

    def __init__(
        self, scheme: str, host: str, port: int, address: str, seconds: float
    ) -> None:
        super().__init__(host, port, timeout=seconds)
        self.default_port = _PORTS[scheme]  # so that Host names no usual port
        self._scheme, self._address = scheme, address
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


def _body(connection: _Pinned, parts: SplitResult, limits: FileLimits) -> bytes:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # No Accept-Encoding: a compressed body could unpack to any size.
    headers = {"Accept": "image/*", "User-Agent": "rsvlm", "Connection": "close"}
    connection.request("GET", path, headers=headers)
    with connection.getresponse() as response:
        return _read(response, connection, limits)


def _read(
    response: http.client.HTTPResponse, connection: _Pinned, limits: FileLimits
) -> bytes:
    if response.status != 200:
        raise _refused(
            f"{shown(connection.host, 100)} answered {response.status}; redirects are "
            "not followed"
        )
    if response.getheader("Content-Encoding", "identity") != "identity":
        raise _refused("The image is sent compressed, which was not asked for")
    declared = response.getheader("Content-Length", "")
    if declared.isdecimal() and int(declared) > limits.fetch_bytes:
        raise _too_large(limits)
    data = bytearray()
    while piece := response.read(_PIECE):
        data += piece
        if len(data) > limits.fetch_bytes:
            raise _too_large(limits)
    if declared.isdecimal() and len(data) < int(declared):
        raise http.client.IncompleteRead(b"")
    if connection.is_late:  # what was broken off looks like an end
        raise TimeoutError
    return bytes(data)


def _file_name(parts: SplitResult) -> str:
    return PurePosixPath(unquote(parts.path)).name or parts.hostname or "image"


def _too_large(limits: FileLimits) -> ApiError:
    return ApiError(
        413,
        f"The image is larger than {shown_bytes(limits.fetch_bytes)}. Upload it: "
        "POST /v1/files.",
        code="image_too_large",
    )


def _refused(what: str) -> ApiError:
    return ApiError(
        400,
        f"{what}. Send the image as a data URI, or upload it: POST /v1/files.",
        code="invalid_image_url",
    )
