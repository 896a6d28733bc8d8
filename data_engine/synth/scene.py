"""What a drawn scene is, before any sensor sees it: ground, things, a place on Earth.

Layouts draw in metres, in a frame whose origin is the middle of the scene and that is
turned by the angle of the scene; :class:`Scene` keeps pixels of the picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import cos, pi, sin
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Ring = tuple[Point, ...]
Colour = tuple[float, float, float]


class Material(NamedTuple):
    """How a kind of ground looks.

    Attributes:
        colour: Mean RGB, 0-255.
        patches: Relative deviation of the brightness over tens of metres.
        grain: Relative deviation from pixel to pixel.
        vv: Mean backscatter, dB, co-polarised.
        vh: Mean backscatter, dB, cross-polarised.
    """

    colour: Colour
    patches: float
    grain: float
    vv: float
    vh: float


#: Kinds of ground; radar values are typical of C band at middle incidence.
GROUND = {
    "water": Material((34, 60, 72), 0.05, 0.03, -20, -28),
    "grass": Material((92, 106, 66), 0.10, 0.07, -12, -18),
    "dry grass": Material((148, 138, 102), 0.09, 0.06, -13, -21),
    "crop": Material((88, 112, 58), 0.06, 0.05, -9, -15),
    "soil": Material((142, 116, 90), 0.08, 0.05, -11, -21),
    "forest": Material((50, 66, 44), 0.10, 0.10, -8, -13),
    "asphalt": Material((100, 99, 100), 0.04, 0.04, -18, -27),
    "concrete": Material((170, 166, 158), 0.05, 0.04, -15, -24),
    "gravel": Material((150, 142, 130), 0.08, 0.09, -10, -19),
    "sand": Material((192, 176, 144), 0.06, 0.05, -15, -24),
    "court": Material((82, 118, 92), 0.02, 0.02, -17, -27),
}
KINDS = tuple(GROUND)
#: Ground that counts as a land cover in the masks of a scene.
COVERS = {
    "water": ("water",),
    "vegetation": ("grass", "crop", "forest"),
    "built-up land": ("asphalt", "concrete", "court"),
    "bare or dry ground": ("dry grass", "soil", "sand", "gravel"),
}


#: UTM zone of the places of drawn scenes (about 165 W, 45 S), side of a cell, m: more
#: than a scene has; places in all, and side by side.
SEA, CELL_M, PLACES, PLACES_ACROSS = 32703, 2000.0, 80_000, 200


class Part(NamedTuple):
    """A detail of a thing: an outline in px and its colour."""

    ring: Ring
    colour: Colour


@dataclass(frozen=True, slots=True)
class Thing:
    """One object.

    Attributes:
        label: Its class; None for what no question is about, such as a tree.
        ring: Outline, px of the picture; it may leave the picture.
        height_m: Height above the ground, m.
        colour: RGB, 0-255.
        echo: Backscatter of its top against the ground's typical -12 dB, dB.
        parts: Details, in the order of drawing.
        scatterers: Points that send the radar beam straight back, px.
        heading: Direction of its front, degrees clockwise from up; None without one.
        attributes: What else is true of it, such as its colour's name.
    """

    label: str | None
    ring: Ring
    height_m: float
    colour: Colour
    echo: float = 6.0
    parts: tuple[Part, ...] = ()
    scatterers: Ring = ()
    heading: float | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Scene:
    """Ground and things of one place.

    Attributes:
        kind: Name of the layout.
        side: Rows and columns, px.
        gsd_m: m/px.
        ground: Index into :data:`KINDS` of every pixel, shape (side, side).
        tint: RGB of the ground without texture, shape (side, side, 3).
        things: Objects, in the order of drawing.
        sun: Direction that shadows fall to, radians clockwise from the right.
        sun_height: Elevation of the sun, radians.
        look: Direction that the radar beam travels to, radians likewise.
        incidence: Angle of the beam against the vertical, radians.
        origin: UTM zone (EPSG) and easting and northing of the top-left corner, m.
    """

    kind: str
    side: int
    gsd_m: float
    ground: NDArray[np.uint8]
    tint: NDArray[np.float32]
    things: tuple[Thing, ...]
    sun: float
    sun_height: float
    look: float
    incidence: float
    origin: tuple[int, float, float]

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine from pixels to metres of the CRS, in rasterio's order."""
        _, x, y = self.origin
        return (self.gsd_m, 0.0, x, 0.0, -self.gsd_m, y)

    def where(self, *kinds: str) -> NDArray[np.bool_]:
        """Return where the ground is of one of these kinds, shape (side, side)."""
        found: NDArray[np.bool_] = np.isin(self.ground, [KINDS.index(k) for k in kinds])
        return found


def seen_share(ring: Ring, side: int) -> float:
    """Return the share of an outline's area that lies in a square picture.

    >>> seen_share(((-1, 0), (1, 0), (1, 1), (-1, 1)), 10)
    0.5
    """
    import shapely

    xs, ys = [x for x, _ in ring], [y for _, y in ring]
    if min(*xs, *ys) >= 0 and max(*xs, *ys) <= side:
        return 1.0
    outline = shapely.Polygon(ring)
    inside = shapely.intersection(outline, shapely.box(0, 0, side, side))
    return float(inside.area / outline.area)


@dataclass(slots=True)
class Builder:
    """Collects a scene; see the top of this file for its frame.

    Attributes:
        rng: Source of all randomness of the layout.
        side: Rows and columns, px.
        gsd_m: m/px.
        angle: Turn of the scene, radians clockwise.
    """

    rng: np.random.Generator
    side: int
    gsd_m: float
    angle: float
    ground: NDArray[np.uint8] = field(init=False)
    tint: NDArray[np.float32] = field(init=False)
    taken: NDArray[np.bool_] = field(init=False)
    things: list[Thing] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        shape = (self.side, self.side)
        self.ground = np.zeros(shape, np.uint8)
        self.tint = np.zeros((*shape, 3), np.float32)
        self.taken = np.zeros(shape, bool)

    @property
    def reach(self) -> float:
        """Distance from the middle to a corner, m."""
        return self.side * self.gsd_m * 0.71

    def to_px(self, ring: Sequence[Point]) -> Ring:
        """Return points of the scene's frame as pixels."""
        c, s = cos(self.angle) / self.gsd_m, sin(self.angle) / self.gsd_m
        half = self.side / 2
        return tuple((half + c * x - s * y, half + s * x + c * y) for x, y in ring)

    def in_view(self, x: float, y: float, reach: float = 10.0) -> bool:
        """Whether a point of the scene's frame is in the picture, or ``reach`` m off."""
        ((u, v),) = self.to_px([(x, y)])
        spare = reach / self.gsd_m
        return -spare < min(u, v) and max(u, v) < self.side + spare

    def uniform(self, low: float, high: float) -> float:
        """Return a number of a range."""
        return float(self.rng.uniform(low, high))

    def chance(self, share: float) -> bool:
        """Return True for this share of the calls."""
        return bool(self.rng.random() < share)

    def jittered(self, colour: Colour, amount: float = 10.0) -> Colour:
        """Return a colour of another brightness and slightly another hue."""
        light = self.rng.normal(0, amount)
        r, g, b = (v + light + self.rng.normal(0, amount / 3) for v in colour)
        return float(r), float(g), float(b)

    def cover(
        self,
        kind: str,
        ring: Sequence[Point] | None = None,
        colour: Colour | None = None,
        rows_m: float = 0.0,
        only: str | None = None,
    ) -> None:
        """Cover the ground within a ring, or everywhere, with a material.

        Args:
            kind: Key of :data:`GROUND`.
            ring: Outline in the scene's frame, m.
            colour: RGB, the material's own by default.
            rows_m: Distance of the rows of a field, m; 0 for none.
            only: Cover ground of this kind alone.
        """
        from rsvlm.data_engine.synth.drawing import coverage

        rows = columns = slice(None)
        inside: NDArray[np.bool_] = np.ones((self.side, self.side), bool)
        if ring is not None:
            found = coverage(self.to_px(ring), side=self.side, fine=2)
            if found is None:
                return
            rows, columns, inside = found[0], found[1], found[2] >= 0.5
        if only:
            inside = inside & (self.ground[rows, columns] == KINDS.index(only))
        self.ground[rows, columns][inside] = KINDS.index(kind)
        tint = self.tint[rows, columns]
        tint[inside] = np.array(colour or GROUND[kind].colour, np.float32)
        period = rows_m / self.gsd_m
        # Rows that are finer than two pixels would alias.
        if period > 2:
            y, x = np.nonzero(inside)
            turn = self.angle + float(self.rng.choice((0, pi / 2)))
            across = cos(turn) * x + sin(turn) * y
            wave = 1 + 0.10 * np.sin(2 * pi * across / period)
            tint[y, x] *= wave[:, None].astype(np.float32)

    def road(self, path: Sequence[Point], width: float, kind: str = "asphalt") -> None:
        """Cover a strip along a path in the scene's frame, m."""
        import shapely

        strip = shapely.LineString(path).buffer(width / 2, cap_style="flat")
        self.cover(kind, tuple(strip.exterior.coords)[:-1])

    def put(self, thing: Thing, spare: float = 1.0, seen: float = 0.4) -> bool:
        """Add a thing unless it would touch another, or hardly be in the picture.

        Args:
            thing: It, in pixels.
            spare: Least distance to other things, px.
            seen: Share of its outline that must lie in the picture.

        Returns:
            Whether it was added.
        """
        from rsvlm.data_engine.synth.drawing import coverage

        if seen_share(thing.ring, self.side) < seen:
            return False
        middle = np.mean(thing.ring, axis=0)
        arms = np.array(thing.ring) - middle
        lengths = np.hypot(*arms.T)[:, None]
        around = middle + arms * (1 + spare / np.maximum(lengths, 1e-6))
        found = coverage(around.tolist(), side=self.side, fine=2)
        if found is None:
            return False
        rows, columns, shares = found
        place = shares > 0.25
        if (self.taken[rows, columns] & place).any():
            return False
        self.taken[rows, columns] |= place
        self.things.append(thing)
        return True

    def finish(self, kind: str, number: int = 0) -> Scene:
        """Return the scene, its light drawn.

        Args:
            kind: Name of the layout.
            number: Number of the place. Places lie in the open South Pacific, a cell of
                their own each: a drawn scene must not overlap with another one, or with
                a real image.
        """
        rng = self.rng
        row, column = divmod(number % PLACES, PLACES_ACROSS)
        return Scene(
            kind=kind,
            side=self.side,
            gsd_m=self.gsd_m,
            ground=self.ground,
            tint=self.tint,
            things=tuple(self.things),
            sun=float(rng.uniform(0, 2 * pi)),
            sun_height=float(rng.uniform(0.6, 1.1)),
            look=float(rng.choice((0.0, pi)) + rng.normal(0, 0.15)),
            incidence=float(rng.uniform(0.52, 0.78)),
            origin=(SEA, 3e5 + CELL_M * column, 5e6 + CELL_M * row),
        )
