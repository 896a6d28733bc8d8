"""Bytes on their way in: written to a file of their own, hashed and counted."""

import hashlib
import math
import os
import secrets
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_table import disk_full


class Quotas:
    """How many bytes of each owner are on their way in.

    .. versionadded:: 0.2
    """

    def __init__(self, owner_bytes: int, kept: Callable[[str], int]) -> None:
        """Count against a quota.

        Args:
            owner_bytes: Most bytes of one owner.
            kept: Says how many bytes of an owner are stored.
        """
        self.owner_bytes, self._kept = owner_bytes, kept
        self._arriving: Counter[str] = Counter()
        self._lock = Lock()

    def kept(self, owner: str) -> int:
        """Return how many bytes of an owner are stored."""
        return self._kept(owner)

    def take(self, owner: str, amount: int, kept: float) -> bool:
        """Count bytes that come in, if an owner may send them.

        Args:
            owner: Whose they are.
            amount: How many they are.
            kept: How many bytes of this owner are stored.
        """
        with self._lock:
            if kept + self._arriving[owner] + amount > self.owner_bytes:
                return False
            self._arriving[owner] += amount
            return True

    def give_back(self, owner: str, amount: int) -> None:
        """Count no longer what has arrived or is gone."""
        with self._lock:
            self._arriving[owner] -= amount
            if not self._arriving[owner]:
                del self._arriving[owner]


class Incoming:
    """A file that is being received; leaving its ``with`` block removes it.

    Attributes:
        owner: Whose it is.
        path: Where it lies until it is moved away.
        size: Bytes so far.

    .. versionadded:: 0.2
    """

    def __init__(self, folder: Path, owner: str, most: int, quotas: Quotas) -> None:
        """Open an empty file.

        Args:
            folder: Where it lies.
            owner: Whose it is.
            most: Most bytes of one file.
            quotas: Counts the bytes.
        """
        self.owner, self.size = owner, 0
        self.path = folder / secrets.token_hex(16)
        self._most, self._quotas = most, quotas
        self._hash = hashlib.sha256()
        self._kept: float = quotas.kept(owner)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(self.path, flags, 0o600), "wb")

    def unlimited(self) -> None:
        """Count the bytes, but refuse none for the quota or the size."""
        self._most, self._kept = sys.maxsize, -math.inf

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            ApiError: If the file is too large, the quota is used up, or the disk full.
        """
        if self.size + len(data) > self._most:
            raise ApiError(
                413,
                f"The file is larger than {shown_bytes(self._most)}. Cut it, or compress "
                "it: gdal_translate -of COG -co COMPRESS=ZSTD IN OUT.",
                code="file_too_large",
            )
        if not self._quotas.take(self.owner, len(data), self._kept):
            # Files of this owner may have gone since the last look.
            self._kept = self._quotas.kept(self.owner)
            if not self._quotas.take(self.owner, len(data), self._kept):
                raise quota_error(self._quotas.owner_bytes)
        self.size += len(data)
        try:
            self._file.write(data)
        except OSError as error:
            raise disk_full() from error
        self._hash.update(data)

    def finish(self) -> str:
        """Write everything to disk, and return the SHA-256 of the file."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise disk_full() from error
        return self._hash.hexdigest()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._quotas.give_back(self.owner, self.size)
        try:
            self._file.close()
        except OSError:  # the disk is full
            pass
        finally:
            self.path.unlink(missing_ok=True)


def quota_error(owner_bytes: int, owner_files: int | None = None) -> ApiError:
    """Return the answer to an owner who may store no more."""
    files = f" or {owner_files} files" if owner_files else ""
    return ApiError(
        413,
        f"A key may store {shown_bytes(owner_bytes)}{files}, and this would be more. "
        "Delete some: DELETE /v1/files/{id}.",
        code="storage_quota_exceeded",
    )


def shown_bytes(count: int) -> str:
    """Return a number of bytes in words.

    >>> shown_bytes(3 * 2**30), shown_bytes(1000)
    ('3 GiB', '1000 bytes')
    """
    for name, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return f"{count} bytes"
