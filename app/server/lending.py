"""Open rasters that are lent again.

Opening one starts a child process, which costs more than reading a preview, and most
questions are about a file that was asked about before.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rsvlm.errors import ImageError
from rsvlm.raster import Raster


@dataclass(slots=True)
class _Open:
    raster: Raster
    users: int = 0
    used: float = 0.0  # time of the clock


class OpenRasters:
    """Keeps a few rasters open; several users may read one at the same time.

    .. versionadded:: 0.1
    """

    def __init__(self, most: int = 4, idle_seconds: float = 60) -> None:
        """Set the limits.

        Args:
            most: Rasters that stay open when nobody uses them.
            idle_seconds: How long they do.
        """
        self._most, self._idle = most, idle_seconds
        self._lock = threading.Lock()
        self._open: OrderedDict[Hashable, _Open] = OrderedDict()
        self._opening: dict[Hashable, threading.Lock] = {}
        self._timer: threading.Timer | None = None

    @contextmanager
    def lend(self, key: Hashable, opener: Callable[[], Raster]) -> Iterator[Raster]:
        """Lend the open raster of a file inside the block.

        Args:
            key: Names the file, and whatever else decides how it is read.
            opener: Opens it, if it is not open.
        """
        with self._lock:
            opening = self._opening.setdefault(key, threading.Lock())
        with opening:  # two do not open one file at the same time
            with self._lock:
                found = self._open.get(key)
                if found:
                    found.users += 1
                    self._open.move_to_end(key)
            try:
                if not found:
                    found = _Open(opener(), 1)
                    with self._lock:
                        self._open[key] = found
            finally:
                with self._lock:
                    self._opening.pop(key, None)
        try:
            yield found.raster
        except ImageError:
            with self._lock:  # its decoder may have died: the next one opens it anew
                if self._open.get(key) is found:
                    del self._open[key]
            raise
        finally:
            self._give_back(key, found)

    def close(self) -> None:
        """Close what nobody uses, and whatever is given back from now on."""
        with self._lock:
            self._most, self._idle = 0, 0
        self._close_idle()

    def _give_back(self, key: Hashable, found: _Open) -> None:
        closing = []
        with self._lock:
            found.users -= 1
            found.used = time.monotonic()
            if not found.raster.is_open and self._open.get(key) is found:
                del self._open[key]  # somebody has made do without what it did not read
            if self._open.get(key) is not found and not found.users:
                closing.append(found)
            free = [at for at, one in self._open.items() if not one.users]
            closing += map(self._open.pop, free[: max(0, len(self._open) - self._most)])
            self._watch()
        for one in closing:
            one.raster.close()

    def _watch(self) -> None:
        """Look again when the next one may have been idle for too long."""
        if self._open and self._timer is None:
            self._timer = threading.Timer(self._idle, self._close_idle)
            self._timer.daemon = True
            self._timer.start()

    def _close_idle(self) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            latest = time.monotonic() - self._idle
            idle = [
                at for at, one in self._open.items()
                if not one.users and one.used <= latest
            ]  # fmt: skip
            closing = [self._open.pop(at) for at in idle]
            self._watch()
        for one in closing:
            one.raster.close()
