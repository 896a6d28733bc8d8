"""What a region finder gives back, and the words for asking it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB, Region
from rsvlm.render import View

#: Kind of shape that regions are wanted in.
ShapeKind = Literal["hbb", "obb", "polygon", "mask"]
#: Why objects are searched: to draw and count them, to say whether there is one, to
#: mention what there is unasked, or to show the one that a question takes for granted.
Purpose = Literal["locate", "presence", "anything", "named"]


@dataclass(frozen=True, slots=True)
class Findings:
    """Regions that are sure enough, and how sure the best candidate is.

    Attributes:
        regions: In raster pixels, best first.
        best: Confidence of the best candidate, taken or not; 0 without any.
        missed: Expected number of objects among the candidates that were not taken.
        chosen: Whether the regions are some of several that were found.
    """

    regions: tuple[Region, ...]
    best: float
    missed: float = 0.0
    chosen: bool = False


class Finder(Protocol):
    """Finds described objects in a view; :mod:`rsvlm.models.finder` has one."""

    @property
    def labels(self) -> Sequence[str]:
        """What it was trained to find."""
        ...

    @property
    def side(self) -> int:
        """Longest side of a view that it makes use of, in px."""
        ...

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        """Return regions in raster pixels, best first."""
        ...


class Scan(Protocol):
    """What was found before in windows that cover a raster, at its full resolution."""

    @property
    def windows(self) -> tuple[HBB, ...]:
        """The windows, raster pixels."""
        ...

    def find(
        self, labels: Sequence[str], purpose: Purpose, image: int
    ) -> Sequence[Findings]:
        """Return what each window holds: boxes in raster pixels."""
        ...


@runtime_checkable
class Refiner(Protocol):
    """Draws the outline of what lies in a box, whatever it is called."""

    @property
    def side(self) -> int:
        """Longest side of a view that it makes use of, in px."""
        ...

    @property
    def magnifies(self) -> bool:
        """Whether it wants a box to fill the view, not at the usual resolution."""
        ...

    def refine(self, view: View, region: Region, shape: ShapeKind = "mask") -> Region:
        """Return the region with its new shape, in raster pixels."""
        ...


@runtime_checkable
class Granting(Finder, Protocol):
    """Knows how often it does not find the one thing that a question takes for granted."""

    @property
    def granted(self) -> float:
        """Odds that such a thing is none of the candidates."""
        ...


@runtime_checkable
class Reader(Protocol):
    """Turns sentences into vectors by their meaning."""

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, shape (len(texts), D)."""
        ...
