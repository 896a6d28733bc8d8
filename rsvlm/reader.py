"""Reading windows of an opened image: the blocks under them, from the overview that fits.

:class:`Reader` hides how files store pixels: colour tables, alpha bands and masks,
nodata, scales and complex samples. :class:`~rsvlm.raster.Raster` draws what it reads.
"""

import threading
from collections.abc import Sequence
from itertools import islice
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rsvlm.decode import shown
from rsvlm.errors import ImageError, SettingsError
from rsvlm.geometry import HBB
from rsvlm.header import TAGS, TEXT, Header, Pixels
from rsvlm.opening import Limits, Opened, Source, open_image
from rsvlm.placement import place

#: Side of the overview that percentiles are taken from.
OVERVIEW = 512
#: Side of the native pieces that a sensor is detected from, on a grid of PIECES x PIECES.
PIECE, PIECES = 64, 4
#: Pixels above which an image without overviews is sampled rather than read whole.
LARGE = 64 * 2**20


class Reader:
    """Reads windows of an open image, in this process.

    Attributes:
        header: What the file says of the image.
        bands: Those of the header, as are the following.
        dtype: Type of the samples.
        is_complex: Whether amplitudes of complex samples are read.
        is_classes: Whether values are numbers of colours or classes, never averaged.
        factors: Reduction of each overview, 1 for full resolution first.
        ignores_nodata: Whether declared nodata is an ordinary value.
        alpha_is_data: Whether the file calls a band alpha that is none.
    """

    @classmethod
    def open(cls, source: Source, name: str, limits: Limits) -> Self:
        """Open an image; see :func:`rsvlm.opening.open_image`."""
        opened = open_image(source, name, limits)
        try:
            with opened.reading(name):
                return cls(opened, name, limits)
        except Exception:
            opened.close()
            raise

    def __init__(self, opened: Opened, name: str, limits: Limits) -> None:
        self._opened, self.name, self.limits = opened, name, limits
        self.dataset = dataset = opened.dataset
        self._lock = threading.Lock()  # a dataset serves one thread at a time
        colours = [colour.name for colour in dataset.colorinterp]
        self.dtype: str = dataset.dtypes[0]
        self.is_complex = self.dtype.startswith("complex")
        self.factors = [1, *dataset.overviews(1)]
        self._gain = [float(gain) for gain in dataset.scales]
        self._offset = [float(offset) for offset in dataset.offsets]
        self.is_scaled = any(g != 1 for g in self._gain) or any(self._offset)
        self._table = self._colour_table(colours[0])
        self.is_classes = self.has_table
        self._nodata: float | None = None
        self._alpha: int | None = None
        self._has_mask = False
        self.bands = list(range(1, dataset.count + 1))
        self.alpha_is_data = False
        if "alpha" in colours and dataset.count > 1:  # of two alphas, the first counts
            alpha = colours.index("alpha") + 1
            self.alpha_is_data = dataset.driver == "GTiff" and self._is_data(alpha)
            if not self.alpha_is_data:
                self._alpha = alpha
                self.bands.remove(alpha)
        flags = [flag.name for flag in dataset.mask_flag_enums[self.bands[0] - 1]]
        self._has_mask = "per_dataset" in flags and "alpha" not in flags
        kinds = [colours[i - 1] for i in self.bands]
        if self.has_table:
            self.bands, kinds = [1, 2, 3], ["red", "green", "blue"]
        # 255 is also what bright pixels of a colour picture hold; taking it for
        # nodata would cut holes into roofs and sand.
        self.ignores_nodata = (
            dataset.nodata == 255 and self.dtype == "uint8" and len(self.bands) >= 3
        )
        self._nodata = None if self.ignores_nodata else dataset.nodata
        self.header = self._header(kinds)

    def _header(self, colours: Sequence[str]) -> Header:
        dataset = self.dataset
        names = [name[:TEXT] if name else None for name in dataset.descriptions]
        tags = islice(dataset.tags().items(), TAGS)
        reference, warnings = place(dataset)
        return Header(
            width=dataset.width,
            height=dataset.height,
            count=dataset.count,
            dtype=self.dtype,
            nodata=dataset.nodata,
            names=tuple(names),
            bands=tuple(self.bands),
            descriptions=tuple(
                None if self.has_table else names[i - 1] for i in self.bands
            ),
            colours=tuple(colours),
            factors=tuple(self.factors),
            is_complex=self.is_complex,
            has_table=self.has_table,
            ignores_nodata=self.ignores_nodata,
            alpha_is_data=self.alpha_is_data,
            tags={key[:TEXT]: value[:TEXT] for key, value in tags},
            images=len(dataset.subdatasets),
            crs_wkt=reference.crs_wkt if reference else None,
            transform=reference.transform if reference else None,
            warnings=tuple(warnings),
        )

    @property
    def has_table(self) -> bool:
        """True for a picture stored as numbers of colours."""
        return self._table is not None

    def _colour_table(self, colour: str) -> NDArray[np.uint8] | None:
        if colour != "palette" or self.dtype not in ("uint8", "uint16"):
            return None
        table = np.zeros((np.iinfo(self.dtype).max + 1, 4), dtype=np.uint8)
        for index, value in self.dataset.colormap(1).items():
            table[index] = value
        return table

    def _is_data(self, alpha: int) -> bool:
        """Say whether a band marked as alpha is none.

        GDAL calls the fourth of four 8-bit bands alpha unless told otherwise, and many
        files hold near infrared there. Real alpha is nearly always 0 or full.
        """
        values, _ = self.pieces([alpha])
        full = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1
        return bool(np.isin(values, (0, full)).mean() < 0.5)

    @property
    def is_open(self) -> bool:
        """Whether it can read."""
        return not self.dataset.closed

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._opened.close()

    def read(
        self, window: HBB, width: int, height: int, indexes: Sequence[int]
    ) -> Pixels:
        """Read a window at a size; see :meth:`rsvlm.raster.Raster.read`."""
        if min(width, height) < 1 or not window.area > 0:
            raise SettingsError(
                f"A window of {window.width:g} x {window.height:g} pixels cannot be "
                f"drawn at {width} x {height}. Give it at least one pixel."
            )
        if width * height > self.limits.view_pixels:
            raise SettingsError(
                f"A view of {width} x {height} pixels is more than "
                f"{self.limits.view_pixels / 2**20:.0f} million. Ask for a smaller one."
            )
        if self.dataset.closed:
            raise SettingsError(f"{shown(self.name)} is closed. Open it again.")
        # Columns and rows of the result that lie inside the raster.
        sx, sy = window.width / width, window.height / height
        c0, c1 = _inside(window.x0, sx, width, self.dataset.width)
        r0, r1 = _inside(window.y0, sy, height, self.dataset.height)
        valid = np.zeros((height, width), dtype=bool)
        if c0 >= c1 or r0 >= r1:
            dtype = "float32" if self.is_scaled or self.is_complex else self.dtype
            return np.zeros((len(indexes), height, width), dtype=dtype), valid
        x0, x1 = max(0.0, window.x0 + c0 * sx), window.x0 + c1 * sx
        y0, y1 = max(0.0, window.y0 + r0 * sy), window.y0 + r1 * sy
        part = HBB(x0, y0, min(x1, self.dataset.width), min(y1, self.dataset.height))
        values, has_data = self._read_part(part, c1 - c0, r1 - r0, list(indexes))
        if (c1 - c0, r1 - r0) == (width, height):
            return values, has_data
        whole = np.zeros((len(indexes), height, width), dtype=values.dtype)
        whole[:, r0:r1, c0:c1] = values
        valid[r0:r1, c0:c1] = has_data
        return whole, valid

    def _read_part(
        self, part: HBB, width: int, height: int, indexes: list[int]
    ) -> Pixels:
        """Read a window that lies in the raster."""
        file_bands = [1] if self._table is not None else list(indexes)
        if self._nodata is not None:
            # A pixel is missing where all bands are nodata: in near infrared, clear
            # water is 0 as well.
            file_bands += [b for b in self.bands[:4] if b not in file_bands]
        shrink = min(part.width / width, part.height / height)
        level = max((f for f in self.factors if f <= 1.2 * shrink), default=1)
        samples = part.area / level**2 * len(file_bands)
        if samples > self.limits.read_samples:
            raise ImageError(
                f"A view of this part of {shown(self.name)} would decode "
                f"{samples / 1e9:.0f} billion samples. Give it overviews: "
                "gdaladdo -r average FILE."
            )
        with self._lock, self._opened.reading(self.name):
            from rasterio.enums import Resampling
            from rasterio.windows import Window

            resampling = Resampling.nearest
            if part.width > width or part.height > height:
                # GDAL does not use overviews for nearest, but does for mode.
                resampling = Resampling.mode if self.is_classes else Resampling.average
            elif (part.width, part.height) != (width, height) and not self.is_classes:
                resampling = Resampling.bilinear
            if self.is_complex:  # phases would cancel
                resampling = Resampling.nearest
            where = {
                "window": Window(part.x0, part.y0, part.width, part.height),
                "resampling": resampling,
            }
            shape = (len(file_bands), height, width)
            values = self.dataset.read(file_bands, out_shape=shape, **where)
            valid = np.ones((height, width), dtype=bool)
            if self._alpha is not None:
                alpha = self.dataset.read(
                    self._alpha, out_shape=(height, width), **where
                )
                full = np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1
                valid &= alpha > full / 2
            elif self._has_mask:
                mask = self.dataset.read_masks(
                    file_bands[0], out_shape=(height, width), **where
                )
                valid &= mask > 0
        if self._nodata is not None:
            valid &= ~_all_equal(values, self._nodata)
        return self._as_values(values, valid, indexes)

    def _as_values(
        self, values: NDArray[Any], valid: NDArray[np.bool_], indexes: list[int]
    ) -> Pixels:
        if self._table is not None:
            colours = self._table[values[0]]  # (H, W, 4)
            valid &= colours[..., 3] > 0
            return colours[..., [i - 1 for i in indexes]].transpose(2, 0, 1), valid
        values = values[: len(indexes)]
        if self.is_complex:
            values = np.abs(values.astype(np.complex64))
        if self.is_scaled:
            gain, offset = (
                np.array([numbers[i - 1] for i in indexes], np.float32)[:, None, None]
                for numbers in (self._gain, self._offset)
            )
            values = values.astype(np.float32) * gain + offset
        if np.issubdtype(values.dtype, np.floating):
            valid &= np.isfinite(values).all(axis=0)
        return values, valid

    def overview(self, indexes: Sequence[int]) -> Pixels:
        """Read the whole image at low resolution.

        Where that would decode too much, native pieces of it are read instead, unless
        they all lie where there is no data.
        """
        width, height = self.dataset.width, self.dataset.height
        scale = min(1.0, OVERVIEW / max(width, height))
        if width * height / max(self.factors) ** 2 > LARGE:
            values, valid = self.pieces(indexes)
            if valid.any():
                return values, valid
        size = max(1, round(width * scale)), max(1, round(height * scale))
        return self.read(HBB(0, 0, width, height), *size, indexes)

    def pieces(self, indexes: Sequence[int]) -> Pixels:
        """Read native pieces spread over the image, put beside each other."""
        width, height = self.dataset.width, self.dataset.height
        side = min(PIECE, width)
        rows = min(PIECE, height)
        # Where a block is as wide as the image, its rows are decoded only once.
        wide = width <= self.dataset.block_shapes[0][1] <= 200_000
        parts: list[list[Pixels]] = []
        for y in _starts(height):
            parts.append([])
            strip = HBB(0, y, width, y + rows)
            if wide:
                values, valid = self.read(strip, width, rows, indexes)
            for x in _starts(width):
                if wide:
                    piece = values[..., x : x + side], valid[:, x : x + side]
                else:
                    box = HBB(x, y, x + side, y + rows)
                    piece = self.read(box, side, rows, indexes)
                parts[-1].append(piece)
        return (
            np.block([[values for values, _ in row] for row in parts]),
            np.block([[valid for _, valid in row] for row in parts]),
        )


def _inside(start: float, step: float, count: int, size: int) -> tuple[int, int]:
    """Return the first and last + 1 of ``count`` steps whose middles lie in 0..size."""
    first = max(0, int(np.ceil(-start / step - 0.5)))
    last = min(count, int(np.floor((size - start) / step + 0.5)))
    return first, last


def _starts(size: int) -> list[int]:
    """Return where pieces start along one side: on multiples of PIECE, spread out."""
    slots = max(1, size // PIECE)
    chosen = min(PIECES, slots)
    return [(2 * i + 1) * slots // (2 * chosen) * PIECE for i in range(chosen)]


def _all_equal(values: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    """Say where every band holds nodata: shape (B, H, W) -> (H, W)."""
    if np.isnan(nodata):
        if not np.issubdtype(values.dtype, np.inexact):
            return np.zeros(values.shape[1:], dtype=bool)
        return np.asarray(np.isnan(values).all(axis=0))
    wanted: Any = nodata
    if np.issubdtype(values.dtype, np.floating):
        with np.errstate(over="ignore"):  # -1.8e308 is infinite as float32
            wanted = np.asarray(nodata).astype(values.dtype)
    return np.asarray((values == wanted).all(axis=0))
