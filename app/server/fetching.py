"""Images from other hosts: only those on a list, and nothing inside the own network.

See :mod:`rsvlm.hosts` for what may be reached; here bytes and time are limited as well.
"""

import http.client
import threading

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.incoming import shown_bytes
from rsvlm.decode import shown
from rsvlm.hosts import AddressError, Pinned, Target

_PIECE = 2**16


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
    if not limits.hosts:
        raise _refused("This server fetches no URLs")
    try:
        target = Target.of(url, limits.hosts)
    except AddressError as error:
        raise _refused(str(error)) from None
    connection = target.connection(limits.fetch_seconds)
    timer = threading.Timer(limits.fetch_seconds, connection.abort)
    timer.daemon = True
    timer.start()
    try:
        return target.name, _body(connection, target.path, limits)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _refused(
            f"{shown(target.host, 100)} did not deliver the image ({type(error).__name__})"
        ) from error
    finally:
        timer.cancel()
        connection.close()


def _body(connection: Pinned, path: str, limits: FileLimits) -> bytes:
    # No Accept-Encoding: a compressed body could unpack to any size.
    headers = {"Accept": "image/*", "User-Agent": "rsvlm", "Connection": "close"}
    connection.request("GET", path, headers=headers)
    with connection.getresponse() as response:
        return _read(response, connection, limits)


def _read(
    response: http.client.HTTPResponse, connection: Pinned, limits: FileLimits
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
