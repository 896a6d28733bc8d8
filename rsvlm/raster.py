"""An opened image of any size, read by windows.

A :class:`Raster` knows what its file says and what it does not say: a CRS, a ground
size or a sensor is never invented, and what had to be guessed stands in its warnings.
Only the blocks under a window are decoded, from the overview that fits, so that memory
stays flat whatever the size of the image.
"""

import hashlib
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from rsvlm.decode import shown
from rsvlm.errors import ImageError
from rsvlm.geometry import HBB, Window
from rsvlm.georeference import GeoReference
from rsvlm.header import Header, PixelReader
from rsvlm.opening import Limits, Source, find_source
from rsvlm.ranges import RangedFile, Web, is_address
from rsvlm.reader import LARGE, Reader
from rsvlm.render import Ends, View, bands_of, choose, limits_of, render, renderings_of
from rsvlm.sensors import Profile, SensorGuess, detect


class Raster:
    """An opened image; use it in a ``with`` statement, or close it.

    Attributes:
        path: Path as it was given, or the name given to bytes.
        name: File name.
        source: The path or the bytes of the file, or the file on another host.
        width: Pixels in a row.
        height: Rows.
        count: Bands in the file, alpha included.
        dtype: Type of the samples, such as ``"uint16"``.
        nodata: Declared value of missing pixels, or None.
        descriptions: What the file calls each band.
        data_bands: 1-based indexes of the bands that hold data, alpha excluded.
        factors: Reduction of each overview, 1 for full resolution first.
        georeference: Place on the Earth; None where the file does not say.
        guess: Sensor, bands, domain of values, and how they were found.
        warnings: What a user should know, one sentence each.

    .. versionadded:: 0.1
    """

    def __init__(
        self, reader: PixelReader, source: Source, name: str, sensor: str = "auto"
    ) -> None:
        """Draw by way of a reader, which is closed with the raster.

        Args:
            reader: Where pixels come from.
            source: The path or the bytes of the file that it reads, or that file.
            name: File name.
            sensor: As in :meth:`open`.
        """
        self.path = str(source) if isinstance(source, Path) else name
        self.name = name
        self.source, self._reader = source, reader
        self._lock = threading.Lock()
        self._ends: dict[str, Ends | None] = {}
        self._empty: dict[tuple[int, ...], bool] = {}
        header = reader.header
        self.width, self.height, self.count = header.width, header.height, header.count
        self.dtype, self.nodata = header.dtype, header.nodata
        self.descriptions = header.names
        self.data_bands, self.factors = header.bands, header.factors
        self.georeference: GeoReference | None = None
        if header.crs_wkt and header.transform:
            self.georeference = GeoReference.create(header.crs_wkt, header.transform)
        self.warnings = [*header.warnings, *_oddities(header)]
        try:
            self.guess = self._detect(sensor)
        except Exception:
            reader.close()
            raise
        if not self.guess.sure:
            self.warnings.append(f"{self.guess.reason} Set --sensor if that is wrong.")

    def _detect(self, sensor: str) -> SensorGuess:
        reader, header = self._reader, self._reader.header
        values, valid = reader.pieces(header.bands)
        with np.errstate(over="ignore"):  # what float32 cannot hold is infinite
            samples = np.where(valid, values, np.nan).astype(np.float32)
        profile = Profile(
            header.dtype,
            header.descriptions,
            header.colours,
            header.tags,
            self.name,
            samples,
        )
        guess = detect(profile, sensor)
        reader.is_classes |= guess.domain == "classes"
        if header.has_table and guess.sensor == "optical":
            guess = replace(guess, domain="colours")
        bands = {name: header.bands[i - 1] for name, i in guess.bands.items()}
        return replace(guess, bands=bands)

    @classmethod
    def open(
        cls,
        path: str | Path,
        sensor: str = "auto",
        limits: Limits | None = None,
        web: Web | None = None,
    ) -> Self:
        """Open an image file.

        Args:
            path: A GeoTIFF, PNG, JPEG, WebP or JPEG 2000 file, or its address (http,
                https) on another host; of a GeoTIFF there only parts are read.
            sensor: ``"auto"``, ``"optical"``, ``"multispectral"`` or ``"sar"``.
            limits: What the image may ask for; None for the defaults.
            web: Hosts that may be read from; None for none.

        Raises:
            ImageError: If the file cannot be opened, or is refused.
            UnknownNameError: If there is no such sensor.
        """
        source, name = find_source(path, web)
        reader = Reader.open(source, name, limits or Limits())
        raster = cls(reader, source, name, sensor)
        raster.path = str(path)
        if isinstance(path, str) and is_address(path):
            raster.path = re.split("[?#]", path)[0]  # the rest may hold a secret
        return raster

    @classmethod
    def from_bytes(
        cls, data: bytes, name: str, sensor: str = "auto", limits: Limits | None = None
    ) -> Self:
        """Open the bytes of an image file; see :meth:`open`."""
        data = bytes(data)
        return cls(Reader.open(data, name, limits or Limits()), data, name, sensor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Raster({self.name!r}, {self.width} x {self.height}, {self.sensor})"

    @property
    def is_open(self) -> bool:
        """Whether it gives views: it was not closed, and its decoder has not died."""
        return self._reader.is_open

    def close(self) -> None:
        """Close the file; a closed raster gives no more views."""
        self._reader.close()

    @property
    def sensor(self) -> str:
        """``"optical"``, ``"multispectral"`` or ``"sar"``."""
        return self.guess.sensor

    @property
    def sensor_reason(self) -> str:
        """Why it was taken for that, in one sentence with the values seen."""
        return self.guess.reason

    @property
    def bands(self) -> dict[str, int]:
        """Common name of each known band -> its 1-based index."""
        return dict(self.guess.bands)

    @property
    def crs(self) -> str | None:
        """Authority and code of the CRS such as ``"EPSG:3395"``, or its name."""
        return self.georeference.crs_name if self.georeference else None

    @cached_property
    def gsd(self) -> float | None:
        """True size of the central pixel on the ground, in metres, where known."""
        if self.georeference is None:
            return None
        return self.georeference.gsd_m(self.width, self.height)

    @cached_property
    def sha256(self) -> str:
        """Hash of the file; of one on another host, of its address and version."""
        if isinstance(self.source, bytes):
            return hashlib.sha256(self.source).hexdigest()
        if isinstance(self.source, RangedFile):
            text = f"{self.path} {self.source.key}"
            return hashlib.sha256(text.encode()).hexdigest()
        with self.source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def renderings(self) -> tuple[str, ...]:
        """Return the names of the pictures it can be drawn as, the preferred first."""
        return renderings_of(self.guess)

    def preview(
        self, max_side: int = 1024, rendering: str | None = None, image: int = 0
    ) -> View:
        """Draw the whole image, its longer side at most ``max_side`` pixels.

        See :meth:`view`. The aspect is kept; a small image keeps its size.
        """
        scale = min(1.0, max_side / max(self.width, self.height))
        width, height = (
            max(1, round(side * scale)) for side in (self.width, self.height)
        )
        return self.view(
            HBB(0, 0, self.width, self.height), width, height, rendering, image
        )

    def view(
        self,
        window: HBB,
        width: int,
        height: int,
        rendering: str | None = None,
        image: int = 0,
    ) -> View:
        """Draw a part of the image.

        Args:
            window: The part, in raster pixels. What of it lies outside the raster is
                black and not valid.
            width: Pixels in a row of the picture.
            height: Rows of the picture.
            rendering: A name of :meth:`renderings`; None for the preferred one.
            image: Index of this raster among those of a question.

        Raises:
            UnknownNameError: If there is no such rendering.
            SettingsError: If the raster lacks a band for it, or the size is impossible.
            ImageError: If the part cannot be decoded, or the image holds no data.
        """
        name = choose(rendering, self.guess)
        indexes = [self.guess.bands[band] for band in bands_of(name, self.guess)]
        values, valid = self._reader.read(window, width, height, indexes)
        if not valid.any() and self._is_empty(indexes):
            raise ImageError(
                f"{shown(self.name)} holds no valid pixel: all are nodata or NaN. Check "
                "the nodata value of the file with gdalinfo, or give another image."
            )
        with self._lock:
            if name not in self._ends:
                self._ends[name] = limits_of(
                    name, lambda: self._reader.overview(indexes), self.guess
                )
        return render(
            name,
            values,
            valid,
            guess=self.guess,
            limits=self._ends[name],
            window=Window(window, width, height),
            image=image,
        )

    def _is_empty(self, indexes: list[int]) -> bool:
        """Say whether no pixel of the image holds data in these bands."""
        key = tuple(indexes)
        if key not in self._empty:
            self._empty[key] = not self._reader.overview(indexes)[1].any()
        return self._empty[key]

    def read(
        self,
        window: HBB,
        width: int,
        height: int,
        bands: Sequence[int | str] | None = None,
    ) -> "np.ma.MaskedArray[Any, Any]":
        """Read values of a part of the image.

        Shrinking averages, enlarging interpolates. A pixel is missing where its bands
        all hold nodata, not where one of them does.

        Args:
            window: The part, in raster pixels; masked where it leaves the raster.
            width: Columns of the result.
            height: Rows of the result.
            bands: Common names or 1-based indexes; None for all bands but alpha.

        Returns:
            Values in the type of the file, or float32 where the file declares a scale
            or samples are complex (amplitude); shape (B, height, width).
        """
        indexes = [
            self.guess.bands[b] if isinstance(b, str) else b for b in bands or ()
        ]
        values, valid = self._reader.read(
            window, width, height, indexes or self._reader.header.bands
        )
        mask = np.broadcast_to(~valid, values.shape)
        return np.ma.MaskedArray(values, mask=mask)


def _oddities(header: Header) -> Iterator[str]:
    """Yield what a user should know of the file beside its place."""
    orientation = header.tags.get("EXIF_Orientation", "1")
    if orientation.isdigit() and orientation != "1":
        yield (
            f"The camera marked the picture as turned (EXIF orientation "
            f"{shown(orientation, 9)}); it is shown and measured as stored, not turned."
        )
    if header.ignores_nodata:
        yield (
            "The file declares 255 as nodata, which bright pixels hold as well; no "
            "pixel is left out."
        )
    if header.alpha_is_data:
        yield (
            "The file calls a band alpha (transparency) that holds other values; it is "
            "read as data."
        )
    if header.is_complex:
        yield "Samples are complex; their amplitude is shown."
    if header.images > 1:
        yield f"The file holds {header.images} images; only the first is read."
    if header.width * header.height > LARGE and header.factors == (1,):
        yield (
            f"The image has {header.width} x {header.height} pixels and no overviews, "
            "so that wide views are slow; add them with gdaladdo -r average FILE."
        )
