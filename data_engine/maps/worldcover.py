"""Land-cover rasters: what covers a window, with shares and where it lies.

The classes are those of ESA WorldCover (10 m); a map with other values can be read by
giving another table. Captions follow ChatEarthNet: composition first, then position.

Source:
    Zanaga et al., "ESA WorldCover 10 m 2021 v200", 2022, CC BY 4.0. ChatEarthNet: Yuan
    et al., https://arxiv.org/abs/2402.11325.
"""

from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from rsvlm.data_engine.phrases import listing, pick
from rsvlm.data_engine.records import Question, Split
from rsvlm.errors import ParseError

LICENCE = "CC BY 4.0 (ESA WorldCover)"
ATTRIBUTION = (
    "© ESA WorldCover project / Contains modified Copernicus Sentinel data (2021) "
    "processed by ESA WorldCover consortium"
)
#: Value of the map -> class.
CLASSES: Mapping[int, str] = {
    10: "tree cover",
    20: "shrubland",
    30: "grassland",
    40: "cropland",
    50: "built-up land",
    60: "bare or sparsely vegetated ground",
    70: "snow and ice",
    80: "permanent water",
    90: "herbaceous wetland",
    95: "mangroves",
    100: "moss and lichen",
}
#: Share from which a class is named, and from which it is "mostly" that.
NAMED, MOST = 0.03, 0.60
#: Least share of the window that must be classified.
KNOWN = 0.9
#: A class keeps to a part of the window when this share of it lies there.
KEEPS = 0.75

_ASK: dict[Split, dict[str, tuple[str, ...]]] = {
    "train": {
        "share": ("What share of the image is {}?", "How much of the ground is {}?"),
        "main": ("What covers most of the ground?", "Which land cover prevails?"),
        "where": ("Which part of the image has {}?",),
    },
    "val": {
        "share": ("Give the share of {}.",),
        "main": ("Name the main land cover.",),
        "where": ("In which part of the picture do you see {}?",),
    },
    "test": {
        "share": ("How large is the share of {}?",),
        "main": ("What is the dominant land cover?",),
        "where": ("Say which part shows {}.",),
    },
}


def read_cover(
    path: Path,
    crs: str,
    transform: tuple[float, float, float, float, float, float],
    width: int,
    height: int,
) -> NDArray[np.uint8]:
    """Return a land-cover map on the grid of a picture, shape (height, width).

    Args:
        path: GeoTIFF of one band of classes.
        crs: CRS of the picture.
        transform: Affine of its pixels, rasterio order.
        width: Columns.
        height: Rows.

    Returns:
        Values of the map; 0 where it has none.

    Raises:
        ParseError: If the file is no raster with a place on the Earth.
    """
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.errors import RasterioError
    from rasterio.transform import Affine
    from rasterio.vrt import WarpedVRT

    try:
        with rasterio.open(path) as dataset:
            if dataset.crs is None:
                raise ParseError(
                    f"{path.name} has no coordinate reference system. Fetch it again."
                )
            with WarpedVRT(
                dataset, crs=crs, transform=Affine(*transform), width=width,
                height=height, resampling=Resampling.nearest, nodata=0,
            ) as grid:  # fmt: skip
                values: NDArray[np.uint8] = grid.read(1)
    except (RasterioError, ValueError) as error:
        if isinstance(error, ParseError):
            raise
        raise ParseError(
            f"{path.name} cannot be read as a land-cover map "
            f"({' '.join(str(error).split())}). Fetch it again."
        ) from None
    return values


def shares(
    values: NDArray[np.uint8], classes: Mapping[int, str] = CLASSES
) -> dict[str, float]:
    """Return class -> share of the classified ground, the largest first.

    Empty where too little of the window is classified.

    >>> shares(np.array([[10, 10], [10, 80]], np.uint8))
    {'tree cover': 0.75, 'permanent water': 0.25}
    """
    counts = {name: int((values == value).sum()) for value, name in classes.items()}
    total = sum(counts.values())
    if total < KNOWN * values.size:
        return {}
    found = {name: count / total for name, count in counts.items() if count}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def position(there: NDArray[np.bool_]) -> str | None:
    """Return where a class keeps to, None where it does not keep to a part.

    No side is named, since training turns and flips pictures.

    >>> half = np.zeros((8, 8), bool); half[:, :4] = True
    >>> position(half)
    'along one side'
    """
    rows, columns = there.shape
    total = there.sum()
    if not total or total > 0.6 * there.size:
        return None
    r, c = rows // 4, columns // 4
    middle = there[r : rows - r, c : columns - c].sum() / total
    tops = (there[: rows // 2].sum() / total, there[rows // 2 :].sum() / total)
    lefts = (
        there[:, : columns // 2].sum() / total,
        there[:, columns // 2 :].sum() / total,
    )
    if middle >= KEEPS:
        return "in the middle"
    if max(tops) >= KEEPS and max(lefts) >= KEEPS:
        return "in one corner"
    if max(*tops, *lefts) >= KEEPS:
        return "along one side"
    if middle <= 0.12:
        return "along the edges"
    return None


def captions(
    values: NDArray[np.uint8], classes: Mapping[int, str] = CLASSES
) -> tuple[str, ...]:
    """Return a short caption and one with shares and positions, or none."""
    found = {n: s for n, s in shares(values, classes).items() if s >= NAMED}
    if not found:
        return ()
    numbers = {name: value for value, name in classes.items()}
    names = list(found)
    top = names[0]
    rest = listing(names[1:4])
    if found[top] >= MOST:
        short = f"The ground is mostly {top}{f', with some {rest}' if rest else ''}."
    else:
        short = f"The ground is divided between {listing(names[:3])}."
    parts = []
    for name in names[:5]:
        where = position(values == numbers[name])
        parts.append(f"{percent(found[name])} {name}{f' {where}' if where else ''}")
    return short, f"The image consists of {listing(parts)}."


def questions(
    values: NDArray[np.uint8],
    split: Split,
    seed: str,
    classes: Mapping[int, str] = CLASSES,
) -> tuple[Question, ...]:
    """Return questions on the main class, a share, and a place."""
    found = {n: s for n, s in shares(values, classes).items() if s >= NAMED}
    if not found:
        return ()
    rng, words = Random(f"cover/{seed}"), _ASK[split]
    numbers = {name: value for value, name in classes.items()}
    names = list(found)
    asked = []
    if len(names) == 1 or found[names[0]] - found[names[1]] >= 0.1:
        asked.append(Question(pick(rng, words["main"]), (names[0],), "main cover"))
    name = pick(rng, names)
    number = round(100 * found[name])
    answers = (percent(found[name]), f"{number} %", f"{number}%", f"{number} percent")
    asked.append(Question(pick(rng, words["share"]).format(name), answers, "share"))
    placed = [(n, w) for n in names if (w := position(values == numbers[n]))]
    if placed:
        name, where = pick(rng, placed)
        text = pick(rng, words["where"]).format(name)
        asked.append(Question(text, (where,), "position"))
    return tuple(asked)


def percent(share: float) -> str:
    """Return a share in words.

    >>> percent(0.423), percent(0.04)
    ('about 42 %', 'about 4 %')
    """
    return f"about {100 * share:.0f} %"
