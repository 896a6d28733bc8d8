"""Draws a scene as a side-looking radar sees it: VV and VH backscatter in dB.

What stands high is laid over towards the sensor, its near wall and the ground form a
corner that answers strongly, and behind it lies a shadow. Speckle multiplies all of it.
The geometry is simple on purpose: flat ground, one bounce at walls, no side lobes but
those of the strongest points.

Source:
    Layover, shadow and double bounce: Richards, "Remote Sensing with Imaging Radar",
    2009, chapters 4 and 5. Speckle of L looks is a gamma variable of mean 1: Oliver,
    Quegan, "Understanding Synthetic Aperture Radar Images", 1998, section 4.4.
"""

from collections import defaultdict
from collections.abc import Sequence
from math import cos, sin, tan

import numpy as np
from numpy.typing import NDArray

from rsvlm.data_engine.synth.drawing import blurred, coverage, swept
from rsvlm.data_engine.synth.noise import clouds
from rsvlm.data_engine.synth.scene import GROUND, Ring, Scene, Thing

#: Backscatter that the receiver's own noise looks like, dB (VV, VH).
FLOOR_DB = (-24.0, -30.0)
#: Backscatter of a flat top or a layer that is laid over, VV, before ``Thing.echo``, dB.
TOP_DB = -12.0
#: A corner of wall and ground, VV, dB; details on top, such as containers, have less.
CORNER_DB, DETAIL_DB = 4.0, -3.0
#: Details that are smaller, square px, have no walls of their own.
LEAST_PX = 4.0
#: What a top with details answers less by itself, dB.
BARE_DB = 5.0
#: What VH lies below VV: surfaces, corners, points, and trees, dB.
CROSS_TOP, CROSS_CORNER, CROSS_POINT, CROSS_TREE = 9.0, 11.0, 8.0, 5.0
#: What a point is above its top, dB; less on things of this height, such as vehicles.
POINT_DB, LOW_M = 10.0, 4.0
#: Shape of the gamma variable of built surfaces; level from which a point has visible
#: side lobes, dB.
GRAIN_SHAPE, LOBES_DB = 0.5, 9.0
#: Walls differ by so many dB before they are drawn apart.
WALL_DB = 3.0
#: Share of its hull from which a foot counts as convex.
CONVEX = 0.75
#: Steps of the stored values, dB: below the speckle, and files become small.
STEP_DB = 0.25


def render(scene: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the backscatter of a scene in dB, VV and VH, shape (2, side, side).

    Args:
        scene: What is there.
        rng: Draws texture, looks and speckle.
    """
    ground = np.array([(m.vv, m.vh) for m in GROUND.values()], np.float32)[scene.ground]
    echoes = np.moveaxis(ground, -1, 0) + 1.2 * clouds(rng, scene.side, 1.2)
    # Calm water mirrors the beam away; wind brings some of it back.
    echoes[:, scene.where("water")] += float(rng.normal(0, 2.0))
    power = _power(echoes)
    for thing in scene.things:
        _shade(power, thing, scene)
    for thing in scene.things:
        _stand(power, thing, scene, rng)
    for thing in scene.things:
        _glint(power, thing, scene, rng)
    power = np.stack([blurred(band, 0.6) for band in power])
    looks = float(rng.choice((1.5, 3.0, 5.0)))
    speckle = rng.standard_gamma(looks, power.shape).astype(np.float32) / looks
    power = power * speckle
    power += _power(np.array(FLOOR_DB, np.float32))[:, None, None]
    return np.round(10 * np.log10(power) / STEP_DB).astype(np.float32) * STEP_DB


def outline(thing: Thing, scene: Scene) -> Ring:
    """Return what of a thing answers the beam: its foot, and its top laid over.

    Labels of radar images are drawn around that.
    """
    import shapely

    length = thing.height_m / tan(scene.incidence) / scene.gsd_m
    if length < 0.5:
        return thing.ring
    foot = shapely.Polygon(thing.ring)
    rings = swept(thing.ring, *_behind(scene, -length))
    if foot.area > CONVEX * foot.convex_hull.area:
        # Of such a foot the way is about the hull of both ends, which is quick to have.
        whole = shapely.MultiPoint(
            [point for r in rings[:2] for point in r]
        ).convex_hull
    else:
        whole = shapely.unary_union([shapely.Polygon(r).buffer(0.01) for r in rings])
    if whole.geom_type != "Polygon":
        return thing.ring
    points = whole.simplify(0.3).exterior.coords[:-1]
    return tuple((float(x), float(y)) for x, y in points)


def _power(decibel: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.power(10, decibel / 10, dtype=np.float32)


def _behind(scene: Scene, length: float) -> tuple[float, float]:
    """Return the vector of a length, px, away from the sensor."""
    return length * cos(scene.look), length * sin(scene.look)


def _shade(power: NDArray[np.float32], thing: Thing, scene: Scene) -> None:
    """Darken the ground that a thing hides: no echo comes from there."""
    length = thing.height_m * tan(scene.incidence) / scene.gsd_m
    if length < 0.5:
        return
    rings = swept(thing.ring, *_behind(scene, length))
    if found := coverage(*rings, side=scene.side):
        rows, columns, shares = found
        loss = 1.0 if thing.label else 0.7  # light comes through a tree's crown
        power[:, rows, columns] *= 1 - loss * shares


def _stand(
    power: NDArray[np.float32], thing: Thing, scene: Scene, rng: np.random.Generator
) -> None:
    """Lay the top over towards the sensor; it adds to what lies there."""
    length = thing.height_m / tan(scene.incidence) / scene.gsd_m
    x, y = _behind(scene, -length)
    rings = [[(u + x, v + y) for u, v in thing.ring]]
    if thing.height_m > 3 and length > 1 and thing.label:
        # The wall towards the sensor fills the strip between top and foot.
        rings = swept(thing.ring, x, y)
    cross = CROSS_TOP if thing.label else CROSS_TREE
    # Where details stand on it, most of the echo is theirs.
    less = BARE_DB if thing.parts and thing.label else 0.0
    _add(power, rings, TOP_DB + thing.echo - less, cross, scene.side, rng)


def _add(
    power: NDArray[np.float32],
    rings: Sequence[Sequence[tuple[float, float]]],
    vv: float,
    cross: float,
    side: int,
    rng: np.random.Generator | None = None,
) -> None:
    """Add an echo within rings, uneven where a generator is given.

    What people build answers in few bright points amid little: a gamma variable of a
    shape below one, at a grain of two pixels.
    """
    found = coverage(*rings, side=side)
    if found is None:
        return
    rows, columns, shares = found
    strength = _power(np.array((vv, vv - cross), np.float32))[:, None, None]
    if rng is not None:
        h, w = shares.shape
        grains = (
            rng.standard_gamma(GRAIN_SHAPE, ((h + 1) // 2, (w + 1) // 2)) / GRAIN_SHAPE
        )
        shares = shares * np.repeat(np.repeat(grains, 2, 0), 2, 1)[:h, :w].astype(
            np.float32
        )
    power[:, rows, columns] += strength * shares


def _glint(
    power: NDArray[np.float32], thing: Thing, scene: Scene, rng: np.random.Generator
) -> None:
    """Add the corner of wall and ground, and the points that answer strongest."""
    if thing.height_m > 1.2 and thing.label:
        walls: dict[int, list[Ring]] = defaultdict(list)
        _walls(walls, thing.ring, CORNER_DB + (thing.echo - 6) / 2, scene)
        up = _behind(scene, -thing.height_m / tan(scene.incidence) / scene.gsd_m)
        for part in thing.parts:
            # They stand on top, so that they are laid over with it.
            ring = tuple((x + up[0], y + up[1]) for x, y in part.ring)
            xs, ys = [x for x, _ in ring], [y for _, y in ring]
            if (max(xs) - min(xs)) * (max(ys) - min(ys)) >= LEAST_PX:
                level = DETAIL_DB + (thing.echo - 6) / 2 + float(rng.normal(0, 3))
                _walls(walls, ring, level, scene)
        for step, rings in walls.items():
            _add(power, rings, step * WALL_DB, CROSS_CORNER, scene.side, rng)
    for u, v in thing.scatterers:
        mean = POINT_DB if thing.height_m > LOW_M else 0.4 * POINT_DB
        level = TOP_DB + thing.echo + float(rng.normal(mean, 5))
        _add(
            power,
            _star(u, v, level),
            level,
            CROSS_POINT,
            scene.side,
        )


def _walls(
    walls: dict[int, list[Ring]], ring: Ring, level: float, scene: Scene
) -> None:
    """Collect the sides of an outline that face the sensor, by their strength.

    A wall that is turned off the beam answers far less. Walls of about one strength are
    drawn together.
    """
    width = max(0.8, 0.6 / scene.gsd_m)
    for a, b in zip(ring, (*ring[1:], ring[0]), strict=True):
        facing = _facing(ring, a, b, scene.look)
        if facing > 0.25:
            vv = level + 10 * np.log10(facing**6 + 1e-3)
            walls[round(vv / WALL_DB)].append(_strip(a, b, width))


def _facing(
    ring: Ring, a: tuple[float, float], b: tuple[float, float], look: float
) -> float:
    """Return the cosine between a wall's outward normal and the way to the sensor."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = float(np.hypot(dx, dy))
    if not length:
        return 0.0
    turn = sum(
        p[0] * q[1] - q[0] * p[1]
        for p, q in zip(ring, (*ring[1:], ring[0]), strict=True)
    )
    sign = 1 if turn > 0 else -1
    return -sign * (dy * cos(look) - dx * sin(look)) / length


def _strip(a: tuple[float, float], b: tuple[float, float], width: float) -> Ring:
    """Return a line of a width, px, as an outline."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = float(np.hypot(dx, dy))
    u, v = -dy / length * width / 2, dx / length * width / 2
    return (
        (a[0] + u, a[1] + v),
        (b[0] + u, b[1] + v),
        (b[0] - u, b[1] - v),
        (a[0] - u, a[1] - v),
    )


def _star(x: float, y: float, level: float) -> list[Ring]:
    """Return a point, with the side lobes of a strong one along both axes."""
    rings: list[Ring] = [((x - 1, y), (x, y - 1), (x + 1, y), (x, y + 1))]
    if level > LOBES_DB:
        thin, reach = 0.12, min(12.0, (level - LOBES_DB) * 0.8 + 2)
        rings.append(((x - reach, y), (x, y - thin), (x + reach, y), (x, y + thin)))
        rings.append(((x, y - reach), (x - thin, y), (x, y + reach), (x + thin, y)))
    return rings
