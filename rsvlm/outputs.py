"""Files that an answer becomes: PNG, GeoJSON, and a GeoTIFF on the raster's grid.

Each file appears whole or not at all: it is written beside its place and moved there.
"""

import json
import os
import uuid
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import ParseError, SettingsError
from rsvlm.geometry import Mask, Region, Shape

if TYPE_CHECKING:
    from rsvlm.georeference import GeoReference

#: Colours that stand out from imagery and from each other.
PALETTE = (
    (255, 214, 10),
    (0, 229, 255),
    (255, 92, 92),
    (130, 255, 110),
    (255, 128, 242),
    (255, 160, 40),
    (122, 162, 255),
    (255, 255, 255),
    (190, 140, 255),
    (0, 200, 150),
)

#: Side of the tiles of a GeoTIFF, and width of the columns written at a time, pixels.
_TILE = 512


class Placed(Protocol):
    """What can become GeoJSON; :class:`rsvlm.answer.Answer` can."""

    def to_geojson(self) -> dict[str, Any]:
        """Return a FeatureCollection."""
        ...


class Located(Protocol):
    """What holds regions; :class:`rsvlm.answer.Answer` does."""

    def to_regions(self) -> list[Region]:
        """Return the regions, in raster pixels."""
        ...


class Grid(Protocol):
    """Size and place of a raster; :class:`rsvlm.raster.Raster` has both."""

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        ...

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        ...

    @property
    def georeference(self) -> "GeoReference | None":
        """CRS and affine transform; None where the place is not known."""
        ...


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path to write to; what was written there becomes ``path`` at the end.

    Args:
        path: The file to make or to replace. It is left as it was on an error.

    Yields:
        A path in the same folder.

    Raises:
        SettingsError: If the file cannot be written there.
    """
    target = Path(path)
    part = target.parent / f".{uuid.uuid4().hex}.part"
    try:
        if target.is_dir():
            raise IsADirectoryError("it is a folder")
        if not target.parent.is_dir():
            raise FileNotFoundError(f"there is no folder {str(target.parent)!r}")
        yield part
        with part.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(part, target)
    except OSError as error:
        reason = " ".join((error.strerror or str(error)).split())
        raise SettingsError(
            f"Cannot write {str(target)!r}: {reason}. Make the folder, free it for "
            "writing, or choose another path."
        ) from error
    finally:
        with suppress(OSError):
            part.unlink()


def write_png(path: str | os.PathLike[str], pixels: NDArray[np.uint8]) -> None:
    """Write a picture, without any metadata.

    Args:
        path: File to make or to replace.
        pixels: Colours, shape (H, W, 3), uint8.

    Raises:
        SettingsError: If the file cannot be written.
    """
    from PIL import Image

    with replacing(path) as part:
        Image.fromarray(pixels).save(part, format="PNG")


def write_geojson(path: str | os.PathLike[str], answer: Placed) -> None:
    """Write the regions of an answer as RFC 7946 GeoJSON.

    Raises:
        SettingsError: If no image of the answer has a place on the Earth, or if the
            file cannot be written.
    """
    text = json.dumps(answer.to_geojson(), allow_nan=False, ensure_ascii=False)
    with replacing(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def write_mask(
    path: str | os.PathLike[str],
    regions: Located | Sequence[Region],
    grid: Grid,
    *,
    values: Literal["class", "region"] = "class",
    image: int = 0,
) -> None:
    """Write regions as a GeoTIFF with the size, CRS and transform of their raster.

    Background is 0, which is also the nodata value. Class numbers stand for the labels
    in order of first appearance and are named in the band tags ``CLASS_1`` and so on.
    Where regions overlap, the surest one shows. A pixel belongs to a shape that covers
    its centre.

    Args:
        path: File to make or to replace.
        regions: An answer, or its regions in raster pixels.
        grid: The raster they lie in.
        values: Whether pixels hold the number of the class or of the region, both
            from 1.
        image: Which image's regions to write; those of others only count.

    Raises:
        SettingsError: If the file cannot be written.
    """
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.transform import Affine
    from rasterio.windows import Window as Block

    every = regions if isinstance(regions, Sequence) else regions.to_regions()
    names = {
        label: n for n, label in enumerate(dict.fromkeys(r.label for r in every), 1)
    }
    numbers = [
        names[r.label] if values == "class" else n for n, r in enumerate(every, 1)
    ]
    # The surest is burned last, over the others.
    order = sorted(
        (n for n, region in enumerate(every) if region.image == image),
        key=lambda n: every[n].confidence,
    )
    burners = [(_Burner(every[n].shape), numbers[n]) for n in order]
    top = max(numbers, default=0)
    dtype = np.min_scalar_type(top)
    place = grid.georeference
    where: dict[str, Any] = {}
    if place:
        where = {"crs": place.crs_wkt, "transform": Affine(*place.transform)}
    with replacing(path) as part, warnings.catch_warnings():
        # A raster without a place gives a mask without one: nothing to warn of.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            part,
            "w",
            driver="GTiff",
            width=grid.width,
            height=grid.height,
            count=1,
            dtype=dtype.name,
            nodata=0,
            tiled=True,
            blockxsize=_TILE,
            blockysize=_TILE,
            compress="deflate",
            bigtiff="if_safer",
            **where,
        ) as file:
            file.set_band_description(1, values)
            if values == "class":
                tags = {f"CLASS_{n}": label or "region" for label, n in names.items()}
                file.update_tags(1, **tags)
            if 0 < top <= 255:
                colours = {
                    n: PALETTE[(n - 1) % len(PALETTE)] for n in range(1, top + 1)
                }
                file.write_colormap(1, {0: (0, 0, 0), **colours})
            for x0 in range(0, grid.width, _TILE):
                x1 = min(x0 + _TILE, grid.width)
                strip = np.zeros((grid.height, x1 - x0), dtype)
                for burner, number in burners:
                    burner.burn(strip, x0, number)
                file.write(strip, 1, window=Block(x0, 0, x1 - x0, grid.height))


class _Burner:
    """A shape that can be burned into columns of a raster."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.box = shape.hbb
        self.runs = RunLengths(shape) if isinstance(shape, Mask) else None

    def burn(self, strip: NDArray[Any], left: int, number: int) -> None:
        """Set the covered pixels of columns that start at ``left``, shape (H, W)."""
        height, width = strip.shape
        x0 = max(int(np.floor(self.box.x0)), left)
        x1 = min(int(np.ceil(self.box.x1)), left + width)
        y0 = max(int(np.floor(self.box.y0)), 0)
        y1 = min(int(np.ceil(self.box.y1)), height)
        if x0 >= x1 or y0 >= y1:
            return
        if self.runs:
            covered = self.runs.block(x0, y0, x1, y1)
        else:
            covered = self._rasterized(x0, y0, x1, y1)
        strip[y0:y1, x0 - left : x1 - left][covered] = number

    def _rasterized(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
        from rasterio.features import rasterize
        from rasterio.transform import Affine

        burned = rasterize(
            [self.shape.to_shapely()],
            out_shape=(y1 - y0, x1 - x0),
            transform=Affine.translation(x0, y0),
            dtype="uint8",
        )
        return np.asarray(burned, dtype=bool)


class RunLengths:
    """The runs of a mask, to decode a part of it without decoding it all.

    Source:
        The compressed form is that of rleToString in the COCO API.
    """

    def __init__(self, mask: Mask) -> None:
        """Read the runs.

        Raises:
            ParseError: If they do not fill the window of the mask.
        """
        self.mask = mask
        code = np.frombuffer(mask.counts.encode(), np.uint8).astype(np.int64) - 48
        # A number is a group of 5-bit digits, low ones first; bit 6 says "more".
        ends = np.flatnonzero((code & 32) == 0)
        starts = np.concatenate([[0], ends[:-1] + 1])
        shifts = 5 * (np.arange(code.size) - np.repeat(starts, ends - starts + 1))
        numbers = np.add.reduceat((code & 31) << shifts, starts)
        numbers -= np.where(code[ends] & 16, 32 << shifts[ends], 0)
        # From the fourth on, a number is the change against the one two before it.
        numbers[1::2] = np.cumsum(numbers[1::2])
        numbers[2::2] = np.cumsum(numbers[2::2])
        #: End of each run, counted down the columns; odd runs are set.
        self.ends = np.cumsum(numbers)
        if self.ends[-1] != mask.size[0] * mask.size[1]:
            raise ParseError(
                f"The runs of a mask cover {self.ends[-1]} pixels, its window "
                f"{mask.window} has others. Make the mask again."
            )

    def block(self, x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
        """Return a rectangle of the raster, shape (y1 - y0, x1 - x0)."""
        out = np.zeros((y1 - y0, x1 - x0), dtype=bool)
        window, rows = self.mask.window, self.mask.size[0]
        wx, wy = int(window.x0), int(window.y0)
        left, right = max(x0, wx), min(x1, int(window.x1))
        upper, lower = max(y0, wy), min(y1, int(window.y1))
        if left < right and upper < lower:
            start, stop = (left - wx) * rows, (right - wx) * rows
            first = np.searchsorted(self.ends, start, side="right")
            last = np.searchsorted(self.ends, stop, side="left")
            ends = np.clip(self.ends[first : last + 1], start, stop)
            lengths = np.diff(ends, prepend=start)
            is_set = np.arange(first, last + 1) % 2 == 1
            columns = np.repeat(is_set, lengths).reshape(-1, rows)  # (W, rows)
            out[upper - y0 : lower - y0, left - x0 : right - x0] = columns[
                :, upper - wy : lower - wy
            ].T
        return out

    def at(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.bool_]:
        """Return the pixels where raster rows and columns cross, shape (H, W)."""
        window, height = self.mask.window, self.mask.size[0]
        y, x = rows - int(window.y0), (columns - int(window.x0))[:, None]
        inside = ((y >= 0) & (y < height)) & ((x >= 0) & (x < window.width))
        # Down the columns like the runs: sorted values are found several times faster.
        runs = np.searchsorted(self.ends, x * height + y, side="right")  # (W, H)
        return np.asarray((runs % 2 == 1) & inside).T
