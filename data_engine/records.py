"""What every source yields: one labelled image, before any wording.

A source reads a public format and nothing else; :mod:`rsvlm.data_engine.compose`
turns its records into questions and answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from rsvlm.errors import SettingsError
from rsvlm.formats import tars
from rsvlm.samples import SPLITS, MaskRle, Split, Target

__all__ = [
    "SPLITS",
    "Question",
    "Record",
    "Sensor",
    "Split",
    "hold_out",
    "missing",
    "read_tar",
]

Sensor = Literal["optical", "sar", "multispectral"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about an image with what is right, as the source words them.

    Attributes:
        text: The question; ``[..]`` boxes in it are those of :mod:`rsvlm.codec`.
        answers: Accepted answers, the first as the assistant says it.
        kind: Kind of question, as upstream calls it.
        task: Task of the sample.
        targets: Objects meant, where the answer is a place.
        mask: Ground meant, where the answer is a mask; with neither, there is none.
        options: Choices, in order, where the question lists them.
    """

    text: str
    answers: tuple[str, ...] = ()
    kind: str | None = None
    task: str = "vqa"
    targets: tuple[Target, ...] = ()
    mask: MaskRle | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """One labelled image.

    Attributes:
        image: The encoded file, byte for byte as the source holds it.
        name: File name without folders, unique within the source.
        width: Width in pixels.
        height: Height in pixels.
        source: Name of the source.
        licence: Terms of image and labels, as stated by the source.
        label: Scene class in upstream or canonical spelling, None without one.
        targets: Labelled objects, in raster pixels.
        scenes: The closed list that ``label`` was chosen from.
        objects: The closed list of labelled objects: one that is in the list and
            not among the targets is absent.
        aircraft: The closed list that ``label`` was chosen from where it is a type of
            aircraft.
        sensor: What took the image.
        gsd_m: m/px on the ground, None where unknown.
        crs: Coordinate reference system where the image lies on a map.
        transform: Affine of pixels to ``crs``, rasterio order.
        bounds_lonlat: West, south, east and north, degrees, where it is known.
        cover: Land-cover class -> share of the classified ground, empty where nothing
            is known about it.
        places: What else is there, such as "harbour".
        masks: Land-cover class -> where it is; ground in none of them is not classified.
        captions: Sentences that describe the image, as the source words them.
        questions: Questions and their answers, as the source words them.
        partner: The image of the same ground by another sensor; it is a record of the
            source too.
        is_piece: Whether it is cut from another image of the source, which then stands
            for it as a pair.
        chain: Whether it is asked about as the first picture of a zoom-in chain.
        meta: What the samples say about their labels.
        digest: SHA-256 of the file where ``image`` is not held.
    """

    image: bytes
    name: str
    width: int
    height: int
    source: str
    licence: str
    label: str | None = None
    targets: tuple[Target, ...] = ()
    scenes: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    aircraft: tuple[str, ...] = ()
    sensor: Sensor = "optical"
    gsd_m: float | None = None
    crs: str | None = None
    transform: tuple[float, float, float, float, float, float] | None = None
    bounds_lonlat: tuple[float, float, float, float] | None = None
    cover: Mapping[str, float] = field(default_factory=dict)
    places: tuple[str, ...] = ()
    masks: Mapping[str, MaskRle] = field(default_factory=dict)
    captions: tuple[str, ...] = ()
    questions: "tuple[Question, ...]" = ()
    partner: "Record | None" = None
    is_piece: bool = False
    chain: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""


def hold_out(groups: Sequence[Sequence[str]], count: int, salt: str) -> frozenset[str]:
    """Choose the names that leave training for validation.

    The choice follows from the names alone, so that it is the same for every seed and
    on every machine, and hardly moves when names are added.

    Args:
        groups: Names that must stay together, such as images of one place.
        count: How many names to choose; one less where only a group too large is left.
        salt: Keeps the choices of two sources independent.

    Returns:
        The chosen names.
    """
    chosen: list[str] = []
    for group in sorted(
        groups, key=lambda g: sha256(f"{salt}/{g[0]}".encode()).digest()
    ):
        if len(chosen) + len(group) <= count:
            chosen.extend(group)
    return frozenset(chosen)


def read_tar(path: Path, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the named members of an uncompressed tar, in the order of the names.

    Raises:
        SettingsError: If there is no such file.
        ParseError: If it is no tar or lacks a member.
    """
    if not path.is_file():
        raise missing(path)
    yield from tars.read_tar(path, names)


def missing(path: Path) -> SettingsError:
    """Return the error for an input that is not there."""
    return SettingsError(
        f"There is no {path.name!r} in {str(path.parent)!r}. Name the folder that holds "
        "the datasets with --data or the variable RSVLM_DATA, or build the recipe "
        "'smoke', which needs no data."
    )
