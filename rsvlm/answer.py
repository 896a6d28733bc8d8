"""The answer object that leaves rsvlm: ``rsvlm.answer/1``.

One JSON value for the command line, the server, the chat page and files. Its JSON
Schema is ``docs/schema/answer.json``, made by :func:`schema`. Whoever reads an answer
needs no other part of rsvlm: every place is given in raster pixels and, where the
raster has a CRS, in longitude and latitude.
"""

import html
import re
from collections.abc import Collection, Iterable
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from rsvlm.answer_parts import (
    AnswerImage,
    AnswerRegion,
    Evidence,
    GeoMultiPolygon,
    GeoPolygon,
    Milliseconds,
    ModelInfo,
    Part,
    Rle,
    Share,
    TraceStep,
)
from rsvlm.errors import SettingsError
from rsvlm.geometry import Region

__all__ = [
    "Answer",
    "AnswerImage",
    "AnswerRegion",
    "Evidence",
    "GeoMultiPolygon",
    "GeoPolygon",
    "ModelInfo",
    "Rle",
    "TraceStep",
    "keep_citations",
    "schema",
]

_CITATION = re.compile(r"[ \t]?\[(\d{1,9})\]")


class Answer(Part):
    """Answer of rsvlm to one question about one or more images.

    Attributes are those of the JSON object; ``schema_`` is called ``schema`` there.

    .. versionadded:: 0.1
    """

    schema_: Literal["rsvlm.answer/1"] = Field(default="rsvlm.answer/1", alias="schema")
    task: str = Field(min_length=1, description="caption, vqa, count, ground, ...")
    question: str
    text: str = Field(description="the answer in words; [1] refers to evidence 1")
    abstained: bool = Field(
        default=False, description="true: no answer is given, the text says why"
    )
    confidence: Share = Field(description="0 to 1")
    images: tuple[AnswerImage, ...] = ()
    regions: tuple[AnswerRegion, ...] = ()
    count: int | None = Field(
        default=None, ge=0, description="number of objects, where that was asked"
    )
    evidence: tuple[Evidence, ...] = ()
    trace: tuple[TraceStep, ...] = ()
    model: ModelInfo
    warnings: tuple[str, ...] = ()
    timing_ms: dict[str, Milliseconds] = Field(
        default_factory=dict, description="time by part, and total; ms"
    )

    @model_validator(mode="after")
    def _rules_hold(self) -> Self:
        if self.abstained and (self.regions or not self.text.strip()):
            raise ValueError("an abstention has a reason in its text and no regions")
        for name in ("images", "regions", "evidence"):
            _require_unique(name, [part.id for part in getattr(self, name)])
        known = {image.id: image for image in self.images}
        used = {region.image for region in self.regions}
        used |= {step.image for step in self.trace if step.image is not None}
        if not used <= set(known):
            raise ValueError(f"images {used - set(known)} are not in {set(known)}")
        for region in self.regions:
            image = known[region.image]
            rle, whole = region.rle, (image.height, image.width)
            if rle and rle.window is None and rle.size != whole:
                raise ValueError(f"a mask of size {rle.size} needs a window")
        passages = {passage.id for passage in self.evidence}
        cited = {int(number) for number in _CITATION.findall(self.text)}
        if passages and not cited <= passages:
            raise ValueError(
                f"the text cites {sorted(cited - passages)}, the evidence has "
                f"{sorted(passages)}"
            )
        return self

    def __str__(self) -> str:
        return self.text

    def to_json(self) -> str:
        """Return the answer as one line of JSON, without NaN or Infinity."""
        return self.model_dump_json(by_alias=True)

    def to_regions(self, image: int | None = None) -> list[Region]:
        """Return the regions in raster pixels, of one image or of all."""
        sizes = {item.id: (item.width, item.height) for item in self.images}
        return [
            Region(
                part.shape(*sizes[part.image]), part.label, part.confidence, part.image
            )
            for part in self.regions
            if image is None or part.image == image
        ]

    def to_geojson(self) -> dict[str, Any]:
        """Return the regions on the Earth as an RFC 7946 FeatureCollection.

        Raises:
            SettingsError: If no image has a place on the Earth.
        """
        placed = any(image.bounds_lonlat for image in self.images)
        if not placed and not any(region.geometry for region in self.regions):
            names = " ".join(" ".join(image.path for image in self.images).split())
            raise SettingsError(
                f"The raster {names!r} has no CRS that places it on the Earth. Take pixel "
                "coordinates from --json, or give it a CRS and corner coordinates first "
                "(gdal_translate -a_srs, -a_ullr)."
            )
        paths = {image.id: image.path for image in self.images}
        features = [
            {
                "type": "Feature",
                "id": region.id,
                "geometry": region.geometry.model_dump(mode="json"),
                "properties": {
                    "label": region.label,
                    "confidence": region.confidence,
                    "area_m2": region.area_m2,
                    "area_px": region.area_px,
                    "kind": region.kind,
                    "image": paths[region.image],
                    "pixel_hbb": list(region.hbb),
                    "question": self.question,
                },
            }
            for region in self.regions
            if region.geometry
        ]
        return {"type": "FeatureCollection", "features": features}

    @property
    def __geo_interface__(self) -> dict[str, Any]:
        """The FeatureCollection, for geopandas, leafmap and others."""
        return self.to_geojson()

    def _repr_html_(self) -> str:
        """Return the answer for a notebook; every text in it is escaped."""
        columns = ("id", "label", "kind", "confidence", "area_px", "area_m2")
        rows = [[getattr(part, name) for name in columns] for part in self.regions[:20]]
        more = len(self.regions) - len(rows)
        blocks = [
            f"<p><i>{html.escape(self.question)}</i></p>",
            f"<p><b>{html.escape(self.text)}</b> (confidence {self.confidence:.2f})</p>",
            _table(columns, rows) if rows else "",
            f"<p>and {more} more regions</p>" if more else "",
            *(
                f"<p>[{item.id}] {html.escape(f'{item.text} ({item.source})')}</p>"
                for item in self.evidence
            ),
            *(f"<p>Warning: {html.escape(text)}</p>" for text in self.warnings),
        ]
        return f"<div>{''.join(blocks)}</div>"


def keep_citations(text: str, ids: Collection[int]) -> str:
    """Remove every ``[k]`` whose evidence does not exist.

    >>> keep_citations("Built in 1970 [1], closed in 1999 [7].", {1, 2})
    'Built in 1970 [1], closed in 1999.'
    """
    return _CITATION.sub(lambda m: m[0] if int(m[1]) in ids else "", text)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an answer, as in ``docs/schema/answer.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:rsvlm:answer:1",
        **Answer.model_json_schema(by_alias=True, mode="serialization"),
        "description": "Answer of rsvlm to one question about one or more images.",
    }


def _require_unique(name: str, ids: list[int]) -> None:
    if len(set(ids)) < len(ids):
        raise ValueError(f"{name} share an id: {ids}")


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    def line(cells: Iterable[object], tag: str) -> str:
        texts = ("" if cell is None else html.escape(str(cell)) for cell in cells)
        return "<tr>" + "".join(f"<{tag}>{text}</{tag}>" for text in texts) + "</tr>"

    body = "".join(line(row, "td") for row in rows)
    return f"<table>{line(head, 'th')}{body}</table>"
