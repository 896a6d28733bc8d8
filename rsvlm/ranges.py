"""A file on another host, read in parts by HTTP range requests.

GDAL never opens the address itself: it asks this file for bytes
(:mod:`rsvlm.ranges_gdal`), so that only hosts on the list are reached
(:mod:`rsvlm.hosts`), no redirect is followed and bytes and time are limited. The blocks under a window are asked for
together; neighbours in the file are one request, and several go out at a time. Every
answer says which version of the file it is from, so that one which changes while it is
read is noticed.
"""

import hashlib
import http.client
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from rsvlm.decode import shown
from rsvlm.errors import ImageError
from rsvlm.hosts import AddressError, Pinned, Target, host_of

#: Headers of a TIFF are read in pieces of this size, and so many pieces are kept.
PIECE, KEPT = 2**16, 128
#: Blocks at most so far apart in the file are one request, up to so many bytes.
GAP, LARGEST = 2**15, 4 * 2**20
#: Requests that go out at a time.
TOGETHER = 4
#: Answers after which a request is sent again, and the pause before, s.
PASSING, PAUSES = frozenset({429, 500, 502, 503, 504}), (0.3, 1.5)

_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)$")

#: First byte and the one behind the last.
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Web:
    """What may be read from other hosts.

    Attributes:
        hosts: Hosts, as host or host:port. An address inside the own network is reached
            only if it is on the list itself, by its number.
        seconds: Longest answer to one request.
        most_bytes: Most bytes read of one file.
        whole_bytes: Largest file that is read whole, because of its format.

    .. versionadded:: 0.3
    """

    hosts: frozenset[str] = frozenset()
    seconds: float = 30.0
    most_bytes: int = 8 * 2**30
    whole_bytes: int = 64 * 2**20

    @classmethod
    def of(cls, hosts: Collection[str]) -> Self:
        """Return the default limits for some hosts."""
        return cls(frozenset(host.lower() for host in hosts))


def is_address(place: str) -> bool:
    """Say whether an image is on another host.

    >>> is_address("https://maps.example/a.tif"), is_address("a.tif")
    (True, False)
    """
    return place[:8].lower().startswith(("http://", "https://"))


class RangedFile:
    """A file on another host; open it by :meth:`open`.

    Attributes:
        target: Where it is.
        size: Its size in bytes.
        version: What the host calls this version of it; "" where it says nothing.
        fetched: Bytes that were read so far.
        requests: Requests that were sent so far.
        failure: What went wrong first. After it nothing is read any more: GDAL may
            keep blocks that never arrived.

    .. versionadded:: 0.3
    """

    def __init__(self, target: Target, web: Web) -> None:
        """Prepare; nothing is sent yet."""
        self.target, self.web = target, web
        self.size, self.version = -1, ""
        self.fetched = self.requests = 0
        self.failure: ImageError | None = None
        self._pieces: OrderedDict[int, bytes] = OrderedDict()
        self._idle: list[Pinned] = []
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    @classmethod
    def open(cls, url: str, web: Web) -> Self:
        """Open a file by reading its beginning.

        Args:
            url: Its address, http:// or https://.
            web: What may be read.

        Raises:
            ImageError: If its host is not on the list or does not deliver parts.
        """
        try:
            inside = {host_of(entry) for entry in web.hosts}
            file = cls(Target.of(url, web.hosts, inside), web)
        except AddressError as error:
            raise ImageError(
                f"{shown(error)}. Name the host that the image may be read from: "
                "--allow-host HOST[:PORT], an address inside your network by its "
                "number as well."
            ) from None
        file.read(0, PIECE)
        if file.failure is not None:
            file.close()
        file.check()
        return file

    @property
    def key(self) -> str:
        """What changes when the file does, as text.

        Where the host gives no version, both ends of the file have to do.
        """
        if self.version:
            return f"{self.size} {self.version}"
        ends = self.read(0, PIECE) + self.read(max(0, self.size - PIECE), PIECE)
        self.check()
        return f"{self.size} {hashlib.sha256(ends).hexdigest()}"

    def whole(self) -> bytes:
        """Return all bytes of the file, and close it.

        Raises:
            ImageError: If it is too large for that, or was not delivered.
        """
        if self.size > self.web.whole_bytes:
            raise ImageError(
                f"{self.target.name} has {self.size / 2**20:.0f} MiB in a format that is "
                f"not read in parts; the limit is {self.web.whole_bytes / 2**20:.0f}. "
                "Use a Cloud Optimized GeoTIFF, or download it first."
            )
        data = b"".join(self.spans([(0, self.size)]))
        self.close()
        self.check()
        return data

    def check(self) -> None:
        """Raise what went wrong so far, if anything did."""
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    # What GDAL asks for. It cannot take exceptions: `failure` is looked at afterwards.

    def read(self, start: int, count: int) -> bytes:
        """Return bytes in small pieces that are kept, for headers; fewer at the end."""
        if self.size >= 0:
            count = min(count, self.size - start)
        if count <= 0:
            return b""
        numbers = range(start // PIECE, (start + count - 1) // PIECE + 1)
        with self._reading:
            missing = [n for n in numbers if n not in self._pieces]
            wanted = [(n * PIECE, (n + 1) * PIECE) for n in missing]
            for number, data in zip(missing, self.spans(wanted), strict=True):
                self._pieces[number] = data
            joined = b"".join(self._pieces[n] for n in numbers)
            for number in numbers:
                self._pieces.move_to_end(number)
            while len(self._pieces) > KEPT:
                self._pieces.popitem(last=False)
        first = start - numbers[0] * PIECE
        return joined[first : first + count]

    def spans(self, wanted: Sequence[Span]) -> list[bytes]:
        """Return the bytes of some spans; zeros of what did not arrive."""
        ends = self.size if self.size >= 0 else PIECE
        clipped = [(min(a, ends), min(b, ends)) for a, b in wanted]
        joined = together(clipped)
        if len(joined) > 1:
            with ThreadPoolExecutor(TOGETHER) as pool:
                parts = list(pool.map(self._part, joined))
        else:
            parts = [self._part(span) for span in joined]
        found = []
        for start, end in clipped:
            pieces = [
                part[max(0, start - first) : end - first]
                for (first, last), part in zip(joined, parts, strict=True)
                if first < end and start < last
            ]
            found.append(b"".join(pieces))
        return found

    def _part(self, span: Span) -> bytes:
        """Return one part; zeros and a failure if it does not come."""
        try:
            if self.failure is None:
                return self._delivered(span)
        except ImageError as error:
            self.failure = self.failure or error
        return bytes(span[1] - span[0])

    def _delivered(self, span: Span) -> bytes:
        """Ask for a part, again where the first attempt broke off."""
        for pause in (*PAUSES, None):
            connection = self._connection()
            timer = threading.Timer(self.web.seconds, connection.abort)
            timer.daemon = True
            timer.start()
            try:
                data = self._asked(connection, span)
            except (
                OSError,
                http.client.HTTPException,
                ValueError,
                ImageError,
            ) as error:
                connection.close()
                # What was broken off looks like an end, and so like a wrong answer.
                if isinstance(error, ImageError) and not connection.is_late:
                    raise
                if pause is None or connection.is_late:
                    reason = "too slow" if connection.is_late else type(error).__name__
                    raise ImageError(
                        f"{self.target.host} did not deliver a part of "
                        f"{shown(self.target.name)} ({reason}). Try again later, or "
                        "download the image first."
                    ) from error
                time.sleep(pause)
            except BaseException:
                connection.close()
                raise
            else:
                with self._lock:
                    self._idle.append(connection)
                return data
            finally:
                timer.cancel()
        raise AssertionError("the last attempt returns or raises")

    def _connection(self) -> Pinned:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self.target.connection(self.web.seconds)

    def _asked(self, connection: Pinned, span: Span) -> bytes:
        """Send one request and return what it asked for."""
        start, end = span
        with self._lock:
            self.requests += 1
            self.fetched += end - start
            if self.fetched > self.web.most_bytes:
                raise ImageError(
                    f"More than {self.web.most_bytes / 2**30:.3g} GiB of "
                    f"{shown(self.target.name)} were read. Download the image first."
                )
        headers = {
            "Range": f"bytes={start}-{end - 1}",
            "Accept-Encoding": "identity",  # else a small answer could unpack to any size
            "User-Agent": "rsvlm",
        }
        connection.request("GET", self.target.path, headers=headers)
        with connection.getresponse() as answer:
            self._check_answer(answer, span)
            count = min(end, self.size) - start
            data = answer.read(count + 1)
        if len(data) != count:
            raise http.client.IncompleteRead(data)
        return data

    def _check_answer(self, answer: http.client.HTTPResponse, span: Span) -> None:
        """Raise what is wrong with the head of an answer, if anything is."""
        if answer.status in PASSING:
            raise http.client.HTTPException(str(answer.status))
        if answer.status != 206:
            raise self._refused(answer)
        found = _RANGE.match(answer.getheader("Content-Range", ""))
        if (
            found is None
            or answer.getheader("Content-Encoding", "identity") != "identity"
            or int(found[1]) != span[0]
            or int(found[2]) >= span[1]
        ):
            raise ImageError(
                f"{self.target.host} sent another part of {shown(self.target.name)} "
                "than was asked for. Download the image first."
            )
        self._compare(answer, int(found[3]))

    def _compare(self, answer: http.client.HTTPResponse, size: int) -> None:
        """Keep the version of the first answer, and hold all others to it."""
        version = answer.getheader("ETag") or answer.getheader("Last-Modified") or ""
        with self._lock:
            if self.size < 0:
                self.size, self.version = size, version
            if (self.size, self.version) == (size, version):
                return
        raise ImageError(
            f"{shown(self.target.name)} changed on {self.target.host} while it was read. "
            "Ask again."
        )

    def _refused(self, answer: http.client.HTTPResponse) -> ImageError:
        host, name = self.target.host, shown(self.target.name)
        if answer.status == 200:
            return ImageError(
                f"{host} does not serve parts of files (range requests), so that {name} "
                "would have to be read whole. Download it first."
            )
        if 300 <= answer.status < 400:
            return ImageError(
                f"{host} redirects {name} to another address, which is not followed. "
                "Give that address, and allow its host."
            )
        return ImageError(
            f"{host} answered {answer.status} for {name}. Check the address."
        )


def together(
    spans: Sequence[Span], gap: int = GAP, largest: int = LARGEST
) -> list[Span]:
    """Join spans that are near each other, and cut what is large; all sorted.

    >>> together([(10, 20), (0, 10), (100, 130)], gap=5, largest=20)
    [(0, 20), (100, 120), (120, 130)]
    """
    joined: list[list[int]] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if joined and start - joined[-1][1] <= gap:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return [
        (at, min(at + largest, end))
        for start, end in joined
        for at in range(start, end, largest)
    ]
