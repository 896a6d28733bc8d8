"""Sensors: what took a raster, what its bands are, and how that was found out.

:data:`SENSORS` says what is known of each kind of instrument. :func:`detect` decides
for one raster, from what its file says and from sampled values, and gives its reason;
where that is a guess the reason says so. Names of bands stand in :mod:`rsvlm.bands`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rsvlm.bands import (
    BANDS,
    ORDERS,
    POLARISATIONS,
    band_names,
    polarisation_in,
    radar_word_in,
)
from rsvlm.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Sensor:
    """A kind of instrument.

    Attributes:
        title: What it is, for people and prompts.
        bands: Names of :data:`~rsvlm.bands.BANDS` that it may have.
        renderings: Names of pictures, the preferred first; which of them can be drawn
            depends on the bands of a raster.
    """

    title: str
    bands: tuple[str, ...]
    renderings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Profile:
    """What is known of a raster before its sensor is.

    Attributes:
        dtype: Name of the numpy type of the samples.
        descriptions: Description of each band, alpha excluded.
        colours: Colour interpretation of each band, as GDAL names it.
        tags: Tags of the file.
        name: File name.
        samples: Pieces of the raster at full resolution beside each other, shape
            (C, H, W), NaN where there is no data. Sides of pieces are multiples of 8
            wherever the raster is large enough.

    .. versionadded:: 0.1
    """

    dtype: str
    descriptions: tuple[str | None, ...]
    colours: tuple[str, ...]
    tags: Mapping[str, str]
    name: str
    samples: NDArray[np.float32]

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.descriptions)

    @property
    def facts(self) -> str:
        """Number and type of the bands, in words."""
        bands = "1 band" if self.count == 1 else f"{self.count} bands"
        return f"{bands} of {self.dtype}"

    @property
    def told(self) -> str:
        """Name, tags and descriptions as one lower-case text."""
        texts = (self.name, *self.tags.values(), *self.descriptions)
        joined = " ".join(text[:1000] for text in texts if text)[:20_000]
        return joined.lower().replace("_", " ")

    @property
    def values(self) -> NDArray[np.float32]:
        """Every sampled value that is a number, flat."""
        return self.samples[np.isfinite(self.samples)]

    @property
    def is_float(self) -> bool:
        """True where samples have fractions."""
        return self.dtype.startswith("float")

    @property
    def is_gray(self) -> bool:
        """True for one or two bands, and for three equal ones."""
        first = self.samples[:1]
        equal = np.array_equal(
            self.samples[1:3], np.broadcast_to(first, self.samples[1:3].shape), True
        )
        return self.count < 3 or (equal and bool(np.isfinite(first).any()))


@dataclass(frozen=True, slots=True)
class SensorGuess:
    """The sensor of a raster, its bands, and why.

    Attributes:
        sensor: A name of :data:`SENSORS`.
        reason: One sentence with the values that decided.
        bands: Common name of each known band -> its 1-based index.
        domain: What the numbers are: ``"uint8"``, ``"reflectance"``, ``"dB"``,
            ``"power"``, ``"amplitude"``, ``"classes"``, ``"colours"`` (of a colour
            table) or ``"DN"`` (digital numbers without a known scale).
        sure: False where the user should be told that it is a guess.

    .. versionadded:: 0.1
    """

    sensor: str
    reason: str
    bands: Mapping[str, int]
    domain: str
    sure: bool = True


SENSORS = {
    "optical": Sensor(
        "optical camera: visible light, and near infrared where named",
        ("gray", "blue", "green", "red", "nir"),
        ("true-colour", "false-colour", "gray", "ndvi", "ndwi"),
    ),
    "multispectral": Sensor(
        "multispectral imager: bands beyond visible light and near infrared",
        tuple(name for name, wavelength in BANDS.items() if wavelength),
        (
            *("true-colour", "false-colour", "composite-123", "gray"),
            *("ndvi", "ndwi", "ndmi", "nbr"),
        ),
    ),
    "sar": Sensor(
        "synthetic aperture radar: brightness is backscatter, not light",
        (*POLARISATIONS, "backscatter"),
        (
            "sar-composite",
            *(f"sar-{name.lower()}-db" for name in POLARISATIONS),
            *("sar-db", "sar-8bit"),
        ),
    ),
}

#: Least local contrast (standard deviation / mean of 8 x 8 pixels) in the calmest tenth
#: of a radar picture, and least correlation of log deviation with log mean. Set on
#: 8-bit Sentinel-1 and Gaofen-3 pictures against gray versions of optical ones.
SPECKLE_FLOOR, SPECKLE_LINK = 0.14, 0.35


def detect(profile: Profile, sensor: str = "auto") -> SensorGuess:
    """Say what took a raster and what its bands are.

    Args:
        profile: What is known of the raster.
        sensor: ``"auto"``, or the name of a sensor that is taken as given; the bands
            are then read as those of that sensor.

    Returns:
        The sensor, its bands and the reason.

    Raises:
        UnknownNameError: If ``sensor`` is not in :data:`SENSORS`.
    """
    if sensor not in ("auto", *SENSORS):
        raise UnknownNameError("sensor", sensor, ("auto", *SENSORS))
    names = band_names(profile.descriptions, profile.told)
    if sensor == "auto":
        return _decide(profile, names)
    read = {"optical": _optical, "multispectral": _multispectral, "sar": _sar}[sensor]
    guess = read(profile, names)
    return replace(guess, reason=f"Set by the user; {guess.reason}", sure=True)


def _decide(profile: Profile, names: dict[str, int]) -> SensorGuess:
    if any(name in POLARISATIONS for name in names):
        return _sar(profile, names)
    if profile.dtype.startswith("complex"):
        return _sar(profile, names, ", complex as of single-look radar")
    if any(BANDS[name] for name in names):
        beyond = set(names) - set(SENSORS["optical"].bands)
        return (_multispectral if beyond else _optical)(profile, names)
    if profile.is_gray:
        return _decide_gray(profile, names)
    if is_decibel(profile.samples[:2]):
        return _sar(profile, names)
    return (_optical if profile.count <= 4 else _multispectral)(profile, names)


def _decide_gray(profile: Profile, names: dict[str, int]) -> SensorGuess:
    """Tell a gray optical picture from radar: one band, two bands, or equal bands."""
    distinct = np.unique(profile.samples[0][np.isfinite(profile.samples[0])])
    if not profile.is_float and 1 < len(distinct) <= 8 and np.ptp(distinct) < 16:
        listed = ", ".join(f"{value:g}" for value in distinct)
        reason = f"{profile.facts} with no other values than {listed}: "
        reason += "a map of classes, drawn as a gray picture."
        return SensorGuess("optical", reason, {"gray": 1}, "classes", sure=False)
    if word := radar_word_in(profile.told):
        return _sar(profile, names, f" with {word!r} in name or tags")
    if is_decibel(profile.samples):
        return _sar(profile, names)
    floor, link = speckle(profile.samples[0])
    measured = (
        f"; local contrast in the calmest tenth is {floor:.2f} and follows brightness "
        f"with r = {link:.2f}"
    )
    if floor >= SPECKLE_FLOOR and link >= SPECKLE_LINK:
        guess = _sar(profile, names, f"{measured}, as speckle does")
        return replace(guess, sure=guess.sure and floor >= 2 * SPECKLE_FLOOR)
    if profile.count == 2 and profile.is_float and _has_long_tail(profile.values):
        guess = _sar(profile, names, ", positive with a long tail")
        return replace(guess, sure=False)
    guess = _optical(profile, names)
    reason = f"{profile.facts}{measured}, which is not speckle: a gray optical picture."
    return replace(guess, reason=reason, sure=0 < floor < SPECKLE_FLOOR / 2)


def speckle(samples: NDArray[np.float32]) -> tuple[float, float]:
    """Measure multiplicative noise in blocks of 8 x 8 pixels.

    Args:
        samples: Pixels at full resolution, shape (H, W), NaN where there are none.

    Returns:
        The 10th percentile of deviation / mean over the blocks, and the correlation of
        their logarithms of deviation and mean; (0, 0) where too few blocks are left.
    """
    rows, columns = (side // 8 * 8 for side in samples.shape)
    grid = samples[:rows, :columns].reshape(rows // 8, 8, columns // 8, 8)
    blocks = grid.transpose(0, 2, 1, 3).reshape(-1, 64).astype(np.float64)
    blocks = blocks[np.isfinite(blocks).all(axis=1)]  # (blocks, 64)
    top = float(np.percentile(blocks, 99.9)) if blocks.size else 0.0
    whole = bool((blocks == np.rint(blocks)).all())
    mean, deviation = blocks.mean(axis=1), blocks.std(axis=1)
    # Neither saturated nor so dark that whole numbers hide the contrast.
    usable = (mean > max(0.01 * top, 3.0 * whole)) & (mean < 0.94 * top)
    mean, deviation = mean[usable], deviation[usable]
    if len(mean) < 4 or np.ptp(mean) == 0:
        return 0.0, 0.0
    floor = float(np.quantile(deviation / mean, 0.1))
    spread = np.log(deviation + 0.002 * top)
    link = np.corrcoef(np.log(mean), spread)[0, 1] if np.ptp(spread) > 0 else 0.0
    return floor, float(link)


def is_decibel(samples: NDArray[np.float32]) -> bool:
    """Say whether values look like backscatter in dB: nearly all in -50..10, most < 0."""
    values = samples[np.isfinite(samples)]
    if not values.size or np.array_equal(values, np.round(values)):
        return False
    inside = float(np.mean((values > -50) & (values < 10)))
    return inside >= 0.99 and -40 < float(np.median(values)) < -2


def _has_long_tail(values: NDArray[np.float32]) -> bool:
    if not values.size or float(values.min()) < 0:
        return False
    middle, high = np.percentile(values, (50, 99))
    return bool(middle > 0 and high > 4 * middle)


def _optical(profile: Profile, names: dict[str, int]) -> SensorGuess:
    known = {n: i for n, i in names.items() if n in SENSORS["optical"].bands}
    colours = {c: i for i, c in enumerate(profile.colours, start=1)}
    sure = True
    if known:
        how = "named " + ", ".join(known)
    elif profile.is_gray:
        known, how = {"gray": 1}, "without colours"
    elif profile.count == 3 and {"red", "green", "blue"} <= set(colours):
        known = {name: colours[name] for name in ("red", "green", "blue")}
        how = "marked red, green, blue"
    else:
        order, listed = ORDERS[min(profile.count, 4)]
        known = {name: i for i, name in enumerate(listed, start=1)}
        how, sure = f"without names, taken as {', '.join(known)}", profile.count == 3
        how += "" if sure else f" in the order of {order}, which is a guess"
    reason = f"{profile.facts} {how}: an optical picture."
    return SensorGuess("optical", reason, known, _light_domain(profile), sure)


def _multispectral(profile: Profile, names: dict[str, int]) -> SensorGuess:
    known = {n: i for n, i in names.items() if BANDS[n]}
    sure = bool(known)
    if known:
        how = "named " + ", ".join(known)
    elif profile.count in ORDERS:
        order, listed = ORDERS[profile.count]
        known = {name: i for i, name in enumerate(listed, start=1)}
        how = f"without names, taken in the order of {order}, which is a guess"
    else:
        known = {f"band{i}": i for i in range(1, profile.count + 1)}
        how = "without names, so no index can be computed"
    reason = f"{profile.facts} {how}: a multispectral image."
    return SensorGuess("multispectral", reason, known, _light_domain(profile), sure)


def _sar(profile: Profile, names: dict[str, int], why: str = "") -> SensorGuess:
    known = {n: i for n, i in names.items() if n in POLARISATIONS}
    sure = True
    if known:
        why = f" named {', '.join(known)}{why}"
    elif profile.count >= 2 and not (profile.count > 2 and profile.is_gray):
        known, sure = {"VV": 1, "VH": 2}, False
        why += ", taken as VV and VH, which is a guess"
    else:
        known = {polarisation_in(profile.told) or "backscatter": 1}
    domain, said = _radar_domain(profile, list(known.values()))
    reason = f"{profile.facts}{why}, {said}: radar (SAR)."
    return SensorGuess("sar", reason, known, domain, sure)


def _radar_domain(profile: Profile, indexes: list[int]) -> tuple[str, str]:
    samples = profile.samples[[i - 1 for i in indexes]]
    values = samples[np.isfinite(samples)]
    if profile.dtype == "uint8":
        return "uint8", "8-bit gray levels"
    if not values.size:
        return "DN", "no valid value among those sampled"
    low, middle, high = (float(v) for v in np.percentile(values, (2, 50, 98)))
    if is_decibel(samples):
        return "dB", f"values mostly {low:.1f} to {high:.1f} as in dB"
    seen = f"values mostly {low:.4g} to {high:.4g}"
    if not profile.is_float or middle > 2 or low < 0:
        return "DN", f"{seen} as of uncalibrated amplitude"
    if "amplitude" in profile.told:
        return "amplitude", f"{seen} and called amplitude"
    return "power", f"{seen} as of linear power"


def _light_domain(profile: Profile) -> str:
    if profile.dtype == "uint8":
        return "uint8"
    high = float(np.percentile(profile.values, 98)) if profile.values.size else 0.0
    if profile.is_float:
        return "reflectance" if 0 < high <= 1.6 else "DN"
    return "reflectance" if 255 < high <= 16_000 else "DN"
