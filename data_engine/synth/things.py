"""The objects of drawn scenes, outlines in metres around their middle, front to +x."""

from collections.abc import Sequence
from math import cos, degrees, pi, sin
from typing import Any

from rsvlm.data_engine.synth.scene import Builder, Colour, Part, Point, Ring, Thing

#: Colours of vehicles and how common they are.
CARS: dict[str, tuple[Colour, float]] = {
    "white": ((226, 226, 224), 0.32),
    "gray": ((134, 136, 140), 0.22),
    "black": ((44, 45, 48), 0.18),
    "silver": ((186, 188, 190), 0.10),
    "red": ((158, 42, 36), 0.08),
    "blue": ((48, 78, 132), 0.10),
}
#: Colours of tank roofs, hulls, courts and house roofs.
TANKS: dict[str, Colour] = {
    "white": (228, 226, 220),
    "gray": (168, 168, 164),
    "rust": (150, 112, 88),
}
HULLS: dict[str, Colour] = {
    "red": (128, 58, 48),
    "gray": (138, 142, 146),
    "blue": (56, 78, 110),
    "white": (222, 222, 218),
    "green": (66, 98, 82),
}
COURTS: dict[str, Colour] = {
    "green": (78, 122, 92),
    "blue": (70, 104, 148),
    "red": (158, 92, 74),
    "gray": (112, 114, 114),
}
ROOFS: tuple[Colour, ...] = (
    (128, 92, 78), (108, 100, 96), (92, 88, 90), (150, 128, 112), (140, 136, 130),
)  # fmt: skip
HALLS: tuple[Colour, ...] = (
    (200, 200, 198), (176, 182, 188), (150, 156, 152), (214, 208, 196), (120, 130, 142),
)  # fmt: skip
WHITE: Colour = (232, 232, 228)
DARK: Colour = (52, 54, 58)


def box(length: float, width: float, x: float = 0.0, y: float = 0.0) -> Ring:
    """Return a rectangle around a point."""
    a, b = length / 2, width / 2
    return ((x - a, y - b), (x + a, y - b), (x + a, y + b), (x - a, y + b))


def disc(radius: float, x: float = 0.0, y: float = 0.0, count: int = 28) -> Ring:
    """Return a regular polygon around a point."""
    turns = [2 * pi * step / count for step in range(count)]
    return tuple((x + radius * cos(t), y + radius * sin(t)) for t in turns)


def mirrored(half: Sequence[Point]) -> Ring:
    """Return an outline from its half with y >= 0, front to back."""
    return (*half, *((x, -y) for x, y in reversed(half) if y > 0))


def thing(
    b: Builder,
    label: str | None,
    at: tuple[float, float, float],
    ring: Ring,
    colour: Colour,
    height: float,
    parts: Sequence[tuple[Ring, Colour]] = (),
    scatterers: Ring = (),
    has_front: bool = False,
    **more: Any,
) -> Thing:
    """Return an object at (x, y, heading) of the scene's frame, m and radians."""
    x, y, turn = at
    c, s = cos(turn), sin(turn)

    def moved(points: Ring) -> Ring:
        return b.to_px([(x + c * u - s * v, y + s * u + c * v) for u, v in points])

    heading = (degrees(turn + b.angle) + 90) % 360 if has_front else None
    return Thing(
        label,
        moved(ring),
        height,
        colour,
        parts=tuple(Part(moved(p), c) for p, c in parts),
        scatterers=moved(scatterers) if scatterers else (),
        heading=heading,
        **more,
    )


def car(b: Builder, x: float, y: float, turn: float) -> Thing:
    """Return a passenger car."""
    names = list(CARS)
    weights = [share for _, share in CARS.values()]
    name = names[int(b.rng.choice(len(names), p=[w / sum(weights) for w in weights]))]
    colour = b.jittered(CARS[name][0], 6)
    length, width = b.uniform(4.0, 5.0), b.uniform(1.75, 1.95)
    glass: Colour = (42, 48, 56)
    parts = [
        (box(0.55, width * 0.82, length * 0.17), glass),
        (box(0.35, width * 0.78, -length * 0.32), glass),
    ]
    ring = mirrored(
        (
            (length / 2, width * 0.36),
            (length * 0.42, width / 2),
            (-length / 2, width * 0.45),
        )
    )
    corners = box(length * 0.8, width * 0.7)
    return thing(
        b, "vehicle", (x, y, turn), ring, colour, 1.5, parts, corners,
        has_front=True, attributes=(("colour", name),), echo=4.0,
    )  # fmt: skip


def truck(b: Builder, x: float, y: float, turn: float) -> Thing:
    """Return a lorry with a trailer."""
    length, width = b.uniform(9, 15), 2.5
    load = b.jittered((206, 206, 204) if b.chance(0.6) else (120, 96, 82), 14)
    cab = b.jittered((170, 60, 52) if b.chance(0.4) else (220, 220, 222), 12)
    parts = [
        (box(2.2, width * 0.94, length / 2 - 1.1), cab),
        (box(0.5, width * 0.9, length / 2 - 2.5), DARK),
    ]
    corners = box(length * 0.9, width * 0.8)
    ring = box(length, width)
    return thing(
        b, "vehicle", (x, y, turn), ring, load, 3.5, parts, corners,
        has_front=True, echo=7.0, attributes=(("type", "truck"),),
    )  # fmt: skip


def airplane(b: Builder, x: float, y: float, turn: float, length: float) -> Thing:
    """Return an airliner, or below 20 m a small aircraft with straight wings."""
    k, swept = length, length > 20
    lead, tip, back = (0.12, -0.12, -0.06) if swept else (0.14, 0.10, 0.02)
    half = [
        (0.5, 0.0), (0.475, 0.024), (0.42, 0.045), (lead, 0.048),
        (tip, 0.47), (tip - 0.055, 0.47), (back, 0.048), (-0.34, 0.038),
        (-0.44, 0.17), (-0.485, 0.17), (-0.47, 0.03), (-0.5, 0.0),
    ]  # fmt: skip
    ring = mirrored([(u * k, v * k) for u, v in half])
    light = b.jittered((226, 228, 230), 8)
    wing: Colour = (light[0] - 26, light[1] - 24, light[2] - 20)
    tail = b.jittered(HULLS[str(b.rng.choice(list(HULLS)))], 12)
    root = mirrored([(lead * k, 0.0), (lead * k, 0.05 * k), (tip * k, 0.47 * k),
                     ((tip - 0.055) * k, 0.47 * k), (back * k, 0.05 * k), (back * k, 0.0)])  # fmt: skip
    body = mirrored(
        [(0.5 * k, 0.0), (0.44 * k, 0.042 * k), (-0.34 * k, 0.036 * k), (-0.5 * k, 0.0)]
    )
    parts = [(root, wing)]
    engines = [(0.06, 0.16), (-0.02, 0.30)] if length > 55 else [(0.05, 0.17)]
    for u, v in engines if swept else ():
        parts += [(box(0.09 * k, 0.035 * k, u * k, s * v * k), DARK) for s in (1, -1)]
    parts += [
        (body, light),
        (box(0.13 * k, 0.014 * k, -0.42 * k), tail),
        (box(0.02 * k, 0.05 * k, 0.455 * k), DARK),
    ]
    points = [(0.44, 0.0), (0.2, 0.0), (0.0, 0.03), (-0.2, 0.0), (-0.46, 0.0)]
    points += [
        (0.05, 0.17),
        (0.05, -0.17),
        (tip, 0.45),
        (tip, -0.45),
        (-0.46, 0.15),
        (-0.46, -0.15),
    ]
    return thing(
        b, "airplane", (x, y, turn), ring, light, 0.09 * length, parts,
        tuple((u * k, v * k) for u, v in points), has_front=True, echo=5.0,
        attributes=(("length", f"{length:.0f} m"),),
    )  # fmt: skip


def ship(b: Builder, x: float, y: float, turn: float, length: float) -> Thing:
    """Return a cargo ship, or below 30 m a boat."""
    name = str(
        b.rng.choice(list(HULLS) if length >= 30 else ["white", "white", "gray"])
    )
    k = length
    w = k * (b.uniform(0.14, 0.18) if length >= 30 else b.uniform(0.24, 0.32))
    outline = [(0.5 * k, 0.0), (0.44 * k, w * 0.28), (0.34 * k, w * 0.46), (-0.46 * k, w * 0.5),
               (-0.5 * k, w * 0.42)]  # fmt: skip
    ring = mirrored(outline)
    hull = b.jittered(HULLS[name], 8)
    deck = b.jittered((150, 116, 96) if b.chance(0.5) else (150, 154, 152), 10)
    parts: list[tuple[Ring, Colour]] = []
    if length >= 30:
        parts.append((tuple((u * 0.95, v * 0.84) for u, v in ring), deck))
        tone = b.jittered((190, 186, 176), 12)
        rows = int(b.rng.integers(3, 6))
        holds = b.chance(0.5)
        for step in range(rows):
            u = k * (0.30 - 0.56 * step / rows)
            if holds:
                parts.append((box(0.36 * k / rows, w * 0.6, u), tone))
                continue
            for lane in range(4):
                paint = b.jittered(HULLS[str(b.rng.choice(list(HULLS)))], 18)
                v = w * 0.18 * (lane - 1.5)
                parts.append((box(0.46 * k / rows, w * 0.17, u, v), paint))
        parts += [(box(0.07 * k, w * 0.8, -0.38 * k), WHITE),
                  (box(0.03 * k, w * 0.3, -0.43 * k), DARK)]  # fmt: skip
    else:
        parts += [(box(0.32 * k, w * 0.6, -0.02 * k), (198, 196, 190)),
                  (box(0.08 * k, w * 0.52, 0.16 * k), DARK)]  # fmt: skip
    bright = [(u / 10 * k, 0.0) for u in range(-4, 5, 2)]
    bright += [(-0.38 * k, w * 0.3), (-0.38 * k, -w * 0.3), (0.3 * k, w * 0.3)]
    return thing(
        b, "ship", (x, y, turn), ring, hull, 0.03 * length + 3, parts, tuple(bright),
        has_front=True, echo=6.0,
        attributes=(("colour", name), ("length", f"{length:.0f} m")),
    )  # fmt: skip


def tank(b: Builder, x: float, y: float, radius: float) -> Thing:
    """Return a storage tank, one in three with a floating roof."""
    name = str(b.rng.choice(list(TANKS), p=[0.6, 0.3, 0.1]))
    colour = b.jittered(TANKS[name], 7)
    dim: Colour = (colour[0] - 36, colour[1] - 34, colour[2] - 30)
    light: Colour = (colour[0] + 12, colour[1] + 12, colour[2] + 12)
    floats = b.chance(0.35)
    parts = [(disc(radius * 0.92), dim if floats else light)]
    if not floats:
        parts += [(disc(radius * 0.12, count=10), dim)]
    parts += [(box(radius * 0.9, 0.7, radius * 0.5), dim if not floats else light)]
    return thing(
        b, "storage tank", (x, y, b.uniform(0, 2 * pi)), disc(radius), colour,
        min(16.0, 6 + radius * 0.5), parts, disc(radius, count=6), echo=-3.0,
        attributes=(("colour", name),),
    )  # fmt: skip


def house(b: Builder, x: float, y: float, turn: float) -> Thing:
    """Return a house with a gabled roof, some with a wing at the side."""
    length, width = b.uniform(11, 17), b.uniform(8, 11)
    colour = b.jittered(ROOFS[int(b.rng.integers(len(ROOFS)))], 9)
    bright: Colour = (colour[0] * 1.18, colour[1] * 1.18, colour[2] * 1.18)
    ring: Ring = box(length, width)
    parts = [(box(length, width / 2, 0, width / 4), bright)]
    if b.chance(0.45):
        wing = b.uniform(4, 6)
        a, c = length / 2, width / 2
        ring = ((-a, -c), (a, -c), (a, c), (a - 6, c), (a - 6, c + wing), (a - 12, c + wing),
                (a - 12, c), (-a, c))  # fmt: skip
        parts.append((box(3, wing + c, a - 7.5, c / 2 + wing / 2), bright))
    return thing(b, "building", (x, y, turn), ring, colour, 6.5, parts)


def hall(
    b: Builder, x: float, y: float, turn: float, length: float, width: float
) -> Thing:
    """Return a flat-roofed hall with ribs and skylights."""
    colour = b.jittered(HALLS[int(b.rng.integers(len(HALLS)))], 9)
    dim: Colour = (colour[0] * 0.9, colour[1] * 0.9, colour[2] * 0.9)
    ribs = max(2, round(length / 9))
    at = [length * ((step + 0.5) / ribs - 0.5) for step in range(ribs)]
    parts = [(box(length / ribs / 2, width, u), dim) for u in at]
    parts += (
        [(box(2.0, width * 0.5, u), WHITE) for u in at[::2]] if b.chance(0.5) else []
    )
    units = int(b.rng.integers(0, 6))
    for _ in range(units):
        u, v = b.uniform(-0.4, 0.4) * length, b.uniform(-0.35, 0.35) * width
        parts.append((box(2.4, 2.0, u, v), (206, 206, 202)))
    return thing(
        b, "building", (x, y, turn), box(length, width), colour, b.uniform(7, 12), parts,
        box(length * 0.9, width * 0.9), echo=3.0,
    )  # fmt: skip


def tree(b: Builder, x: float, y: float) -> Thing:
    """Return a single tree; no question is about it."""
    radius = b.uniform(2.2, 4.6)
    turns = [2 * pi * step / 11 for step in range(11)]
    ring = tuple(
        (radius * b.uniform(0.78, 1.1) * cos(t), radius * b.uniform(0.78, 1.1) * sin(t))
        for t in turns
    )
    colour = b.jittered((52, 72, 44), 7)
    light: Colour = (colour[0] + 20, colour[1] + 22, colour[2] + 12)
    sunny = tuple((u * 0.55 - radius * 0.15, v * 0.55) for u, v in ring)
    return thing(
        b, None, (x, y, 0.0), ring, colour, radius * 1.7, [(sunny, light)], echo=3.0
    )
