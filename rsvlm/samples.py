"""The record of training and evaluation: ``rsvlm.sample/1``.

One JSON object a line, or tar shards of the same records with their images. Coordinates
are raster pixels of the image; paths are relative to the folder that holds the file.
"""

import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm.errors import ParseError

Split = Literal["train", "val", "test"]
#: Splits in the order that they are written.
SPLITS: tuple[Split, ...] = ("train", "val", "test")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ImageRef(_Record):
    """An image of a sample."""

    path: str
    width: int = Field(gt=0, description="px")
    height: int = Field(gt=0, description="px")
    sensor: Literal["optical", "sar", "multispectral"] = "optical"
    gsd_m: float | None = Field(None, gt=0, description="m/px on the ground")
    sha256: str | None = None
    crs: str | None = Field(None, description="EPSG code or WKT, with transform")
    transform: tuple[float, float, float, float, float, float] | None = Field(
        None, description="a..f: x = a column + b row + c, y = d column + e row + f"
    )
    bounds_lonlat: tuple[float, float, float, float] | None = Field(
        None, description="west, south, east, north, degrees"
    )


class Turn(_Record):
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    text: str


class Target(_Record):
    """An object in the image, in raster pixels (half-open frame)."""

    label: str
    hbb: tuple[float, float, float, float]
    polygons: tuple[tuple[float, ...], ...] = Field(
        (), description="outer rings, each flat: x0, y0, x1, y1, ..."
    )


class MaskRle(_Record):
    """A mask over the whole image: COCO run-length code."""

    size: tuple[int, int] = Field(description="rows and columns of the image, px")
    counts: str = Field(description="compressed COCO counts")


class Sample(_Record):
    """One training or evaluation record.

    What is asked stands in ``conversation``, what is right in one of the last fields:

    ============ =====================================================================
    caption      ``answers``: reference captions
    vqa, count   ``answers``: accepted answers; with ``options``: accepted letters
    classify     ``answers``: the class; ``options``: the class list
    ground       ``targets``: the objects meant
    detect       ``targets``: every object
    segment      ``targets`` with polygons, or ``mask``; neither: no such object
    retrieve     ``relevant``: id of a record -> grade
    zoom         ``roi``: the window to look at first; without: the answer, or ``targets``
    ============ =====================================================================
    """

    schema_: Literal["rsvlm.sample/1"] = Field("rsvlm.sample/1", alias="schema")
    id: str
    images: tuple[ImageRef, ...] = Field(min_length=1)
    task: str
    conversation: tuple[Turn, ...] = ()
    targets: tuple[Target, ...] = ()
    answers: tuple[str, ...] = ()
    options: tuple[str, ...] = Field((), description="choices or classes, in order")
    mask: MaskRle | None = None
    relevant: dict[str, float] = Field(default_factory=dict)
    roi: tuple[float, float, float, float] | None = Field(
        None, description="where the answer can be seen: x0, y0, x1, y1, raster px"
    )
    type: str | None = Field(None, description="kind of question, as upstream calls it")
    source: str
    licence: str
    split: Split
    meta: dict[str, Any] = Field(default_factory=dict)
    sha256: str | None = Field(None, description="hash of all other fields")


@dataclass(frozen=True, slots=True)
class Group:
    """Samples of one image, as a shard holds them.

    Attributes:
        samples: The samples.
        files: Path of an image, as the samples name it -> the encoded file.
        members: The same paths -> the member of the shard that holds the file.
    """

    samples: tuple[Sample, ...]
    files: Mapping[str, bytes]
    members: Mapping[str, str]


def to_json(sample: Sample) -> str:
    """Return a sample as one line of a file, without its end."""
    return _written(_fields(sample))


def stamped(sample: Sample) -> str:
    """Return a sample as one line, with the hash of its content."""
    fields = _fields(sample)
    fields.pop("sha256", None)
    return _written(fields | {"sha256": _digest(fields)})


def content_hash(sample: Sample) -> str:
    """Return the SHA-256 of everything that a sample says, images by their hashes."""
    fields = _fields(sample)
    fields.pop("sha256", None)
    return _digest(fields)


def _fields(sample: Sample) -> dict[str, Any]:
    fields = sample.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return fields | {"schema": sample.schema_}


def _written(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _digest(fields: Mapping[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # Half a surrogate pair of a broken file cannot be written as UTF-8.
    return sha256(text.encode("utf-8", errors="replace")).hexdigest()


def parse_sample(text: str | bytes, where: str) -> Sample:
    """Return the sample of a line.

    Args:
        text: One JSON object.
        where: File and line, for errors.

    Raises:
        ParseError: If it is not a valid sample; names the field.
    """
    try:
        return Sample.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise ParseError(
            f"{where}: {field}: {first['msg']}. "
            "Correct the line or rebuild the file with rsvlm data build."
        ) from None


def read_samples(path: Path) -> Iterator[Sample]:
    """Yield the samples of a JSONL file, one line at a time.

    Args:
        path: UTF-8 JSONL file; blank lines are skipped.

    Yields:
        The samples, in file order.

    Raises:
        ParseError: If a line is not a valid sample; names file, line and field.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            yield parse_sample(line, f"{path.name}, line {number}")


def read_shard(path: Path) -> Iterator[Group]:
    """Yield the groups of a tar shard in the order of the file, never all at once.

    A group is ``<key>.<number>.<ending>`` for every image, then ``<key>.json``:
    ``{"images": {path: member}, "samples": [..]}``, the layout of WebDataset.

    Args:
        path: The tar.

    Yields:
        The groups.

    Raises:
        ParseError: If it is no tar, is cut, or a group is incomplete; names the member.
    """
    held: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r|*") as tar:
            for member in tar:
                file = tar.extractfile(member)
                data = file.read() if file else b""
                if not member.name.endswith(".json"):
                    held[member.name] = data
                    continue
                yield _group(data, held, f"{path.name}, {member.name}")
                held = {}
    except (OSError, EOFError, tarfile.TarError) as error:
        raise ParseError(
            f"{path.name} is no readable tar ({error}). Write the shard again."
        ) from None
    if held:
        raise ParseError(
            f"{path.name}, {min(held)}: no samples follow. Write the shard again."
        )


def _group(data: bytes, held: Mapping[str, bytes], where: str) -> Group:
    try:
        fields = json.loads(data)
        rows = list(fields["samples"])
        members = {str(path): str(name) for path, name in fields["images"].items()}
        files = {path: held[name] for path, name in members.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ParseError(
            f"{where}: {error!s:.100} is missing or of another form. "
            "Write the shard again."
        ) from None
    samples = tuple(
        parse_sample(json.dumps(row), f"{where}[{number}]")
        for number, row in enumerate(rows)
    )
    return Group(samples, files, members)
