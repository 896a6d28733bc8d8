"""What covers the ground, and where large places lie, by aligned encoders.

Objects of metres are the region finder's. Land cover (water, vegetation, built-up land,
bare ground) and places of a kilometre (a harbor, an airport) are read from windows of
the ground size that the encoders were trained on, for optical and radar images alike.
Shares and areas come from the map, not from the language model.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rsvlm.answer import TraceStep
from rsvlm.findings import Findings, ShapeKind
from rsvlm.geometry import HBB, Mask, Polygon, Region, Shape
from rsvlm.progress import report
from rsvlm.questions import plain
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.search import trace_step

#: Most windows of a raster; a larger one is read coarsely.
BUDGET = 256
#: Side of a window in px where the ground size of a pixel is not known.
DEFAULT_WINDOW = 256
#: Cells that the ground beside a class reaches from it.
BESIDE = 3
#: Patches of a piece of cover that is worth a region.
FEWEST_CELLS = 3
#: Most regions of a class; the largest stay.
MOST_REGIONS = 60
#: Share of a window that its neighbour repeats when places are searched.
OVERLAP = 0.25
#: Confidence from which a window belongs to a place.
LEAST_PLACE = 0.5
#: Most windows of a search for places.
MOST_WINDOWS = 300
#: What the word of a language model counts beside the aligned encoders, chosen on the
#: validation split of RSSCN7: .25 and .5 are alike (.93), 1 is worse (.87).
WORD = 0.25
#: Masks of larger pieces are written as polygons: they would not fit memory.
LARGEST_MASK = 64_000_000


class SceneModel(Protocol):
    """Reads windows; ``rsvlm.models.aligned.AlignedEncoder`` is one."""

    @property
    def covers(self) -> Sequence[str]:
        """Classes of land cover."""
        ...

    @property
    def places(self) -> Sequence[str]:
        """Kinds of places."""
        ...

    @property
    def sensors(self) -> frozenset[str]:
        """Sensors that it was trained on."""
        ...

    @property
    def window_m(self) -> float | None:
        """Side of the windows of the training on the ground, m."""
        ...

    @property
    def side(self) -> int:
        """Side of a view that it makes use of, px."""
        ...

    def cover_maps(self, view: View) -> NDArray[np.float32]:
        """Return the probability of each class at each patch, shape (K, S, S)."""
        ...

    def choose(self, view: View, options: Sequence[str]) -> NDArray[np.float32]:
        """Return the probability that a view shows each of the options, shape (C,)."""
        ...

    def place_scores(self, views: Sequence[View]) -> NDArray[np.float32]:
        """Return the probability that a view is of each place, shape (B, P)."""
        ...


@dataclass(frozen=True, slots=True)
class CoverMap:
    """Land cover of a raster on a grid of cells.

    Attributes:
        labels: The K classes.
        classes: Index of each cell's class; -1 where the raster holds no data, shape
            (h, w).
        confidence: Probability of that class, shape (h, w).
        cell: Side of a cell in raster px.
        coarse: Whether windows were larger than those of the training.
    """

    labels: tuple[str, ...]
    classes: NDArray[np.int8]
    confidence: NDArray[np.float32]
    cell: float
    coarse: bool = False

    def share(self, label: str) -> float:
        """Return the share of the cells with data that a class covers."""
        known = int((self.classes >= 0).sum())
        index = self.labels.index(label)
        return float((self.classes == index).sum()) / known if known else 0.0


def window_side(raster: Raster, model: SceneModel) -> int:
    """Return the side of a window in raster px, by its size on the ground."""
    if raster.gsd is None or model.window_m is None:
        return DEFAULT_WINDOW
    return max(8, round(model.window_m / raster.gsd))


def can_read(model: SceneModel, raster: Raster) -> bool:
    """Whether a raster is of a sensor that the model was trained on."""
    return ("sar" if raster.sensor == "sar" else "optical") in model.sensors


def cover_map(
    model: SceneModel,
    raster: Raster,
    image: int,
    trace: list[TraceStep],
    part: HBB | None = None,
) -> CoverMap:
    """Return the land cover of a raster.

    Args:
        model: What reads windows.
        raster: Opened image.
        image: Its index in the question.
        trace: One step is added.
        part: The part to read, in raster px; None for all of it.
    """
    start = time.perf_counter()
    area = part or HBB(0, 0, raster.width, raster.height)
    tile = wanted = window_side(raster, model)
    while _count(area.width, tile) * _count(area.height, tile) > BUDGET:
        tile = math.ceil(tile * 1.25)
    columns, rows = _count(area.width, tile), _count(area.height, tile)
    parts: list[list[NDArray[np.float32]]] = []
    for y in range(rows):
        line = []
        for x in range(columns):
            report("land cover", y * columns + x, rows * columns)
            left, top = area.x0 + x * tile, area.y0 + y * tile
            box = HBB(left, top, left + tile, top + tile)
            view = raster.view(box, model.side, model.side, image=image)
            line.append(_masked(model.cover_maps(view), view))
        parts.append(line)
    whole = np.concatenate([np.concatenate(line, axis=2) for line in parts], axis=1)
    cell = tile / (whole.shape[2] / columns)
    inside = (math.ceil(area.height / cell), math.ceil(area.width / cell))
    whole = whole[:, : inside[0], : inside[1]]
    empty = np.isnan(whole).any(axis=0)
    best = np.where(empty, -1, np.nan_to_num(whole).argmax(axis=0)).astype(np.int8)
    sure = np.where(empty, 0, np.nan_to_num(whole).max(axis=0)).astype(np.float32)
    overview = raster.view(area, columns, rows, image=image)
    score = float(sure[~empty].mean()) if (~empty).any() else None
    trace.append(trace_step("cover", overview, start, score))
    return CoverMap(tuple(model.covers), best, sure, cell, tile > 1.5 * wanted)


def _count(length: float, tile: int) -> int:
    return max(1, math.ceil(length / tile))


def _masked(maps: NDArray[np.float32], view: View) -> NDArray[np.float32]:
    """Return maps with NaN where half of a patch or more holds no data."""
    if view.valid is None:
        return maps
    side = maps.shape[1]
    rows = np.arange(view.valid.shape[0]) * side // view.valid.shape[0]
    columns = np.arange(view.valid.shape[1]) * side // view.valid.shape[1]
    seen = np.zeros((side, side))
    np.add.at(seen, (rows[:, None], columns[None, :]), view.valid)
    full = np.zeros((side, side))
    np.add.at(full, (rows[:, None], columns[None, :]), 1)
    return np.where(2 * seen < full, np.float32("nan"), maps)


def cover_regions(
    found: CoverMap,
    label: str,
    raster: Raster,
    image: int,
    shape: ShapeKind,
    beside: bool = False,
) -> Findings:
    """Return the pieces of ground that a class covers, largest first.

    Args:
        found: Land cover of the raster.
        label: One of its classes.
        raster: The raster.
        image: Its index in the question.
        shape: Kind of the regions.
        beside: Whether the ground next to the class is meant, not the class.
    """
    from rasterio.features import shapes

    index = found.labels.index(label)
    here = found.classes == index
    if beside:
        here = _grown(here, BESIDE) & ~here
    best = float(found.confidence[here].max()) if here.any() else 0.0
    regions = []
    for geometry, _ in shapes(here.astype(np.uint8), mask=here, connectivity=4):
        rings = [np.array(ring[:-1]) for ring in geometry["coordinates"]]
        x0, y0 = rings[0].min(axis=0).astype(int)
        x1, y1 = rings[0].max(axis=0).astype(int)
        cells = _filled(geometry, x0, y0, x1, y1)
        if cells.sum() < FEWEST_CELLS:
            continue
        sure = float(found.confidence[y0:y1, x0:x1][cells].mean())
        outline = _shape(rings, cells, x0, y0, found.cell, raster, shape)
        name = f"ground beside {label}" if beside else label
        if outline is not None:
            regions.append((int(cells.sum()), Region(outline, name, sure, image)))
    regions.sort(key=lambda item: -item[0])
    return Findings(tuple(region for _, region in regions[:MOST_REGIONS]), best)


def _grown(cells: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return cells with those up to some steps beside them."""
    for _ in range(steps):
        wide = np.pad(cells, 1)
        cells = (
            wide[1:-1, 1:-1] | wide[:-2, 1:-1] | wide[2:, 1:-1]
            | wide[1:-1, :-2] | wide[1:-1, 2:]
        )  # fmt: skip
    return cells


def _filled(
    geometry: dict[str, object], x0: int, y0: int, x1: int, y1: int
) -> NDArray[np.bool_]:
    from rasterio.features import rasterize
    from rasterio.transform import from_origin

    size = (y1 - y0, x1 - x0)
    # Rows grow downwards in both frames: the transform only moves the origin.
    move = from_origin(x0, y0, 1, -1)
    return np.asarray(rasterize([geometry], size, transform=move).astype(bool))


def _shape(
    rings: list[NDArray[np.float64]],
    cells: NDArray[np.bool_],
    x0: int,
    y0: int,
    cell: float,
    raster: Raster,
    kind: ShapeKind,
) -> Shape | None:
    limit = np.array([raster.width, raster.height], float)
    scaled = [np.minimum(ring * cell, limit) for ring in rings]
    low, high = scaled[0].min(axis=0), scaled[0].max(axis=0)
    if kind == "hbb":
        return HBB(*low, *high) if (high > low).all() else None
    ring = tuple((float(x), float(y)) for x, y in scaled[0])
    holes = tuple(tuple((float(x), float(y)) for x, y in r) for r in scaled[1:])
    polygon = Polygon(ring, holes)
    if kind == "obb":
        return polygon.min_area_obb()
    width, height = (math.ceil(v) for v in high - np.floor(low))
    if kind == "polygon" or width * height > LARGEST_MASK:
        return polygon
    left, top = (int(v) for v in np.floor(low))
    columns = ((left + np.arange(width) + 0.5) / cell).astype(int) - x0
    rows = ((top + np.arange(height) + 0.5) / cell).astype(int) - y0
    inside = np.zeros((height, width), bool)
    keep_x = (columns >= 0) & (columns < cells.shape[1])
    keep_y = (rows >= 0) & (rows < cells.shape[0])
    picked = cells[np.ix_(rows[keep_y], columns[keep_x])]
    inside[np.ix_(keep_y, keep_x)] = picked
    return Mask.from_array(inside, left, top) if inside.any() else None


def find_places(
    model: SceneModel, label: str, raster: Raster, image: int, trace: list[TraceStep]
) -> Findings:
    """Return where a place of a kilometre and more lies, the surest first.

    Args:
        model: What reads windows.
        label: One of its places.
        raster: Opened image.
        image: Its index in the question.
        trace: A step is added for the search and for each window that is taken.
    """
    start = time.perf_counter()
    tile = window_side(raster, model)
    boxes = _overlapping(raster, tile)
    while len(boxes) > MOST_WINDOWS:
        tile = math.ceil(tile * 1.25)
        boxes = _overlapping(raster, tile)
    views = []  # 85 kB each
    for number, box in enumerate(boxes):
        report("search", number, len(boxes))
        views.append(raster.view(box, model.side, model.side, image=image))
    scores = model.place_scores(views)[:, list(model.places).index(label)]
    whole = raster.view(HBB(0, 0, raster.width, raster.height), 8, 8, image=image)
    trace.append(trace_step("search", whole, start, float(scores.max())))
    taken = [i for i in np.argsort(-scores) if scores[i] >= LEAST_PLACE]
    regions = []
    for group in _touching([boxes[i] for i in taken]):
        box = _around([boxes[taken[i]] for i in group])
        sure = float(max(scores[taken[i]] for i in group))
        regions.append(Region(box, label, sure, image))
        first = views[taken[min(group)]]
        trace.append(trace_step("zoom", first, time.perf_counter(), sure))
    return Findings(tuple(regions), float(scores.max()))


def _overlapping(raster: Raster, tile: int) -> list[HBB]:
    from rsvlm.tiling import grid

    return grid(raster.width, raster.height, tile, OVERLAP)


def _touching(boxes: Sequence[HBB]) -> list[list[int]]:
    """Return groups of boxes that overlap, each in rising order."""
    left = list(range(len(boxes)))
    groups = []
    while left:
        group, front = [left[0]], [left.pop(0)]
        while front:
            here = front.pop()
            near = [i for i in left if boxes[i].intersection(boxes[here])]
            left = [i for i in left if i not in near]
            group += near
            front += near
        groups.append(sorted(group))
    return groups


def _around(boxes: Sequence[HBB]) -> HBB:
    return HBB(
        min(b.x0 for b in boxes),
        min(b.y0 for b in boxes),
        max(b.x1 for b in boxes),
        max(b.y1 for b in boxes),
    )


def choose_class(
    model: SceneModel,
    views: Sequence[View],
    names: Sequence[str],
    word: str = "",
    certainty: float = 0.0,
) -> tuple[str, float]:
    """Choose a class for views of one scene, and say how sure it is.

    Args:
        model: What compares a view with the names.
        views: Pictures of the scene.
        names: The classes, at least one.
        word: What a language model says it is, in lower case.
        certainty: How sure that is, 0 to 1.
    """
    chances = np.mean([model.choose(view, names) for view in views], axis=0)
    if word:
        same = np.array([plain(name) == word for name in names])
        chances = chances + WORD * certainty * same
        chances /= chances.sum()
    best = int(np.argmax(chances))
    return names[best], float(chances[best])
