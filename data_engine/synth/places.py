"""Airports, harbours and rivers: layouts around water and long structures."""

from math import cos, pi, sin

from rsvlm.data_engine.synth import grounds, things
from rsvlm.data_engine.synth.scene import Builder
from rsvlm.data_engine.synth.things import box


def airport(b: Builder) -> None:
    """An apron with parked airplanes before a terminal, taxiway, runway."""
    b.cover("grass", colour=b.jittered((118, 124, 86), 10))
    reach = b.reach
    edge = b.uniform(-0.1, 0.15) * reach
    b.cover(
        "concrete",
        box(2 * reach, reach, 0, edge + reach / 2),
        b.jittered((166, 163, 156), 8),
    )
    b.cover("asphalt", box(2 * reach, 23, 0, edge - 40), b.jittered((128, 126, 124), 6))
    b.cover("asphalt", box(2 * reach, 46, 0, edge - 130), b.jittered((98, 97, 98), 6))
    line = max(0.4, b.gsd_m * 0.6)
    b.cover("asphalt", box(2 * reach, line, 0, edge - 40), (196, 172, 70))
    for side in (-1, 1):
        b.cover(
            "asphalt", box(2 * reach, line, 0, edge - 130 + side * 21), (214, 214, 210)
        )
    for step in range(int(-reach / 60), int(reach / 60) + 1):
        b.cover(
            "asphalt", box(30, max(0.9, line), step * 60, edge - 130), (214, 214, 210)
        )
    for x in (-0.45 * reach, 0.5 * reach):
        b.cover("asphalt", box(20, 90, x, edge - 85), b.jittered((128, 126, 124), 4))
    length = b.uniform(28, 64) if b.chance(0.7) else b.uniform(9, 16)
    gap = length * b.uniform(1.08, 1.35)
    top = edge + 0.62 * reach
    if length > 20:
        b.put(things.hall(b, 0, top, 0, 1.9 * reach, 38), spare=2, seen=0.05)
        _aprons(
            b, top - 22 - length * 0.55, length, gap, -pi / 2, b.uniform(0.55, 0.95)
        )
        if b.chance(0.5):
            _aprons(b, edge + length * 0.62, length, gap, pi / 2, 0.4)
    else:
        y = edge + length
        while y < top:
            _aprons(b, y, length, gap, -pi / 2, b.uniform(0.4, 0.9))
            y += 2.2 * length
    if b.chance(0.5):
        turn = float(b.rng.choice((0.0, pi)))
        b.put(things.airplane(b, b.uniform(-0.5, 0.5) * reach, edge - 40, turn, length))
    for _ in range(10):
        x, y = b.uniform(-0.8, 0.8) * reach, b.uniform(edge, top)
        make = things.truck if b.chance(0.5) else things.car
        b.put(make(b, x, y, float(b.rng.choice((0, pi / 2, pi)))), spare=2)


def _aprons(
    b: Builder, y: float, length: float, gap: float, turn: float, share: float
) -> None:
    """Park a row of airplanes side by side."""
    count = int(b.reach * 0.9 / gap)
    for number in range(-count, count + 1):
        if not b.chance(share):
            continue
        size = length * b.uniform(0.86, 1.06)
        at = (number * gap + b.uniform(-1, 1), y + b.uniform(-2, 2))
        b.put(things.airplane(b, *at, turn + b.uniform(-0.06, 0.06), size), spare=1)
        if b.gsd_m < 1.0:
            b.cover(
                "concrete",
                box(max(0.4, b.gsd_m * 0.5), length * 1.1, at[0], at[1]),
                (190, 166, 80),
            )


def harbour(b: Builder) -> None:
    """Quays with ships alongside, a yard on land, ships at anchor."""
    b.cover("water", colour=b.jittered((38, 66, 78), 9))
    reach = b.reach
    shore = b.uniform(-0.45, -0.05) * reach
    b.cover(
        "concrete",
        box(2 * reach, reach, 0, shore - reach / 2),
        b.jittered((150, 146, 138), 10),
    )
    b.road(((-reach, shore - 70), (reach, shore - 70)), 12)
    big = b.chance(0.6)
    length = b.uniform(70, 190) if big else b.uniform(9, 22)
    width = 22.0 if big else 3.0
    reachable = reach - shore
    span = min(reachable * 0.75, length * 1.5) if big else min(70.0, reachable * 0.6)
    gap = (length * 0.5 + 40) if big else length * 2.6 + 6
    x = -reach + b.uniform(0.2, 0.9) * gap
    while x < reach:
        if b.put(
            grounds.pier(b, x, shore + span / 2, pi / 2, span, width),
            spare=0.2,
            seen=0.3,
        ):
            _berths(b, x, shore, span, width, length, big)
        x += gap
    for _ in range(int(b.rng.integers(1, 5))):
        size = length * b.uniform(0.7, 1.2)
        # Where the piers reach far out, little of the sea is left.
        off = min(shore + span + 10, 0.8 * reach)
        at = (b.uniform(-0.8, 0.8) * reach, b.uniform(off, 0.8 * reach))
        turn = b.uniform(0, 2 * pi)
        if b.put(things.ship(b, *at, turn, size), spare=4) and b.chance(0.35):
            _wake(b, at, turn, size)
    for step in range(int(reach / 35)):
        x, y = -reach + 70 * step + b.uniform(0, 20), shore - 110 - b.uniform(0, 30)
        b.put(things.hall(b, x, y, 0, b.uniform(36, 58), b.uniform(18, 30)), spare=4)
    for _ in range(18):
        x, y = b.uniform(-0.9, 0.9) * reach, shore - b.uniform(8, 85)
        make = things.truck if b.chance(0.6) else things.car
        b.put(make(b, x, y, float(b.rng.choice((0, pi / 2)))), spare=2)


def _berths(
    b: Builder,
    x: float,
    shore: float,
    span: float,
    width: float,
    length: float,
    big: bool,
) -> None:
    """Moor ships at both sides of a pier; boats lie at right angles to it."""
    for side in (1, -1):
        if big:
            if b.chance(0.6):
                off = width / 2 + length * 0.11
                middle = shore + max(span * 0.5, length * 0.55) + b.uniform(-4, 10)
                turn = pi / 2 if b.chance(0.5) else -pi / 2
                b.put(
                    things.ship(
                        b, x + side * off, middle, turn, length * b.uniform(0.75, 1)
                    ),
                    spare=0.2,
                )
            continue
        y = shore + 5
        while y < shore + span - 3:
            if b.chance(0.7):
                size = length * b.uniform(0.75, 1.05)
                turn = 0.0 if side > 0 else pi
                b.put(
                    things.ship(
                        b, x + side * (width / 2 + size / 2 + 0.6), y, turn, size
                    ),
                    spare=0.1,
                )
            y += length * 0.42


def _wake(b: Builder, at: tuple[float, float], turn: float, size: float) -> None:
    """Draw foam behind a ship."""
    c, s = cos(turn), sin(turn)
    behind = ((-0.5, 0.06), (-0.5, -0.06), (-2.2, -0.20), (-2.6, 0.0), (-2.2, 0.20))
    ring = [
        (at[0] + size * (c * u - s * v), at[1] + size * (s * u + c * v))
        for u, v in behind
    ]
    b.cover("water", ring, (78, 106, 116), only="water")


def river(b: Builder) -> None:
    """A river between woods and fields, bridges over it, sometimes a boat."""
    import shapely

    b.cover("grass", colour=b.jittered((104, 116, 74), 10))
    reach = b.reach
    wide = b.uniform(0.18, 0.42) * reach
    swing, phase = b.uniform(0.0, 0.16) * reach, b.uniform(0, 2 * pi)
    for _ in range(7):
        x, y = b.uniform(-0.9, 0.9) * reach, b.uniform(-0.9, 0.9) * reach
        kind = str(b.rng.choice(["forest", "forest", "crop", "dry grass"]))
        ring = things.disc(b.uniform(0.15, 0.35) * reach, x, y, 14)
        b.cover(
            kind, tuple((u + b.uniform(-9, 9), v + b.uniform(-9, 9)) for u, v in ring)
        )
    path = [
        (u, swing * sin(2.4 * u / reach + phase)) for u in _steps(-reach, reach, 40)
    ]
    stream = shapely.LineString(path)
    b.cover("sand", tuple(stream.buffer(wide / 2 + 5).exterior.coords)[:-1])
    b.cover(
        "water",
        tuple(stream.buffer(wide / 2).exterior.coords)[:-1],
        b.jittered((48, 74, 74), 10),
    )
    for x in (b.uniform(-0.5, -0.1) * reach, b.uniform(0.15, 0.55) * reach)[
        : 1 + b.chance(0.45)
    ]:
        width = b.uniform(11, 22)
        middle = swing * sin(2.4 * x / reach + phase)
        b.road(((x, -reach), (x, reach)), width - 1)
        long = wide * 1.12 + 16
        b.put(grounds.bridge(b, x, middle, pi / 2, long, width), spare=0)
        y = -reach
        while y < reach:
            y += b.uniform(18, 70)
            # A vehicle on the bridge would lie on another object.
            if abs(y - middle) > long / 2 + 8:
                side = 1 if b.chance(0.5) else -1
                b.put(things.car(b, x + side * 2.2, y, side * pi / 2), spare=1)
    for _ in range(int(b.rng.integers(0, 4))):
        x = b.uniform(-0.7, 0.7) * reach
        y = swing * sin(2.4 * x / reach + phase) + b.uniform(-0.3, 0.3) * wide
        size = b.uniform(14, min(70.0, 0.7 * wide + 15))
        b.put(things.ship(b, x, y, float(b.rng.choice((0.1, pi))), size), spare=3)
    for _ in range(int(reach * 0.25)):
        x, y = b.uniform(-0.9, 0.9) * reach, b.uniform(-0.9, 0.9) * reach
        if abs(y - swing * sin(2.4 * x / reach + phase)) > wide / 2 + 14:
            b.put(things.tree(b, x, y), spare=1)


def _steps(start: float, end: float, count: int) -> list[float]:
    return [start + (end - start) * step / (count - 1) for step in range(count)]
