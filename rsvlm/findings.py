"""What a region finder gives back, and the words for asking it."""

from dataclasses import dataclass
from typing import Literal

from rsvlm.geometry import Region

#: Kind of shape that regions are wanted in.
ShapeKind = Literal["hbb", "obb", "polygon", "mask"]
#: Why objects are searched: to draw and count them, to say whether there is one, or
#: to mention what there is unasked.
Purpose = Literal["locate", "presence", "anything"]


@dataclass(frozen=True, slots=True)
class Findings:
    """Regions that are sure enough, and how sure the best candidate is.

    Attributes:
        regions: In raster pixels, best first.
        best: Confidence of the best candidate, taken or not; 0 without any.
    """

    regions: tuple[Region, ...]
    best: float
