"""A place in an image that a question is about, and the raster of that place.

"How many cars are here?" is asked of a :class:`RasterPart`: the ground around the place
at full resolution, which every step of the assistant reads as it reads a raster. What
is found there is kept if it lies at the place, and moved back by
:meth:`RasterPart.to_whole`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from rsvlm.answer_parts import TraceStep
from rsvlm.errors import SettingsError
from rsvlm.findings import Findings
from rsvlm.geometry import HBB, Region
from rsvlm.georeference import GeoReference
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.zooming_windows import widened

#: Share of a place that is shown around it, on each side.
CONTEXT = 0.5
#: Least side of what is shown, raster px.
LEAST_SHOWN = 96
#: Side of the box that a click stands for where the ground size is unknown, px.
CLICK = 32
#: The same on the ground, m, and its bounds in px.
CLICK_M, CLICK_BOUNDS = 20.0, (8, 256)


@dataclass(frozen=True, slots=True)
class Focus:
    """A place that a question is about.

    Attributes:
        image: Index of the raster.
        box: The place, in raster pixels.
        region: What an earlier answer found there.

    .. versionadded:: 0.1
    """

    image: int
    box: HBB
    region: Region | None = None

    @classmethod
    def of(cls, region: Region) -> Self:
        """Return the place of a region that was found before."""
        return cls(region.image, region.shape.hbb, region)


def around(raster: Raster, x: float, y: float, image: int = 0) -> Focus:
    """Return the place that a click means: a small box about a point.

    Args:
        raster: The raster that was clicked.
        x: Column of the point, raster px.
        y: Row of the point, raster px.
        image: Index of the raster in the question.

    Raises:
        SettingsError: If the point lies outside the raster.
    """
    if not (0 <= x < raster.width and 0 <= y < raster.height):
        raise SettingsError(
            f"The point {x:g}, {y:g} lies outside {raster.name!r}, which has "
            f"{raster.width} x {raster.height} px. Give a point inside."
        )
    side = float(CLICK)
    if raster.gsd is not None:
        side = float(np.clip(CLICK_M / raster.gsd, *CLICK_BOUNDS))
    whole = HBB(0, 0, raster.width, raster.height)
    return Focus(image, widened(HBB(x, y, x, y), whole, 0.0, side))


def inside(focus: Focus, rasters: Sequence[Raster]) -> Focus:
    """Return a focus clipped to its raster.

    Raises:
        SettingsError: If there is no such image, or the place lies outside it.
    """
    if not 0 <= focus.image < len(rasters):
        raise SettingsError(
            f"There is no image {focus.image + 1} among {len(rasters)}, whose place is "
            "asked about. Number images from 1, in the order in which they are given."
        )
    raster, box = rasters[focus.image], focus.box
    clipped = box.clip(raster.width, raster.height)
    if clipped is None:
        raise SettingsError(
            f"The place {box.x0:g}, {box.y0:g}, {box.x1:g}, {box.y1:g} lies outside "
            f"{raster.name!r}, which has {raster.width} x {raster.height} px. Give left, "
            "top, right and bottom inside it."
        )
    return replace(focus, box=clipped)


class RasterPart(Raster):
    """Places in a raster with the ground around them, in pixels of their own.

    Attributes:
        whole: The raster.
        box: The part of it, whole raster pixels.
        places: What is asked about, in pixels of the part.
    """

    def __init__(
        self, whole: Raster, places: Sequence[HBB], least: float | None = 0.0
    ) -> None:
        """Cut a part out of a raster; nothing is read.

        Args:
            whole: The raster, open.
            places: Boxes in it, raster pixels, at least one.
            least: Least side of the part, px; the raster may be smaller. None cuts out
                the box around the places and nothing more, as a share of it needs.
        """
        hull = _hull(places)
        frame = HBB(0, 0, whole.width, whole.height)
        shown = widened(hull, frame, CONTEXT, max(LEAST_SHOWN, _long(hull)))
        box = (
            hull
            if least is None
            else widened(shown, frame, 0.0, max(least, _long(shown)))
        )
        x0, y0 = np.floor([box.x0, box.y0])
        x1, y1 = np.ceil([box.x1, box.y1])
        # All that a raster knows of itself holds for a part, but for size and place.
        kept = {k: v for k, v in vars(whole).items() if k not in ("gsd", "sha256")}
        self.__dict__.update(kept)
        self.whole, self.box = whole, HBB(float(x0), float(y0), float(x1), float(y1))
        self.width, self.height = int(x1 - x0), int(y1 - y0)
        self.places = tuple(place.scale(1, 1, -x0, -y0) for place in places)
        self._shown = shown.scale(1, 1, -x0, -y0)
        if whole.georeference is not None:
            a, b, c, d, e, f = whole.georeference.transform
            moved = (a, b, a * x0 + b * y0 + c, d, e, d * x0 + e * y0 + f)
            self.georeference = GeoReference(whole.georeference.crs_wkt, moved)

    @cached_property
    def sha256(self) -> str:
        """Hash of the file and the box."""
        return hashlib.sha256(f"{self.whole.sha256} {self.box}".encode()).hexdigest()

    @property
    def hull(self) -> HBB:
        """The box around all places, in pixels of the part."""
        return _hull(self.places)

    def close(self) -> None:
        """Leave the raster open: it is not this part's."""

    def preview(
        self, max_side: int = 1024, rendering: str | None = None, image: int = 0
    ) -> View:
        """Draw the places with what is near them; see :meth:`Raster.preview`."""
        box = self._shown
        scale = min(1.0, max_side / _long(box))
        width, height = (
            max(1, round(side * scale)) for side in (box.width, box.height)
        )
        return self.view(box, width, height, rendering, image)

    def view(
        self,
        window: HBB,
        width: int,
        height: int,
        rendering: str | None = None,
        image: int = 0,
    ) -> View:
        """Draw a window of the part; what lies beyond the part is drawn as well.

        See :meth:`Raster.view`. Light and dark are those of the whole raster.
        """
        moved = window.scale(1, 1, self.box.x0, self.box.y0)
        drawn = self.whole.view(moved, width, height, rendering, image)
        return replace(drawn, window=replace(drawn.window, box=window))

    def read(
        self,
        window: HBB,
        width: int,
        height: int,
        bands: Sequence[int | str] | None = None,
    ) -> "np.ma.MaskedArray[Any, Any]":
        """Read values of a window of the part; see :meth:`Raster.read`."""
        moved = window.scale(1, 1, self.box.x0, self.box.y0)
        return self.whole.read(moved, width, height, bands)

    def holds(self, region: Region) -> bool:
        """Whether a region of the part lies at one of the places.

        Its centre does, or it covers the centre of the place.
        """
        box = region.shape.hbb
        return any(
            _within(box.center, place) or _within(place.center, box)
            for place in self.places
        )

    def to_whole(self, region: Region, image: int) -> Region:
        """Return a region of the part in pixels of the raster, image ``image``."""
        moved = region.shape.scale(1, 1, self.box.x0, self.box.y0)
        return replace(region, shape=moved, image=image)

    def step_of_whole(self, step: TraceStep, image: int) -> TraceStep:
        """Return a step of the trace with its window in pixels of the raster."""
        window = step.window
        if window is not None:
            x0, y0 = self.box.x0, self.box.y0
            window = (window[0] + x0, window[1] + y0, window[2] + x0, window[3] + y0)
        return step.model_copy(update={"window": window, "image": image})


def kept(found: Findings, rasters: Sequence[Raster]) -> Findings:
    """Return what of findings lies at the places of their rasters.

    The confidence of the best candidate is that of the place: where only others were
    sure enough, those at the place are less sure than every one of them.
    """
    regions: list[Region] = []
    away: list[Region] = []
    for region in found.regions:
        raster = rasters[region.image]
        here = not isinstance(raster, RasterPart) or raster.holds(region)
        (regions if here else away).append(region)
    if not away:
        return found
    sure = max((region.confidence for region in regions), default=None)
    if sure is None:
        sure = min(found.best, *(region.confidence for region in away))
    return Findings(tuple(regions), sure, found.missed)


def _within(point: tuple[float, float], box: HBB) -> bool:
    return box.x0 <= point[0] <= box.x1 and box.y0 <= point[1] <= box.y1


def _hull(boxes: Sequence[HBB]) -> HBB:
    return HBB(
        min(box.x0 for box in boxes),
        min(box.y0 for box in boxes),
        max(box.x1 for box in boxes),
        max(box.y1 for box in boxes),
    )


def _long(box: HBB) -> float:
    return max(box.width, box.height)
