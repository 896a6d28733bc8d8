"""What an image file says of itself, as plain data, and the seam behind a raster.

A :class:`~rsvlm.raster.Raster` reads by way of a :class:`PixelReader`:
:class:`~rsvlm.reader.Reader` decodes in this process, and
:class:`~rsvlm.sandbox.SandboxedReader` in a child process that is not trusted. So a
:class:`Header` is checked like any other record that crosses a boundary.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from rsvlm.geometry import HBB

#: Values, shape (B, H, W), and where they hold data, shape (H, W).
Pixels = tuple[NDArray[Any], NDArray[np.bool_]]

#: Most characters of a text in a file that are looked at, such as a tag.
TEXT = 1_000
#: Most tags of a file that are looked at.
TAGS = 200

_Text = Annotated[str, Field(max_length=TEXT)]
_Side = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Header(BaseModel):
    """What a file says of its image.

    .. versionadded:: 0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    width: _Side = Field(description="px")
    height: _Side = Field(description="px")
    count: int = Field(ge=1, le=2**16, description="bands, alpha included")
    dtype: str = Field(pattern=r"^[a-z]+(_int)?\d{0,3}$", description="of the samples")
    nodata: float | None = Field(description="declared value of missing pixels")
    names: tuple[_Text | None, ...] = Field(
        description="what the file calls each of the count bands"
    )
    bands: tuple[int, ...] = Field(
        min_length=1,
        description="1-based indexes of the bands that hold data, alpha excluded; 1 to "
        "3 are red, green and blue of a colour table",
    )
    descriptions: tuple[_Text | None, ...] = Field(
        description="what the file calls each of these bands"
    )
    colours: tuple[_Text, ...] = Field(
        description="colour interpretation of each of these bands"
    )
    factors: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        description="reduction of each overview, 1 for full resolution first"
    )
    is_complex: bool = Field(description="amplitudes of complex samples are read")
    has_table: bool = Field(description="the picture is stored as numbers of colours")
    ignores_nodata: bool = Field(description="declared nodata is an ordinary value")
    alpha_is_data: bool = Field(description="a band is called alpha that is none")
    tags: Mapping[_Text, _Text] = Field(max_length=TAGS)
    images: int = Field(ge=0, description="subdatasets of the file")
    crs_wkt: Annotated[str, Field(max_length=2**16)] | None
    transform: (
        tuple[
            FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat
        ]
        | None
    ) = Field(description="a..f, as in GeoReference; None with no crs_wkt")
    warnings: tuple[_Text, ...] = Field(description="what is odd about its place")


class PixelReader(Protocol):
    """What a raster needs of an open image.

    Attributes:
        header: What the file says.
        is_classes: Whether values are numbers of colours or classes, never averaged;
            the raster sets it once it knows.
    """

    header: Header
    is_classes: bool

    def read(
        self, window: HBB, width: int, height: int, indexes: Sequence[int]
    ) -> Pixels:
        """Read a window at a size; see :meth:`rsvlm.raster.Raster.read`."""
        ...

    def overview(self, indexes: Sequence[int]) -> Pixels:
        """Read the whole image at low resolution."""
        ...

    def pieces(self, indexes: Sequence[int]) -> Pixels:
        """Read native pieces spread over the image, put beside each other."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether it can read; its decoder may have died."""
        ...

    def close(self) -> None:
        """Close the file; a closed reader reads no more."""
        ...
