"""Samples of built folders for training: JSONL files and tar shards, one or several.

A recipe names the files of a split relative to the data folder: one name or a list, each
of which may be a pattern such as ``shards/train-*.tar``. Wherever a sample comes from,
the path of its image is made relative to the data folder as well; an image in a shard
is named like a file in a folder, ``shards/train-000000.tar/000012.0.png``, and
:func:`image_bytes` reads both. Nothing is unpacked: a shard is indexed once, and an image
is read from its place in it.
"""

import tarfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from os.path import relpath
from pathlib import Path, PurePath
from typing import Annotated

from pydantic import BeforeValidator, Field

from rsvlm.errors import ImageError, ParseError, SettingsError
from rsvlm.samples import Sample, read_samples, read_shard

#: Files of a split in a recipe: a name, or a list of them.
Names = Annotated[
    tuple[str, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(min_length=1),
]


def find_files(data: Path, names: Mapping[str, Sequence[str]]) -> dict[str, list[Path]]:
    """Return the input files of a run, all of which exist.

    Args:
        data: Data folder.
        names: What files are for -> their names or patterns.

    Raises:
        SettingsError: If there is none of a name or a pattern.
    """
    found: dict[str, list[Path]] = {}
    for use, group in names.items():
        for name in group:
            path = data / name
            files = sorted(path.parent.glob(path.name))
            if not files:
                raise SettingsError(
                    f"{path} is missing. Build the data with rsvlm data build."
                )
            found.setdefault(use, []).extend(files)
    return found


def file_names(files: Mapping[str, Sequence[Path]]) -> dict[str, Path]:
    """Return a name of its own for every file, for ``run.json``.

    >>> sorted(file_names({"val": [Path("v.jsonl")], "train": [Path("a.tar"), Path("b.tar")]}))
    ['train/0', 'train/1', 'val']
    """
    return {
        use if len(group) == 1 else f"{use}/{number}": path
        for use, group in files.items()
        for number, path in enumerate(group)
    }


def read_split(data: Path, files: Sequence[Path]) -> list[Sample]:
    """Return the samples of files, with paths of images relative to the data folder.

    Raises:
        ParseError: If a line or a shard is damaged; names it.
    """
    found: list[Sample] = []
    #: Where an image lies that a record places beside its shard. The samples of an
    #: image may lie in several groups, each with a copy of it: the first one counts.
    members: dict[Path, Path] = {}
    for path in files:
        if path.suffix == ".tar":
            samples = _read_shard(path, members)
        else:
            samples = read_samples(path)
        found += (_placed(sample, data, path.parent, members) for sample in samples)
    return found


def _read_shard(path: Path, members: dict[Path, Path]) -> Iterator[Sample]:
    """Yield the samples of a shard; tell where it has their images."""
    for group in read_shard(path):
        for name, member in group.members.items():
            members.setdefault(path.parent / name, path / member)
        yield from group.samples


def _placed(
    sample: Sample, data: Path, folder: Path, members: Mapping[Path, Path]
) -> Sample:
    """Return a sample with the paths of its images relative to the data folder."""
    if folder == data and not members:
        return sample
    images = []
    for image in sample.images:
        path = folder / image.path
        place = relpath(members.get(path, path), data)
        images.append(image.model_copy(update={"path": PurePath(place).as_posix()}))
    return sample.model_copy(update={"images": tuple(images)})


def image_bytes(path: Path) -> bytes:
    """Return the file of an image: a member of a tar is named as if it lay in a folder.

    Raises:
        ImageError: If it cannot be read.
        ParseError: If the tar is damaged.
    """
    shard = next((p for p in path.parents if p.suffix == ".tar" and p.is_file()), None)
    try:
        if shard is None:
            return path.read_bytes()
        start, size = _places(shard)[path.relative_to(shard).as_posix()]
        with shard.open("rb") as file:
            file.seek(start)
            return file.read(size)
    except (OSError, KeyError) as error:
        reason = getattr(error, "strerror", None) or "no such member"
        raise ImageError(
            f"cannot read the picture {path}: {reason}. "
            "Build the data again with rsvlm data build."
        ) from error


@cache  # small beside the samples of the shard
def _places(shard: Path) -> dict[str, tuple[int, int]]:
    """Return member -> where it begins and how long it is, bytes."""
    try:
        with tarfile.open(shard, "r:") as tar:
            return {m.name: (m.offset_data, m.size) for m in tar if m.isfile()}
    except tarfile.TarError as error:
        raise ParseError(
            f"{shard.name} is no readable tar ({error}). Write the shard again."
        ) from None
