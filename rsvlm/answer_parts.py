"""The parts of an answer: image, region, evidence, trace step, model.

See :mod:`rsvlm.answer`, which puts them together. Numbers are rounded here, so that
an answer reads the same however it was built.
"""

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape

if TYPE_CHECKING:
    from rsvlm.georeference import GeoReference


def _to(digits: int) -> AfterValidator:
    # Adding zero turns -0.0, which JSON would show, into 0.0.
    return AfterValidator(lambda value: round(value, digits) + 0.0)


def _whole(value: Any) -> Any:
    return round(value) if isinstance(value, float) and 0 <= value < 1e15 else value


def _is_none(value: object) -> bool:
    return value is None


Pixel = Annotated[FiniteFloat, _to(2)]
Degrees = Annotated[FiniteFloat, _to(7)]
Score = Annotated[FiniteFloat, _to(4)]
Share = Annotated[FiniteFloat, Field(ge=0, le=1), _to(4)]
Amount = Annotated[FiniteFloat, Field(ge=0), _to(1)]
Scale = Annotated[FiniteFloat, Field(gt=0), _to(4)]
Milliseconds = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
Box = tuple[Pixel, Pixel, Pixel, Pixel]
GeoRing = Annotated[tuple[tuple[Degrees, Degrees], ...], Field(min_length=4)]


class Part(BaseModel):
    """Base of all parts: immutable, without unknown fields."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        populate_by_name=True,
        json_schema_serialization_defaults_required=True,
    )


class _RasterLike(Protocol):
    """What an answer tells about a raster; :class:`rsvlm.raster.Raster` has it all."""

    @property
    def path(self) -> str | os.PathLike[str]: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def count(self) -> int: ...
    @property
    def dtype(self) -> str: ...
    @property
    def sensor(self) -> str: ...
    @property
    def crs(self) -> str | None: ...
    @property
    def gsd(self) -> float | None: ...
    @property
    def georeference(self) -> "GeoReference | None": ...


class AnswerImage(Part):
    """A raster that the question was about."""

    id: int = Field(ge=0, description="position in the question, from 0")
    path: str = Field(description="path or name as it was given")
    width: int = Field(gt=0, description="columns, px")
    height: int = Field(gt=0, description="rows, px")
    bands: int = Field(gt=0, description="number of bands")
    dtype: str = Field(description="type of the values, such as uint16")
    sensor: str = Field(description="optical, sar or multispectral")
    crs: str | None = Field(
        default=None, description="such as EPSG:32611; null where unknown"
    )
    gsd_m: Annotated[FiniteFloat, Field(gt=0)] | None = Field(
        default=None, description="true ground sample distance at the centre, m/px"
    )
    bounds_lonlat: tuple[Degrees, Degrees, Degrees, Degrees] | None = Field(
        default=None, description="west, south, east, north; degrees, WGS 84"
    )

    @classmethod
    def of(cls, id: int, raster: _RasterLike) -> Self:
        """Describe an opened raster."""
        place = raster.georeference
        bounds = place.bounds_lonlat(raster.width, raster.height) if place else None
        return cls.model_validate(
            {
                "id": id,
                # A file name need not be valid UTF-8; JSON has to be.
                "path": os.fsencode(raster.path).decode("utf-8", "replace"),
                "width": raster.width,
                "height": raster.height,
                "bands": raster.count,
                "dtype": str(raster.dtype),
                "sensor": raster.sensor,
                "crs": raster.crs,
                "gsd_m": None if raster.gsd is None else float(f"{raster.gsd:.6g}"),
                "bounds_lonlat": bounds,
            }
        )


class GeoPolygon(Part):
    """RFC 7946 polygon: WGS 84, outer ring counter-clockwise, rings closed."""

    type: Literal["Polygon"] = "Polygon"
    coordinates: tuple[GeoRing, ...] = Field(
        min_length=1, description="outer ring, then holes; longitude, latitude; degrees"
    )


class GeoMultiPolygon(Part):
    """RFC 7946 multipolygon: several parts, or one that crosses the antimeridian."""

    type: Literal["MultiPolygon"] = "MultiPolygon"
    coordinates: tuple[Annotated[tuple[GeoRing, ...], Field(min_length=1)], ...] = (
        Field(min_length=1, description="polygons; longitude, latitude; degrees")
    )


class Rle(Part):
    """COCO run-length code of a mask."""

    size: tuple[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(
        description="rows and columns (h, w) of the window, px"
    )
    counts: str = Field(description="compressed COCO counts")
    window: tuple[int, int, int, int] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="x0, y0, x1, y1 in whole raster pixels; absent: the whole image",
    )

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.window:
            x0, y0, x1, y1 = self.window
            if (y1 - y0, x1 - x0) != self.size:
                raise ValueError(f"size {self.size} does not fit window {self.window}")
        return self


class AnswerRegion(Part):
    """A place in an image, in raster pixels and on the Earth."""

    id: int = Field(ge=1, description="from 1")
    image: int = Field(ge=0, description="id of the image")
    label: str = Field(description="what it is, in words")
    kind: Literal["hbb", "obb", "polygon", "mask"] = Field(
        description="horizontal box, oriented box, polygon or pixel mask"
    )
    confidence: Share = Field(description="0 to 1")
    pixels: tuple[tuple[Pixel, Pixel], ...] = Field(
        min_length=3,
        description="corners x, y; for a mask the outer ring of its largest part; "
        "raster px, origin at the outer corner of the top-left pixel",
    )
    hbb: Box = Field(description="x0, y0, x1, y1 around it; raster px, half-open")
    area_px: Amount = Field(description="area in square raster pixels")
    area_m2: Amount | None = Field(
        default=None,
        description="area on the ellipsoid, square metres; null without a CRS",
    )
    geometry: GeoPolygon | GeoMultiPolygon | None = Field(
        default=None, description="RFC 7946 geometry; null without a CRS"
    )
    rle: Rle | None = Field(
        default=None,
        exclude_if=_is_none,
        description="pixels of a mask; only for masks",
    )

    @classmethod
    def of(cls, id: int, region: Region, georeference: "GeoReference | None") -> Self:
        """Describe a region.

        Args:
            id: Number of the region in the answer, from 1.
            region: The region, in raster pixels.
            georeference: Of the raster of the region; None leaves the place on the
                Earth and the area in square metres unknown.

        Raises:
            ValueError: If the shape is a mask without any set pixel.
        """
        shape, rle = region.shape, None
        box = shape.hbb
        if isinstance(shape, Mask):
            if not shape.area:
                raise ValueError(f"a mask without a set pixel is no region: {region}")
            edge = shape.window
            window = (int(edge.x0), int(edge.y0), int(edge.x1), int(edge.y1))
            rle = Rle(size=shape.size, counts=shape.counts, window=window)
        place = georeference
        return cls.model_validate(
            {
                "id": id,
                "image": region.image,
                "label": region.label,
                "kind": shape.kind,
                "confidence": region.confidence,
                "pixels": shape.corners,
                "hbb": (box.x0, box.y0, box.x1, box.y1),
                "area_px": shape.area,
                "area_m2": place.area_m2(shape) if place else None,
                "geometry": place.geometry(shape) if place else None,
                "rle": rle,
            }
        )

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        x0, y0, x1, y1 = self.hbb
        if x0 > x1 or y0 > y1:
            raise ValueError(f"the corners of hbb are swapped: {self.hbb}")
        if (self.kind == "mask") != (self.rle is not None):
            raise ValueError(f"rle stands on masks and only there, kind is {self.kind}")
        if self.kind in ("hbb", "obb") and len(self.pixels) != 4:
            raise ValueError(f"a box has 4 corners, not {len(self.pixels)}")
        return self

    def shape(self, width: int, height: int) -> Shape:
        """Return the shape again, in raster pixels.

        The holes of a polygon stand in ``geometry`` alone and do not come back.

        Args:
            width: Columns of the image, for a mask without window.
            height: Rows of the image, likewise.
        """
        if self.rle:
            window = HBB(*(self.rle.window or (0, 0, width, height)))
            return Mask(self.rle.counts, self.rle.size, window)
        if self.kind == "hbb":
            return HBB(*self.hbb)
        if self.kind == "obb":
            a, b, c, d = self.pixels
            return OBB((a, b, c, d))
        return Polygon(self.pixels)


class Evidence(Part):
    """A passage that the answer may cite as ``[id]``."""

    id: int = Field(ge=1, description="number used in the text, from 1")
    text: str = Field(description="the passage")
    source: str = Field(description="where it comes from")
    licence: str = Field(description="licence of the passage")
    url: str | None = Field(default=None, description="address of the source")
    score: Score | None = Field(
        default=None, description="relevance given by the search, higher is better"
    )
    distance_km: Amount | None = Field(
        default=None, description="distance of its place from the image, km"
    )


class TraceStep(Part):
    """One step on the way to the answer."""

    step: str = Field(min_length=1, description="look, recall, zoom, ask, refine, ...")
    image: int | None = Field(
        default=None, ge=0, description="id of the image, if it has one"
    )
    window: Box | None = Field(
        default=None, description="x0, y0, x1, y1 looked at; raster px"
    )
    size: tuple[int, int] | None = Field(
        default=None, description="columns and rows of the rendered picture, px"
    )
    rendering: str | None = Field(default=None, description="such as true-colour")
    sensor: str | None = Field(
        default=None, description="sensor of the picture, such as sar"
    )
    score: Score | None = Field(
        default=None, description="value the step was chosen or judged by"
    )
    ms: Milliseconds | None = Field(default=None, description="time taken, ms")
    level: int | None = Field(
        default=None,
        ge=0,
        exclude_if=_is_none,
        description="level of the tile pyramid, 0 the finest; only where one was used",
    )
    scale: Scale | None = Field(
        default=None,
        exclude_if=_is_none,
        description="raster px per px of the picture; only on steps of a zoom",
    )
    bounds_lonlat: tuple[Degrees, Degrees, Degrees, Degrees] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="west, south, east, north of the window; degrees, WGS 84; only on "
        "steps of a zoom into an image with a CRS",
    )
    note: str | None = Field(
        default=None, exclude_if=_is_none, description="why this step, in words"
    )
    scores: tuple[tuple[Score, ...], ...] | None = Field(
        default=None,
        exclude_if=_is_none,
        description="how well the tiles of the window fit the question, row by row; "
        "only on steps that scored tiles",
    )


class ModelInfo(Part):
    """Which model spoke."""

    name: str
    revision: str | None = Field(
        default=None, description="revision or hash of the weights"
    )
    engine: str = Field(description="local, remote or stub")
