"""How a picture of the viewer is drawn: which bands, how stretched.

A :class:`Style` comes from the query of an address, such as
``?bands=4,3,2&stretch=2-98&gamma=1.2`` or ``?rendering=ndvi``; :func:`draw` turns values
of a raster into pixels by it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, Window
from rsvlm.raster import Raster
from rsvlm.render import RENDERINGS, Ends, bands_of, choose, limits_of, render

#: Values, shape (B, H, W), and where they hold data, shape (H, W).
Pixels = tuple[NDArray[Any], NDArray[np.bool_]]

_NUMBER = r"(-?\d{1,12}(?:\.\d{1,6})?)"
#: What bands are stretched between, unless one says otherwise: percentiles.
STRETCH = "2-98"
_STEPS = 1024  # of a gamma curve


@dataclass(frozen=True, slots=True)
class Style:
    """One way to draw a raster.

    Attributes:
        rendering: A name of :meth:`~rsvlm.raster.Raster.renderings`; empty where bands
            are given, else the preferred one.
        bands: One band (gray) or three (red, green, blue), 1-based.
        stretch: What is drawn black and white: ``"2-98"`` (percentiles of the raster),
            ``"minmax"`` or ``"=LOW:HIGH"`` (values). Of bands only: a rendering has
            its own.
        gamma: Above 1 brightens the middle.
    """

    rendering: str = ""
    bands: tuple[int, ...] = ()
    stretch: str = STRETCH
    gamma: float = 1.0

    @classmethod
    def parse(cls, rendering: str, bands: str, stretch: str, gamma: float) -> Self:
        """Read a style from the parts of an address.

        Raises:
            SettingsError: If one of them cannot be used.
        """
        if bands and not re.fullmatch(r"\d{1,4}(,\d{1,4},\d{1,4})?", bands):
            raise SettingsError(
                f"The bands {bands[:40]!r} are not one number or three, such as 4,3,2."
            )
        if not 0.1 <= gamma <= 10:  # not a number either
            raise SettingsError(f"A gamma of {gamma:g} is not between 0.1 and 10.")
        style = cls(
            "" if bands else rendering,
            tuple(int(band) for band in bands.split(",") if band),
            stretch or STRETCH,
            round(gamma, 2),
        )
        style._ends(np.zeros((1, 1)))  # complains about the stretch
        return style

    def indexes(self, raster: Raster) -> list[int]:
        """Return which bands of the raster are read.

        Raises:
            SettingsError: If the raster has no such band.
            UnknownNameError: If there is no such rendering.
        """
        if not self.bands:
            name = choose(self.rendering or None, raster.guess)
            return [raster.guess.bands[band] for band in bands_of(name, raster.guess)]
        for band in self.bands:
            if band not in raster.data_bands:
                raise SettingsError(
                    f"There is no band {band}: the image has "
                    f"{', '.join(map(str, raster.data_bands))}."
                )
        return list(self.bands)

    def ends(self, raster: Raster, overview: Callable[[], Pixels]) -> Ends | None:
        """Return what is drawn darkest and brightest everywhere in the raster.

        Args:
            raster: The image.
            overview: Gives :meth:`indexes` over the whole raster at low resolution.
        """
        if not self.bands:
            name = choose(self.rendering or None, raster.guess)
            return limits_of(name, overview, raster.guess)
        values, valid = overview()
        seen = values[:, valid].astype(np.float64)  # (B, pixels)
        return self._ends(seen[:, np.isfinite(seen).all(axis=0)])

    def _ends(self, seen: NDArray[np.float64]) -> Ends:
        if match := re.fullmatch(f"={_NUMBER}:{_NUMBER}", self.stretch):
            low, high = (np.full(len(seen), float(text)) for text in match.groups())
        else:
            text = "0-100" if self.stretch == "minmax" else self.stretch
            match = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)-(\d{1,3}(?:\.\d+)?)", text)
            percent = [float(part) for part in match.groups()] if match else [1.0, 0.0]
            if not 0 <= percent[0] < percent[1] <= 100:
                raise SettingsError(
                    f"The stretch {self.stretch[:40]!r} is not understood. Write "
                    "percentiles as 2-98, minmax, or values as =0:3000."
                )
            if not seen.shape[1]:
                seen = np.array([[0.0, 1.0]] * len(seen))
            low, high = np.percentile(seen, percent, axis=1)
        return low, np.where(high > low, high, low + 1)


def draw(
    style: Style, pixels: Pixels, raster: Raster, ends: Ends | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw values of a raster.

    Args:
        style: How.
        pixels: Values of the bands of :meth:`Style.indexes`, and where they are data.
        raster: Where they are from.
        ends: What :meth:`Style.ends` gave for the raster.

    Returns:
        Colours, shape (H, W, 3), and where there is data, shape (H, W).
    """
    values, valid = pixels
    if style.bands:
        assert ends is not None
        return _bands(values, valid, ends, style.gamma)
    name = choose(style.rendering or None, raster.guess)
    height, width = valid.shape
    window = Window(HBB(0, 0, width, height), width, height)  # says nothing here
    view = render(name, values, valid, guess=raster.guess, limits=ends, window=window)
    colours = view.pixels
    if style.gamma != 1:
        colours = _curve(style.gamma, 256)[colours]
    return colours, valid if view.valid is None else view.valid


def _bands(
    values: NDArray[Any], valid: NDArray[np.bool_], ends: Ends, gamma: float
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Stretch bands, shape (1 or 3, H, W)."""
    low, high = (np.asarray(e, np.float32)[:, None, None] for e in ends)
    with np.errstate(all="ignore"):  # what is not finite is not drawn
        share = (values.astype(np.float32) - low) / (high - low)
        finite = np.isfinite(share).all(axis=0)
        share = np.clip(np.where(finite, share, 0), 0, 1)
    steps = (share * (_STEPS - 1)).astype(np.int16)
    levels = _curve(gamma, _STEPS)[steps]
    colours = np.stack([levels[k % len(levels)] for k in range(3)], axis=-1)
    return colours, valid & finite


def _curve(gamma: float, steps: int) -> NDArray[np.uint8]:
    """Return the level of each of so many equal steps from dark to bright."""
    share = np.linspace(0, 1, steps) ** (1 / gamma)
    return np.rint(share * 255).astype(np.uint8)


def combinations(raster: Raster) -> list[dict[str, object]]:
    """Return every rendering of a raster with the bands that it draws.

    ``stretch`` tells whether a stretch of these bands draws the same, only brighter or
    darker: indices and radar in dB have fixed ranges.
    """
    found = []
    for name in raster.renderings():
        spec = RENDERINGS[name]
        bands = Style(name).indexes(raster)
        plain = spec.mix is None and spec.ramp is None and not spec.decibel
        found.append(
            {"name": name, "bands": bands, "stretch": plain and len(bands) in (1, 3)}
        )
    return found
