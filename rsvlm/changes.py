"""What changed between two images of one place: regions, areas and words.

:func:`find_changes` brings two dates onto one grid and asks :mod:`rsvlm.change_maps`
where water, vegetation or the brightness of the surface differ. It counts pixels and
recognises no objects: a new house is a brighter surface or lost vegetation here.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsvlm.change_maps import (
    Cover,
    Layer,
    Layers,
    echo_changes,
    light_changes,
)
from rsvlm.dates import read_dates
from rsvlm.geometry import HBB, Mask, Region, Shape
from rsvlm.georeference import GeoReference
from rsvlm.raster import Raster
from rsvlm.registration import Registration
from rsvlm.replies import listing

#: Smallest change in pixels of the compared grid, and most regions: where there are
#: more, the smallest are left out.
SMALLEST, MOST = 12, 100
#: What a confidence is multiplied with where only visible colours were compared.
WEAK = 0.6

#: Label -> how it is told, before the area.
SENTENCES = {
    "water gained": "open water appeared on",
    "water lost": "open water disappeared from",
    "vegetation gained": "vegetation appeared on",
    "vegetation lost": "vegetation disappeared from",
    "surface brighter": "the ground became brighter on",
    "surface darker": "the ground became darker on",
    "radar echo stronger": "the radar echo became stronger on",
    "radar echo weaker": "the radar echo became weaker on",
}
#: First word of a label -> what changes.
KINDS = {
    "water": "open water",
    "vegetation": "vegetation",
    "surface": "brightness",
    "radar": "the radar echo",
}
_ASKED = {
    "water": re.compile(
        r"\b(?:water\w*|flood\w*|ponds?|lakes?|rivers?|reservoirs?|shore\w*|coast\w*|"
        r"wetlands?|inundat\w*|streams?|channels?|drought)\b"
    ),
    "vegetation": re.compile(
        r"\b(?:vegetation|plants?|forests?|\w*forest(?:ed|ation)|trees?|crops?|fields?|"
        r"grass\w*|green\w*|woods?|logging|logged|farmland)\b"
    ),
}
_BUILT = re.compile(
    r"\b(?:buildings?|houses?|built|urban\w*|town|city|cities|roads?|construct\w*)\b"
)


@dataclass(frozen=True, slots=True)
class Total:
    """All regions of one kind of change together.

    Attributes:
        label: Kind of change, a key of :data:`SENTENCES`.
        regions: How many there are.
        area_px: Their area in pixels of the later image.
        area_m2: Their area on the ground; None without a place on the Earth.
    """

    label: str
    regions: int
    area_px: float
    area_m2: float | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between two images.

    Attributes:
        text: The changes in words, with the areas of the regions.
        regions: Masks in pixels of the later image, largest first. Their confidence
            ranks them by the strength of the change and is no probability.
        totals: Sums by kind, largest first.
        share: Share of the common area that the regions cover.
        window: The common area, in pixels of the later image.
        warnings: What a user should know, one sentence each.

    .. versionadded:: 0.1
    """

    text: str
    regions: tuple[Region, ...]
    totals: tuple[Total, ...]
    share: float
    window: HBB
    warnings: tuple[str, ...] = ()


def find_changes(
    before: Raster,
    after: Raster,
    registration: Registration,
    question: str = "",
    max_side: int = 1024,
    images: tuple[int, int] = (0, 1),
) -> Changes:
    """Find what changed between two images of one place.

    Args:
        before: The earlier image, opened.
        after: The later image, opened.
        registration: How their pixels map to each other.
        question: Words such as "water" or "forest" in it narrow the answer to that.
        max_side: Longer side of the compared grid, in pixels.
        images: Indices of the two in the registration, and in the question.

    Returns:
        The changes; regions carry the index of the later image.

    Raises:
        SettingsError: If the two cannot be compared: no map between them, radar with
            optical, or no band in common.
    """
    dates = read_dates(before, after, registration, max_side, images)
    valid, radar = dates.valid, after.sensor == "sar"
    compare = echo_changes if radar else light_changes
    maps = compare(dates.before, dates.after, valid)
    covers, least = _without_specks([found.cover & valid for found in maps])
    # Only now, so that an area does not depend on what else was asked for.
    asked = _asked_for([found.label for found in maps], question)
    sure = 1.0 if radar or "nir" in dates.before else WEAK
    regions, cells = [], 0
    for found, cover in zip(maps, covers, strict=True):
        if found.label in asked:
            cells += int(np.count_nonzero(cover))
            regions += [
                Region(
                    dates.window.to_raster(mask), found.label, sure * much, images[1]
                )
                for mask, much in _parts(cover, found.strength)
            ]
    regions.sort(key=lambda region: -region.shape.area)
    share = float(cells / np.count_nonzero(valid))
    totals = _totals(regions, after.georeference)
    box = dates.window.box
    pixels = least * box.area / valid.size
    smallest = area_words(pixels * after.gsd**2 if after.gsd else None, pixels)
    between = f"Between image {images[0] + 1} and image {images[1] + 1}"
    if totals:
        text = _told(totals, share, between, len(asked) == len(maps))
    else:
        kinds = " or ".join(dict.fromkeys(KINDS[label.split()[0]] for label in asked))
        text = f"{between}, no change of {kinds} larger than {smallest} was found."
    warnings = _warnings(dates.before, radar, question)
    if least > SMALLEST:
        warnings.append(
            f"There are very many changes; those below {smallest} are left out."
        )
    return Changes(text, tuple(regions), totals, share, box, tuple(warnings))


def _asked_for(labels: Sequence[str], question: str) -> list[str]:
    """Keep the kinds of change that a question is about; all where it names none."""
    words = question.lower()
    asked = [kind for kind, pattern in _ASKED.items() if pattern.search(words)]
    kept = [label for label in labels if label.split()[0] in asked]
    return kept or list(labels)


def _without_specks(covers: Sequence[Cover]) -> tuple[list[Cover], int]:
    """Remove small and thin parts, and as many more as leave no more than ``MOST``.

    A part that holds no square of 3 x 3 pixels is taken for a border that moved because
    the two images do not fit to the pixel.

    Returns:
        What is left, and the smallest number of pixels of a part.
    """
    from rasterio.features import sieve

    kept, count, least = list(covers), MOST + 1, SMALLEST
    while count > MOST:
        count = 0
        for i, cover in enumerate(kept):
            # Small holes are filled by the same measure.
            sieved = sieve(cover.astype(np.uint8), least, connectivity=8)
            labels, parts = _labelled(sieved > 0)
            thick = np.zeros(parts + 1, dtype=bool)
            thick[labels[_eroded(sieved > 0)]] = True
            kept[i] = thick[labels]
            count += int(thick.sum())
        least *= 2
    return kept, least // 2


def _eroded(cover: Cover) -> Cover:
    """Return the pixels whose eight neighbours are set as well, shape (H, W)."""
    padded = np.pad(cover, 1)
    height, width = cover.shape
    out = cover.copy()
    for dy, dx in itertools.product(range(3), range(3)):
        out &= padded[dy : dy + height, dx : dx + width]
    return out


def _labelled(cover: Cover) -> tuple[NDArray[np.int32], int]:
    """Number the connected parts from 1; also return how many there are."""
    from rasterio.features import rasterize, shapes

    found = shapes(cover.astype(np.uint8), mask=cover, connectivity=8)
    numbered = [(outline, i) for i, (outline, _) in enumerate(found, start=1)]
    if not numbered:
        return np.zeros(cover.shape, dtype=np.int32), 0
    labels = rasterize(numbered, out_shape=cover.shape, dtype="int32")
    return labels, len(numbered)


def _parts(cover: Cover, strength: Layer) -> Iterator[tuple[Mask, float]]:
    """Return each connected part, and how strong the change is there in [0, 1)."""
    labels, count = _labelled(cover)
    rows, columns = np.nonzero(labels)
    numbers = labels[rows, columns]
    order = np.argsort(numbers, kind="stable")
    ends = np.searchsorted(numbers[order], np.arange(1, count + 2))
    for start, end in itertools.pairwise(ends.tolist()):
        y, x = rows[order[start:end]], columns[order[start:end]]
        pixels = np.zeros((np.ptp(y) + 1, np.ptp(x) + 1), dtype=bool)
        pixels[y - y.min(), x - x.min()] = True
        # Twice the least change that counts is 0.75 sure, three times 0.88. Filled
        # holes may have no data.
        sure = 1 - 0.5 ** float(np.nanmean(strength[y, x]))
        yield Mask.from_array(pixels, int(x.min()), int(y.min())), sure


def _totals(regions: Sequence[Region], place: GeoReference | None) -> tuple[Total, ...]:
    """Sum the regions of each kind, the largest first."""
    totals = []
    for label in dict.fromkeys(region.label for region in regions):
        shapes = [region.shape for region in regions if region.label == label]
        areas = [_ground(shape, place) for shape in shapes]
        known = [area for area in areas if area is not None]
        ground = sum(known) if len(known) == len(shapes) else None
        pixels = sum(shape.area for shape in shapes)
        totals.append(Total(label, len(shapes), pixels, ground))
    return tuple(sorted(totals, key=lambda total: -total.area_px))


def _ground(shape: Shape, place: GeoReference | None) -> float | None:
    """Return the area in square metres, by the mean pixel of the box around a shape.

    It differs by less than a thousandth from the outline's, which takes a hundred times
    as long for a mask.
    """
    around = place.area_m2(shape.hbb) if place else None
    return None if around is None else around * shape.area / shape.hbb.area


def _told(totals: Sequence[Total], share: float, between: str, everything: bool) -> str:
    """Say what changed; ``everything`` is False where only a part was asked for."""
    parts = []
    for total in totals:
        number = f"{total.regions} region{'s' if total.regions > 1 else ''}"
        area = area_words(total.area_m2, total.area_px)
        parts.append(f"{SENTENCES[total.label]} {area} ({number})")
    percent = 100 * share
    size = f"{percent:.0f} %" if percent >= 9.5 else f"{percent:.2g} %"
    if everything:
        return f"{between}, {size} of the common area changed: {', '.join(parts)}."
    return f"{between}, {listing(parts)}: {size} of the common area."


def area_words(area_m2: float | None, area_px: float) -> str:
    """Return an area in a unit that suits its size.

    >>> area_words(1.94e6, 1.0), area_words(42_000.0, 1.0), area_words(None, 120.0)
    ('1.9 km2', '4.2 ha', '120 px')
    """
    if area_m2 is None:
        return f"{area_px:,.0f} px"
    for unit, size in (("km2", 1e6), ("ha", 1e4), ("m2", 1.0)):
        number = area_m2 / size
        if number >= 1 or unit == "m2":
            return f"{number:,.{0 if number >= 10 else 1}f} {unit}"
    raise AssertionError("unreachable")


def _warnings(layers: Layers, radar: bool, question: str) -> list[str]:
    warnings = []
    if radar:
        warnings.append(
            "Radar images were compared by the strength of the echo, which also changes "
            "with wind, moisture and the direction of view; what changed is not known."
        )
    elif "nir" not in layers and {"red", "green", "blue"} <= set(layers):
        warnings.append(
            "Without near infrared, open water cannot be told apart, and vegetation only "
            "by its colour, which is much less sure."
        )
    elif "nir" not in layers:
        warnings.append("Only the brightness of the surface could be compared.")
    if _BUILT.search(question.lower()):
        warnings.append(
            "Built-up land was not recognised as such: new buildings show as lost "
            "vegetation or as a brighter or darker surface."
        )
    return warnings
