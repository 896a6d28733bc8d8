"""Tar shards of a built folder: samples with their images, to be streamed.

The layout is that of WebDataset, and :func:`rsvlm.samples.read_shard` reads it back. All
samples of an image that follow each other are one group, so that an image is stored
about once however many questions it has.
"""

import io
import json
import os
import tarfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from rsvlm.errors import SettingsError
from rsvlm.samples import Sample, to_json

#: A shard is closed once it holds so many bytes.
SHARD_BYTES = 256 << 20


def write_shards(
    samples: Iterable[Sample],
    folder: Path,
    out: Path,
    name: str,
    shard_bytes: int = SHARD_BYTES,
) -> list[Path]:
    """Write samples and their images; equal samples give equal bytes.

    Args:
        samples: The samples, those of an image one after the other.
        folder: Folder that the paths of images start from.
        out: Folder to write ``<name>-000000.tar`` and so on to.
        name: First part of the names, such as a split.
        shard_bytes: Size that closes a shard, bytes.

    Returns:
        The shards, in order.

    Raises:
        SettingsError: If an image is missing, or ``out`` is a file.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SettingsError(
            f"{str(out)!r} is a file. Name a folder to write to with --out."
        ) from None
    for old in out.glob(f"{name}-??????.tar"):
        old.unlink()  # a shorter run must not leave shards of a longer one behind
    written: list[Path] = []
    groups = _groups(samples, folder)
    first = next(groups, None)
    while first is not None:
        path = out / f"{name}-{len(written):06d}.tar"
        draft = path.with_name(f".{path.name}.part")
        with tarfile.open(draft, "w", format=tarfile.USTAR_FORMAT) as tar:
            number = 0
            while first is not None and tar.offset < shard_bytes:
                for member, data in _members(number, *first):
                    _add(tar, member, data)
                number += 1
                first = next(groups, None)
        os.replace(draft, path)
        written.append(path)
    return written


def _groups(
    samples: Iterable[Sample], folder: Path
) -> Iterator[tuple[list[Sample], dict[str, bytes]]]:
    for _, group in groupby(samples, key=lambda sample: sample.images[0].path):
        members = list(group)
        paths = dict.fromkeys(i.path for sample in members for i in sample.images)
        yield members, {path: _read(folder / path) for path in paths}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The image {path.name!r} in {str(path.parent)!r} cannot be read "
            f"({error.strerror}). Build the data again, or name the folder of the images."
        ) from None


def _members(
    number: int, samples: list[Sample], files: dict[str, bytes]
) -> Iterator[tuple[str, bytes]]:
    names = {
        path: f"{number:06d}.{i}{Path(path).suffix.lower() or '.bin'}"
        for i, path in enumerate(files)
    }
    for path, data in files.items():
        yield names[path], data
    rows = [json.loads(to_json(sample)) for sample in samples]
    value = {"images": names, "samples": rows}
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    yield f"{number:06d}.json", text.encode("utf-8", errors="replace")


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # no owner, no time: equal bytes on every machine
    member.size = len(data)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(data))
