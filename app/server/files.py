"""The files of the server's users: kept for a while, vetted first, each owner's apart.

Bytes are written to a file beside the others, opened and drawn once by a child process
that may die of it (:mod:`rsvlm.sandbox`), and only then moved to their place and told
of. The same bytes of one owner are stored once. Nothing here decodes an image.
"""

import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO

from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.file_samples import (
    PREFIX,
    SAMPLE,
    sample,
    sample_path,
    samples,
)
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.file_table import PASSING, FileTable, StoredFile
from rsvlm.app.server.incoming import Incoming, Quotas, quota_error
from rsvlm.app.server.taking_turns import Turns
from rsvlm.decode import shown
from rsvlm.opening import driver_of
from rsvlm.raster import Raster
from rsvlm.reader import LARGE
from rsvlm.sandbox import Sandbox, SandboxBusyError

__all__ = ["FileStore", "StoredFile"]

#: Purposes of files that are lines of text; all others are images.
TEXT_PURPOSES = ("batch", "batch_output")
#: Seconds after which a file that never arrived whole is removed.
_STALE = 86_400


class FileStore:
    """Keeps files in a folder.

    .. versionadded:: 0.2
    """

    def __init__(
        self,
        folder: Path,
        limits: FileLimits | None = None,
        sandbox: Sandbox | None = None,
    ) -> None:
        """Open or create a store, and remove what a killed server left behind.

        Args:
            folder: Where files lie; nobody else should write there.
            limits: What owners may take.
            sandbox: What opens images; by default one by the limits, closed with the
                store.
        """
        self.limits = limits or FileLimits()
        self.sandbox = sandbox or Sandbox(self.limits.child)
        self._shares_sandbox = sandbox is not None
        #: Whoever has images looked at from an event loop takes turns here.
        self.turns = Turns(max(1, self.limits.children // 4))
        self._kept, self._arriving = folder / "kept", folder / "arriving"
        for part in (folder, self._kept, self._arriving):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._table = FileTable(folder / "files.sqlite")
        self._quotas = Quotas(
            self.limits.owner_bytes, lambda owner: self._table.used(owner, PASSING)[0]
        )
        self._sweep()
        self.expire()

    def close(self) -> None:
        """Close the table and the own sandbox; open rasters stay open."""
        if not self._shares_sandbox:
            self.sandbox.close()
        self._table.close()

    def incoming(self, owner: str, most: int | None = None) -> Incoming:
        """Return an empty file to receive bytes in; see :meth:`keep`.

        Args:
            owner: Whose it is.
            most: Most bytes, where that is less than for uploads.
        """
        self.expire()
        most = self.limits.file_bytes if most is None else most
        return Incoming(self._arriving, owner, most, self._quotas)

    def add(
        self, owner: str, name: str, stream: IO[bytes], purpose: str = "vision"
    ) -> StoredFile:
        """Keep the bytes of a stream.

        Args:
            owner: Whose they are.
            name: What the owner calls the file.
            stream: Where they come from, to its end.
            purpose: What they are for. Files of :data:`TEXT_PURPOSES` are not opened;
                ``"batch_output"`` is written by the server and never refused.

        Raises:
            ImageError: If it is no image that can be decoded within the limits.
            ApiError: If it is too large, the quota is used up, or the server is busy.
        """
        with self.incoming(owner) as upload:
            if purpose == "batch_output":
                upload.unlimited()
            while data := stream.read(2**20):
                upload.write(data)
            return self.keep(upload, name, purpose)

    def add_passing(
        self, owner: str, name: str, data: bytes, purpose: str
    ) -> StoredFile:
        """Keep an image that came inside a request; the same one is kept once.

        Args:
            owner: Whose it is.
            name: What to call it.
            data: The bytes of the file.
            purpose: One of :data:`~rsvlm.app.server.file_table.PASSING`.
        """
        digest = hashlib.sha256(data).hexdigest()
        expires = int(time.time()) + self.limits.inline_seconds
        with self._table.change():
            same = self._table.same(owner, digest, purpose)
            if same is not None:
                self._table.prolong(same.id, expires)
                return replace(same, expires=expires)
        with self.incoming(owner, len(data)) as upload:
            upload.unlimited()  # what passes makes room for itself
            for start in range(0, len(data), 2**20):
                upload.write(data[start : start + 2**20])
            return self.keep(upload, name, purpose, self.limits.inline_seconds)

    def keep(
        self, upload: Incoming, name: str, purpose: str, seconds: int | None = None
    ) -> StoredFile:
        """Vet a file that has arrived, and keep it.

        Args:
            upload: The file.
            name: What its owner calls it.
            purpose: What it is for.
            seconds: Its lifetime, at most that of the settings.

        Raises:
            ImageError: As in :meth:`add`.
            ApiError: As in :meth:`add`.
        """
        digest, name = upload.finish(), plain_name(name)
        if purpose not in TEXT_PURPOSES:
            self._vet(upload.path, name)
        now = int(time.time())
        life = min(seconds or self.limits.seconds, self.limits.seconds)
        file = StoredFile(
            id=f"file-{secrets.token_hex(16)}",
            owner=upload.owner,
            name=name,
            bytes=upload.size,
            created=now,
            expires=now + life,
            sha256=digest,
            purpose=purpose,
        )
        place = self.path(file)
        gone: tuple[StoredFile, ...] = ()
        with self._table.change():
            if purpose != "batch_output":
                gone = self._make_room(file)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            if not place.exists():
                os.replace(upload.path, place)
                _sync(place.parent)
            self._table.add(file)
        self._drop_bytes(gone)
        return file

    def _make_room(self, file: StoredFile) -> tuple[StoredFile, ...]:
        """Forget what came inside requests until a file fits, or refuse the file."""
        gone: tuple[StoredFile, ...] = ()
        passing = self._table.passing(file.owner)
        while True:
            size, count = self._table.used(file.owner)
            if not self._table.holds(file.owner, file.sha256):
                size += file.bytes
            fits = size <= self.limits.owner_bytes and count < self.limits.owner_files
            if fits:
                return gone
            if not passing:
                raise quota_error(self.limits.owner_bytes, self.limits.owner_files)
            gone = (*gone, passing.pop(0))
            self._table.remove(gone[-1].id)

    def _vet(self, path: Path, name: str) -> None:
        """Open an image, and draw it if that is no long work."""
        with path.open("rb") as file:
            driver_of(file.read(16), name)  # costs no child
        raster = self._raster(path, name, "auto")
        with raster:
            # Of larger images, pieces have been read to tell their sensor.
            if raster.width * raster.height <= LARGE:
                raster.preview(256)

    def _raster(self, path: Path, name: str, sensor: str) -> Raster:
        try:
            reader = self.sandbox.open(path, name, self.limits.image)
        except SandboxBusyError as error:
            raise ApiError(
                503, str(error), code="too_many_open_images", retry_after=5
            ) from error
        raster = Raster(reader, path, name, sensor)
        raster.path = name  # no path of this machine stands in an answer
        return raster

    def open(self, stored: StoredFile, sensor: str = "auto") -> Raster:
        """Open an image; its decoding runs in a child process.

        Args:
            stored: A file of :meth:`get`.
            sensor: As in :meth:`rsvlm.raster.Raster.open`.

        Raises:
            ImageError: If it cannot be decoded.
            ApiError: If it is no image or is gone, or too many are open.
        """
        if stored.purpose in TEXT_PURPOSES:
            raise ApiError(400, f"{stored.id} is no image.", code="not_an_image")
        path = self.path(stored)
        if not path.is_file():
            raise _no_file(stored.id)
        raster = self._raster(path, stored.name, sensor)
        raster.sha256 = stored.sha256
        return raster

    def path(self, stored: StoredFile) -> Path:
        """Return where the bytes of a file lie."""
        if stored.purpose == SAMPLE:
            return sample_path(stored)
        return self._folder(stored.owner) / stored.sha256

    def _folder(self, owner: str) -> Path:
        return self._kept / hashlib.sha256(owner.encode()).hexdigest()[:32]

    def get(self, owner: str, id: str) -> StoredFile:
        """Return a file of an owner, or a sample scene.

        Raises:
            ApiError: If there is none, or it is another's; nobody can tell which.
        """
        if id.startswith(PREFIX):
            stored = sample(id.removeprefix(PREFIX))
        else:
            stored = self._table.find(owner, id[:64], time.time())
        if stored is None:
            raise _no_file(id)
        return stored

    def list(self, owner: str) -> tuple[StoredFile, ...]:
        """Return the files that an owner uploaded, the newest first."""
        return tuple(self._table.of(owner, time.time()))

    def samples(self) -> tuple[StoredFile, ...]:
        """Return the sample scenes on this machine; everybody may see them."""
        return samples()

    def delete(self, owner: str, id: str) -> None:
        """Forget a file of an owner.

        Raises:
            ApiError: As in :meth:`get`; also for a sample scene.
        """
        stored = self._table.find(owner, id[:64], time.time())
        if stored is None:
            raise _no_file(id)
        self._table.remove(stored.id)
        self._drop_bytes([stored])

    def expire(self) -> None:
        """Forget the files whose time is over."""
        with self._table.change():  # none of them is prolonged meanwhile
            gone = self._table.expired(time.time())
            for file in gone:
                self._table.remove(file.id)
        self._drop_bytes(gone)

    def _drop_bytes(self, files: Iterable[StoredFile]) -> None:
        """Delete bytes that no file has any more."""
        for file in files:
            with self._table.change():
                if not self._table.holds(file.owner, file.sha256):
                    self.path(file).unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Delete what no file refers to: a server was killed before it was told of."""
        known = {self._folder(owner).name: owner for owner in self._table.owners()}
        for path in self._kept.glob("*/*"):
            with self._table.change():
                owner = known.get(path.parent.name)
                if owner is None or not self._table.holds(owner, path.name):
                    path.unlink(missing_ok=True)
        for path in self._arriving.iterdir():
            with suppress(OSError):
                if path.stat().st_mtime < time.time() - _STALE:
                    path.unlink()


def plain_name(name: str) -> str:
    """Return a file name without folders and control characters.

    >>> plain_name("../maps/port.tif")
    'port.tif'
    """
    last = re.split(r"[/\\]", name)[-1]
    return shown(last, 120).strip(". ") or "image"


def _no_file(id: str) -> ApiError:
    return ApiError(
        404,
        f"There is no file {shown(id, 64)!r}. GET /v1/files lists yours; they are "
        "deleted after a while.",
        code="file_not_found",
    )


def _sync(folder: Path) -> None:
    """Write the entries of a folder to the disk, where the system can."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
