"""The record of training and evaluation: ``rsvlm.sample/1``.

One JSON object a line. Coordinates are raster pixels of the image; paths are
relative to the folder that holds the file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm.errors import ParseError


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
    split: Literal["train", "val", "test"]
    meta: dict[str, Any] = Field(default_factory=dict)


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
            try:
                yield Sample.model_validate_json(line)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in first["loc"]) or "the line"
                raise ParseError(
                    f"{path.name}, line {number}: {where}: {first['msg']}. "
                    "Correct the line or rebuild the file with rsvlm data build."
                ) from None
