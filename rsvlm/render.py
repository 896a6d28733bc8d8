"""Pictures of a raster that a model can look at: bands -> 8-bit RGB.

A :class:`View` carries its pixels together with the :class:`~rsvlm.geometry.Window`
they show, so that what a model points at can be placed in the raster again, and a
legend sentence, so that a model is told how to read the colours. A new kind of picture
is an entry of :data:`RENDERINGS`, named by the sensors that offer it.

Source:
    Indices as pictures with fixed ranges: https://arxiv.org/abs/2509.19087.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from rsvlm.bands import BANDS, POLARISATIONS
from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.geometry import Window
from rsvlm.sensors import SENSORS, SensorGuess

#: Values of each channel drawn darkest and brightest, shape (1 or 3,) each.
Ends = tuple[NDArray[np.floating], NDArray[np.floating]]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """An 8-bit RGB picture of a window of a raster.

    Attributes:
        pixels: Colours, shape (H, W, 3), uint8; black where there is no data.
        window: Where the picture lies in the raster, and its size.
        sensor: ``"optical"``, ``"multispectral"`` or ``"sar"``.
        rendering: Name of the rendering, such as ``"true-colour"``.
        legend: One sentence for the prompt: what the colours mean.
        image: Index of the raster among those of the question.
        valid: True where the raster has data, shape (H, W); None where all has.

    .. versionadded:: 0.1
    """

    pixels: NDArray[np.uint8]
    window: Window
    sensor: str
    rendering: str
    legend: str
    image: int = 0
    valid: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """A way to draw bands.

    Attributes:
        needs: Sets of bands; the first that a raster has is drawn.
        legend: What the picture shows. ``{bands}``, ``{pair}`` (two bands with their
            wavelengths), ``{channels}`` (with ranges), ``{stretch}`` and the ``{low}``,
            ``{middle}`` and ``{high}`` of the first channel are filled in.
        mix: Turns the bands, shape (B, H, W), into channels, shape (1 or 3, H, W).
        limits: Values of each channel drawn darkest and brightest; None takes
            percentiles of the raster.
        ramp: Colours at equal steps between the limits of a single channel.
        decibel: Whether bands are radar backscatter, turned into dB first.
    """

    needs: tuple[tuple[str, ...], ...]
    legend: str
    mix: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None
    limits: tuple[tuple[float, float], ...] | None = None
    ramp: tuple[tuple[int, int, int], ...] | None = None
    decibel: bool = False


def _normalised_difference(values: NDArray[np.float32]) -> NDArray[np.float32]:
    first, second = np.maximum(values, 0.0)
    total = first + second
    index = np.divide(first - second, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(index[None], dtype=np.float32)


def _with_ratio(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Add the ratio of two bands in dB, which is their difference."""
    return np.concatenate([values, values[:1] - values[1:]])


_DB = ((-25.0, 0.0),)
_INDEX = ((-0.8, 0.8),)
_RED_YELLOW_GREEN = ((215, 48, 39), (255, 235, 140), (26, 132, 60))
_WHITE_WHITE_BLUE = ((255, 255, 255), (255, 255, 255), (8, 48, 160))
_RED_GREEN_BLUE = ((215, 48, 39), (60, 170, 80), (8, 48, 160))
_SURFACES = (
    "smooth surfaces such as calm water look dark, rough or built ones bright, and "
    "brightness is not light"
)
_DB_LEGEND = (
    "Radar backscatter {bands} in dB, black at {low} or less, white at {high} or more: "
    + _SURFACES
)

_LIGHT = {name: wavelength for name, wavelength in BANDS.items() if wavelength}
_LONGEST_FIRST = sorted(_LIGHT, key=lambda name: -_LIGHT[name])
_MOST_VISIBLE_FIRST = sorted(_LIGHT, key=lambda name: abs(_LIGHT[name] - 0.6))

RENDERINGS: Mapping[str, Rendering] = {
    "true-colour": Rendering(
        (("red", "green", "blue"),),
        "True colour: red, green and blue light shown as such{stretch}",
    ),
    "false-colour": Rendering(
        (("nir", "red", "green"), ("nir08", "red", "green")),
        "False colour: near infrared shown as red, red as green, green as blue, so that "
        "vegetation looks red and water dark{stretch}",
    ),
    "composite-123": Rendering(
        (("band1", "band2", "band3"),),
        "Bands 1, 2 and 3 shown as red, green and blue; what they measure is unknown"
        "{stretch}",
    ),
    "gray": Rendering((("gray",), ("band1",)), "Gray levels of one band{stretch}"),
    "composite": Rendering(
        tuple(combinations(_LONGEST_FIRST, 3)),
        "Composite: the bands {bands} shown as red, green and blue{stretch}",
    ),
    "single-band": Rendering(
        tuple((name,) for name in _MOST_VISIBLE_FIRST),
        "Gray levels of the band {bands}{stretch}",
    ),
    "ndvi": Rendering(
        (("nir", "red"), ("nir08", "red")),
        "Vegetation index NDVI of {pair}: red at {low} or less (water, bare ground), "
        "yellow at {middle}, green at {high} or more (dense vegetation)",
        _normalised_difference,
        ((-0.2, 0.8),),
        _RED_YELLOW_GREEN,
    ),
    "ndwi": Rendering(
        (("green", "nir"), ("green", "nir08")),
        "Water index NDWI of {pair}: white at {middle} or less (land), blue at {high} "
        "or more (open water)",
        _normalised_difference,
        _INDEX,
        _WHITE_WHITE_BLUE,
    ),
    "ndmi": Rendering(
        (("nir08", "swir16"), ("nir", "swir16")),
        "Moisture index NDMI of {pair}: red at {low} or less (dry), green at {middle}, "
        "blue at {high} or more (moist)",
        _normalised_difference,
        _INDEX,
        _RED_GREEN_BLUE,
    ),
    "nbr": Rendering(
        (("nir08", "swir22"), ("nir", "swir22")),
        "Burn ratio NBR of {pair}: red at {low} or less (burnt or bare), green at "
        "{middle}, blue at {high} or more (dense vegetation or water)",
        _normalised_difference,
        _INDEX,
        _RED_GREEN_BLUE,
    ),
    "sar-composite": Rendering(
        (("VV", "VH"), ("HH", "HV")),
        "Radar composite: red, green and blue are {channels}; calm water looks dark "
        "blue, fields and forest olive or green, buildings pink or white",
        _with_ratio,
        ((-25.0, 0.0), (-30.0, -5.0), (0.0, 15.0)),
        decibel=True,
    ),
    **{
        f"sar-{name.lower()}-db": Rendering(
            ((name,),), _DB_LEGEND, None, _DB, decibel=True
        )
        for name in POLARISATIONS
    },
    "sar-db": Rendering((("backscatter",),), _DB_LEGEND, None, _DB, decibel=True),
    "sar-8bit": Rendering(
        tuple((name,) for name in (*POLARISATIONS, "backscatter")),
        "Radar {bands} in gray levels as stored: " + _SURFACES,
        None,
        ((0.0, 255.0),),
    ),
}


def renderings_of(guess: SensorGuess) -> tuple[str, ...]:
    """Return the names of the pictures that can be drawn, the preferred first."""

    def drawable(name: str) -> bool:
        return not _missing(RENDERINGS[name], guess)

    names = [*filter(drawable, SENSORS[guess.sensor].renderings)]
    if not names or RENDERINGS[names[0]].ramp:  # an index alone shows no scene
        names.insert(0, next(filter(drawable, ("composite", "single-band"))))
    return tuple(names)


def choose(rendering: str | None, guess: SensorGuess) -> str:
    """Return the name of the rendering to draw.

    Args:
        rendering: The one asked for; None for the preferred one.
        guess: Sensor and bands of the raster.

    Raises:
        UnknownNameError: If no rendering is called so.
        SettingsError: If the raster lacks a band that it needs.
    """
    known = renderings_of(guess)
    if rendering is None:
        return known[0]
    if rendering not in RENDERINGS:
        raise UnknownNameError("rendering", rendering, known)
    if not (missing := _missing(RENDERINGS[rendering], guess)):
        return rendering
    raise SettingsError(
        f"The rendering {rendering!r} needs {missing}, but this {guess.sensor} image has "
        f"{', '.join(guess.bands)} ({guess.domain}). Choose one of: {', '.join(known)}."
    )


def bands_of(rendering: str, guess: SensorGuess) -> tuple[str, ...]:
    """Return the names of the bands that a rendering draws, in its order."""
    has = [n for n in RENDERINGS[rendering].needs if set(n) <= set(guess.bands)]
    return has[0]


def limits_of(
    rendering: str,
    overview: Callable[[], tuple[NDArray[np.generic], NDArray[np.bool_]]],
    guess: SensorGuess,
) -> Ends | None:
    """Return what is drawn darkest and brightest in every view of a raster.

    Args:
        rendering: A name of :data:`RENDERINGS`.
        overview: Gives its bands over the whole raster at low resolution, shape
            (B, H, W), and where they hold data, shape (H, W); only called if needed.
        guess: Sensor and bands of the raster.

    Returns:
        Lowest and highest value of each channel: fixed ones for indices and
        calibrated radar, else the 2nd and 98th percentile; None to leave 8-bit values
        as they are, unless they are very dark.
    """
    fixed = RENDERINGS[rendering].limits
    is_index = RENDERINGS[rendering].ramp is not None
    if fixed is not None and (is_index or guess.domain != "DN"):
        low, high = np.array(fixed, dtype=np.float32).T
        return low, high
    if guess.domain == "colours":
        return None
    values, valid = overview()
    with np.errstate(all="ignore"):
        seen = _channels(rendering, values, guess)[:, valid]  # (1 or 3, pixels)
    seen = seen[:, np.isfinite(seen).all(axis=0)]
    if not seen.shape[1]:
        return None
    ends = (0, 100) if guess.domain == "classes" else (2, 98)
    low, high = np.percentile(seen.astype(np.float64), ends, axis=1)
    if guess.domain == "uint8":
        if high.max() >= DARK:
            return None
        # One pair of ends for all channels: the colours of a picture stay.
        low, high = np.full_like(low, low.min()), np.full_like(high, high.max())
    return low, np.where(high > low, high, low + 1)


#: An 8-bit picture is made to be looked at, and left as it is, unless no channel's 98th
#: percentile reaches this level: then little of it can be seen. Low contrast alone is no
#: fault: a meadow, a forest and calm water have little.
DARK = 64


def render(
    rendering: str,
    values: NDArray[np.generic],
    valid: NDArray[np.bool_],
    *,
    guess: SensorGuess,
    limits: Ends | None,
    window: Window,
    image: int = 0,
) -> View:
    """Draw bands as a picture.

    Args:
        rendering: A name of :data:`RENDERINGS`.
        values: The bands of :func:`bands_of`, shape (B, H, W).
        valid: Where they hold data, shape (H, W).
        guess: Sensor and bands of the raster.
        limits: What :func:`limits_of` gave for the raster.
        window: Where the picture lies in the raster, of size H x W.
        image: Index of the raster among those of a question.

    Returns:
        The picture, black where there is no data.
    """
    pixels, valid = np.zeros((*valid.shape, 3), dtype=np.uint8), valid.copy()
    for row in range(0, len(valid), STRIP):  # what is in between needs more memory
        strip = slice(row, row + STRIP)
        levels, drawn = _levels(rendering, values[:, strip], guess, limits)
        valid[strip] &= drawn
        levels = levels if valid[strip].all() else levels * valid[strip]
        for i in range(3):  # five times as fast as a transposed copy
            pixels[strip, :, i] = levels[i % len(levels)]
    return View(
        pixels,
        window,
        guess.sensor,
        rendering,
        _legend(rendering, guess, limits),
        image,
        None if valid.all() else valid,
    )


#: Rows drawn at a time.
STRIP = 128


def _levels(
    rendering: str, values: NDArray[np.generic], guess: SensorGuess, limits: Ends | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_] | np.bool_]:
    """Return gray or colour levels, shape (1 or 3, H, W), and where they are finite."""
    ramp = RENDERINGS[rendering].ramp
    if limits is None and values.dtype == np.uint8:
        return values.view(np.uint8), np.True_
    low, high = (
        np.asarray(end, dtype=np.float32)[:, None, None]
        for end in limits or (np.zeros(1), np.full(1, 255.0))
    )
    with np.errstate(all="ignore"):  # what is not finite is not drawn
        channels = _channels(rendering, values, guess)
        finite = np.isfinite(channels).all(axis=0)
        share = (channels - low) / (high - low)
    share = np.clip(np.where(finite, share, 0), 0, 1)
    levels = _ramp(share[0], ramp) if ramp else share * 255
    return np.rint(levels).astype(np.uint8), np.asarray(finite)


def _ramp(
    share: NDArray[np.floating], colours: tuple[tuple[int, int, int], ...]
) -> NDArray[np.floating]:
    steps = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(share, steps, c) for c in zip(*colours, strict=True)])


def _channels(
    rendering: str, values: NDArray[np.generic], guess: SensorGuess
) -> NDArray[np.float32]:
    spec = RENDERINGS[rendering]
    floats = values.astype(np.float32)
    if spec.decibel and guess.domain != "dB":
        # Power 0 has no logarithm: -60 dB is below every noise floor.
        factor = 10.0 if guess.domain == "power" else 20.0
        floats = np.log10(np.maximum(floats, 10 ** (-60 / factor))) * np.float32(factor)
    return spec.mix(floats) if spec.mix else floats


def _missing(spec: Rendering, guess: SensorGuess) -> str:
    """Say what a raster lacks for a rendering; empty when it lacks nothing."""
    lacks = [[n for n in names if n not in guess.bands] for names in spec.needs]
    fewest = min(lacks, key=len)
    if fewest:
        return f"the band{'s' * (len(fewest) > 1)} {', '.join(fewest)}"
    if spec.decibel and guess.domain == "uint8":
        return "backscatter in dB or as power"
    if spec is RENDERINGS["sar-8bit"] and guess.domain != "uint8":
        return "8-bit gray levels"
    return ""


def _legend(rendering: str, guess: SensorGuess, limits: Ends | None) -> str:
    spec, names = RENDERINGS[rendering], list(bands_of(rendering, guess))
    low, high = limits or (np.zeros(1), np.full(1, 255.0))
    if spec.mix is _with_ratio:
        names.append(" minus ".join(names))
    channels = ", ".join(
        f"{name} from {a:.4g} to {b:.4g} dB"
        for name, a, b in zip(names, low, high, strict=False)
    )
    stretch = ""
    if guess.domain == "classes":
        stretch = f", a map of classes from {low[0]:g} (black) to {high[0]:g} (white)"
    elif limits is not None:
        each = "each band stretched" if len(set(low)) > 1 else "stretched"
        stretch = f", {each} between its 2nd and 98th percentile"
    text = spec.legend.format(
        bands=", ".join(names),
        pair=" and ".join(f"{n} ({BANDS[n]:g} um)" for n in names if BANDS.get(n)),
        channels=channels,
        stretch=stretch,
        low=f"{low[0]:.3g}",
        middle=f"{(low[0] + high[0]) / 2:.2g}",
        high=f"{high[0]:.3g}",
    )
    index = spec.ramp is not None and guess.domain != "reflectance"
    return text + (", from values that are not calibrated." if index else ".")
