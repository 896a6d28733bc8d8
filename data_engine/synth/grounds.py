"""Sports grounds, piers and bridges of drawn scenes, in metres around their middle."""

from math import cos, pi, sin

from rsvlm.data_engine.synth.scene import Builder, Colour, Ring, Thing
from rsvlm.data_engine.synth.things import COURTS, WHITE, box, disc, thing

Parts = list[tuple[Ring, Colour]]
#: Colours of infields.
DIRT: tuple[Colour, ...] = ((172, 132, 98), (190, 164, 130), (146, 118, 92))


def lines(
    length: float, width: float, thick: float, x: float = 0, y: float = 0
) -> Parts:
    """Return the white border of a rectangle."""
    a, c = length / 2, width / 2
    return [
        (box(length, thick, x, y - c), WHITE),
        (box(length, thick, x, y + c), WHITE),
        (box(thick, width, x - a, y), WHITE),
        (box(thick, width, x + a, y), WHITE),
    ]


def tennis_court(
    b: Builder, x: float, y: float, turn: float, name: str, outer: Colour
) -> Thing:
    """Return a court with the margin that people count as its own, 27 x 13.5 m.

    Args:
        b: The scene.
        x: Place in the scene's frame, m.
        y: Likewise.
        turn: Direction of the court, radians.
        name: Colour between its lines, a key of ``COURTS``.
        outer: Colour around them, that of the ground which a row of courts shares.
    """
    inner = b.jittered(COURTS[name], 4)
    thick = max(0.12, b.gsd_m * 0.45)
    parts: Parts = [(box(23.77, 10.97), inner)]
    parts += lines(23.77, 10.97, thick) + lines(23.77, 8.23, thick)
    parts += lines(12.8, 8.23, thick)
    parts += [(box(12.8, thick), WHITE), (box(0.5, 12.8), (70, 72, 70))]
    return thing(
        b, "tennis court", (x, y, turn), box(27, 13.5), outer, 0.0, parts, echo=-4.0,
        attributes=(("colour", name),),
    )  # fmt: skip


def basketball_court(b: Builder, x: float, y: float, turn: float) -> Thing:
    """Return a court, 29 x 16 m, half of them of plain asphalt."""
    name = "gray" if b.chance(0.5) else str(b.rng.choice(list(COURTS)))
    floor = b.jittered(COURTS[name], 6)
    key: Colour = floor if b.chance(0.5) else b.jittered((168, 108, 80), 8)
    thick = max(0.12, b.gsd_m * 0.45)
    parts: Parts = []
    for side in (1, -1):
        parts.append((_arc(6.75, side), WHITE))
        parts.append((_arc(6.75 - thick, side), floor))
        parts.append((box(5.8, 4.9, side * 11.1), key))
    parts += [*lines(28, 15, thick), (box(thick, 15), WHITE)]
    parts += [(disc(1.8), WHITE), (disc(1.8 - thick), key)]
    return thing(
        b, "basketball court", (x, y, turn), box(29.5, 16.5), floor, 0.0, parts, echo=-4.0,
        attributes=(("colour", name),),
    )  # fmt: skip


def _arc(radius: float, side: int) -> Ring:
    """Return what the three-point line encloses at one end of a court, m."""
    turns = [pi / 2 + pi * step / 16 for step in range(17)]
    basket = 12.4
    front = [(basket + radius * cos(t), radius * sin(t)) for t in turns]
    return tuple((side * u, v) for u, v in ((14.0, radius), *front, (14.0, -radius)))


def baseball_diamond(b: Builder, x: float, y: float, turn: float) -> Thing:
    """Return the infield: dirt within an arc around the mound, and around the plate."""
    import shapely

    dirt = b.jittered(DIRT[int(b.rng.integers(len(DIRT)))], 8)
    grass = b.jittered((88, 116, 62), 6) if b.chance(0.7) else dirt
    radius, r, home = b.uniform(27, 31), 27.4, -24.0

    def turned(u: float, v: float) -> tuple[float, float]:
        c = cos(pi / 4)
        return (home + c * (u + v), c * (v - u))

    middle = turned(13.0, 13.0)
    spare = b.uniform(2, 6)
    wedge = shapely.Polygon([turned(*p) for p in
                             ((-spare, -spare), (90, -spare), (90, 90), (-spare, 90))])  # fmt: skip
    field = shapely.Polygon(disc(radius, *middle, 40)) & wedge
    field |= shapely.Polygon(disc(b.uniform(4, 6), home, 0.0, 20))
    ring = tuple((float(u), float(v)) for u, v in field.exterior.coords[:-1])
    square = tuple(
        turned(u, v) for u, v in ((3, 3), (r - 3, 3), (r - 3, r - 3), (3, r - 3))
    )
    bases: Parts = [
        (disc(0.8, *turned(u, v), 6), WHITE)
        for u, v in ((0, 0), (r, 0), (0, r), (r, r))
    ]
    parts: Parts = [
        (square, grass),
        (disc(2.8, *middle, 12), dirt),
        (disc(4, *turned(0, 0), 14), dirt),
        *bases,
    ]
    return thing(b, "baseball diamond", (x, y, turn), ring, dirt, 0.0, parts, echo=0.0)


def track_field(b: Builder, x: float, y: float, turn: float) -> Thing:
    """Return a 400 m track around a football pitch."""
    clay = b.jittered((168, 88, 70) if b.chance(0.7) else (120, 120, 122), 8)
    grass = b.jittered((84, 122, 64), 8)
    straight, inner, wide = 84.4, 36.5, 9.8

    def oval(radius: float) -> Ring:
        turns = [pi * step / 16 - pi / 2 for step in range(17)]
        front = [(straight / 2 + radius * cos(t), radius * sin(t)) for t in turns]
        return (*front, *((-u, -v) for u, v in front))

    thick = max(0.2, b.gsd_m * 0.4)
    parts: Parts = []
    if b.gsd_m < 0.8:
        for lane in range(2, 8, 2):
            parts.append((oval(inner + wide * lane / 8 + thick / 2), WHITE))
            parts.append((oval(inner + wide * lane / 8 - thick / 2), clay))
    parts.append((oval(inner), grass))
    bands = 9
    for step in range(0, bands, 2):
        u = 100 * ((step + 0.5) / bands - 0.5)
        parts.append(
            (box(100 / bands, 62, u), (grass[0] + 8, grass[1] + 10, grass[2] + 6))
        )
    parts += [*lines(100, 62, thick), (box(thick, 62), WHITE)]
    parts += [(disc(9.15), WHITE), (disc(9.15 - thick), grass)]
    return thing(
        b,
        "ground track field",
        (x, y, turn),
        oval(inner + wide),
        clay,
        0.0,
        parts,
        echo=-2.0,
    )


def pier(
    b: Builder, x: float, y: float, turn: float, length: float, width: float
) -> Thing:
    """Return a pier, length along its front."""
    concrete = b.jittered((168, 162, 152), 10)
    dim: Colour = (concrete[0] - 22, concrete[1] - 22, concrete[2] - 22)
    parts: Parts = [(box(length * 0.96, width * 0.3), dim)]
    return thing(
        b, "harbor", (x, y, turn), box(length, width), concrete, 2.5, parts,
        box(length * 0.9, width * 0.9), echo=3.0,
    )  # fmt: skip


def bridge(
    b: Builder, x: float, y: float, turn: float, length: float, width: float
) -> Thing:
    """Return a road bridge, length along the road."""
    rail: Colour = b.jittered((186, 182, 174), 8)
    lane: Colour = b.jittered((112, 111, 112), 6)
    thick = max(0.3, b.gsd_m * 0.5)
    dashes = [
        (box(4, thick, u), WHITE)
        for u in (step * 10.0 - length / 2 + 5 for step in range(int(length / 10)))
    ]
    parts: Parts = [(box(length, width - 2.5), lane), *dashes]
    # The radar sees the edge, its image in the water and the lamps in between.
    lamps = tuple(
        (step * 14.0 - length / 2, width / 2) for step in range(int(length / 14))
    )
    return thing(
        b, "bridge", (x, y, turn), box(length, width), rail, 7.0, parts, lamps, echo=3.0
    )
