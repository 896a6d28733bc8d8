"""Where things stand: one function a kind of scene, each filling a :class:`Builder`."""

from collections.abc import Callable
from math import cos, pi, sin

from rsvlm.data_engine.synth import grounds, things
from rsvlm.data_engine.synth.places import airport, harbour, river
from rsvlm.data_engine.synth.scene import Builder, Ring
from rsvlm.data_engine.synth.things import COURTS, box


def farmland(b: Builder) -> None:
    """Fields in a patchwork, a road with a few vehicles, a farm, a copse."""
    b.cover("dry grass")
    reach = b.reach
    fields = _split(b, (-reach, -reach, reach, reach), b.uniform(90, 150))
    for x0, y0, x1, y1 in fields:
        kind = str(
            b.rng.choice(
                ["crop", "soil", "grass", "dry grass"], p=[0.4, 0.25, 0.2, 0.15]
            )
        )
        ring = ((x0 + 2, y0 + 2), (x1 - 2, y0 + 2), (x1 - 2, y1 - 2), (x0 + 2, y1 - 2))
        if b.chance(0.10):
            b.cover(
                "forest",
                _wobbly(b, (x0 + x1) / 2, (y0 + y1) / 2, 0.45 * min(x1 - x0, y1 - y0)),
            )
            continue
        b.cover(
            kind,
            ring,
            _tone(b, kind),
            b.uniform(5, 9) if kind in ("crop", "soil") else 0,
        )
    lane = fields[int(b.rng.integers(len(fields)))][0]
    b.road(((lane, -reach), (lane, reach)), 7, "asphalt" if b.chance(0.7) else "gravel")
    _traffic(b, lane, 0.9, 45)
    if b.chance(0.7):
        x, y = lane + b.uniform(25, 45), b.uniform(-0.3, 0.3) * reach
        b.cover("gravel", box(60, 60, x, y))
        for step in range(int(b.rng.integers(2, 5))):
            u, v = x + b.uniform(-20, 20), y - 30 + 20 * step
            b.put(
                things.hall(b, u, v, pi / 2 * step, b.uniform(18, 34), b.uniform(9, 14))
            )
        for _ in range(12):
            b.put(things.tree(b, x + b.uniform(-40, 40), y + b.uniform(-40, 40)))


def residential(b: Builder) -> None:
    """Houses along streets, with gardens, trees and parked vehicles."""
    b.cover("grass", colour=b.jittered((104, 112, 76), 8))
    reach, deep, street = b.reach, b.uniform(52, 66), 9.0
    step = deep + street
    rows = int(reach / step) + 1
    for row in range(-rows, rows + 1):
        b.road(((-reach, row * step), (reach, row * step)), street)
    cross = b.uniform(110, 170)
    b.road(((cross * 0.1, -reach), (cross * 0.1, reach)), street)
    b.road(((cross * 0.1 - cross, -reach), (cross * 0.1 - cross, reach)), street)
    plot = b.uniform(18, 24)
    for row in range(-rows, rows + 1):
        for side in (1, -1):
            y = row * step + side * (street / 2 + 13)
            for number in range(int(-reach / plot), int(reach / plot) + 1):
                x = number * plot + b.uniform(-2, 2)
                if b.chance(0.06) or not b.in_view(x, y):
                    continue
                turn = 0.0 if side > 0 else pi
                drive = box(
                    3.2, 9, x + plot * 0.36, row * step + side * (street / 2 + 4)
                )
                if b.put(things.house(b, x, y + b.uniform(-1.5, 1.5), turn)):
                    b.cover("concrete", drive)
                    if b.chance(0.4):
                        u, v = drive[0][0] + 1.6, (drive[0][1] + drive[2][1]) / 2
                        b.put(things.car(b, u, v, pi / 2), spare=0.5)
                if b.chance(0.10):
                    pool = box(8, 4, x, y + side * 14)
                    b.cover("concrete", box(10.5, 6.5, x, y + side * 14))
                    b.cover("water", pool, (84, 168, 186))
        for lane in (-2.9, 2.9):
            for x in range(int(-reach), int(reach), 9):
                if b.chance(0.14):
                    y = row * step + lane
                    b.put(
                        things.car(b, x + b.uniform(0, 3), y, 0.0 if lane > 0 else pi),
                        0.5,
                    )
    for _ in range(int(reach * 0.9)):
        b.put(
            things.tree(b, b.uniform(-reach, reach), b.uniform(-reach, reach)), spare=0
        )


def tank_farm(b: Builder) -> None:
    """Storage tanks in rows within dikes, beside halls and a yard with lorries."""
    b.cover("gravel", colour=b.jittered((156, 148, 134), 10))
    reach = b.reach
    b.cover(
        "grass",
        (
            (-reach, -reach),
            (reach, -reach),
            (reach, -0.55 * reach),
            (-reach, -0.55 * reach),
        ),
    )
    radius = b.uniform(7, 24)
    gap = radius * b.uniform(2.5, 3.2)
    right = b.uniform(0.0, 0.35) * reach
    y = -0.5 * reach + gap
    while y < 0.85 * reach:
        r = radius * b.uniform(0.75, 1.05)
        b.cover(
            "concrete",
            box(reach + right, gap * 0.92, (right - reach) / 2, y),
            b.jittered((176, 168, 150), 6),
        )
        x = -reach + gap
        while x < right - gap / 2:
            if b.chance(0.86):
                b.put(things.tank(b, x, y, r), spare=2)
            x += gap
        y += gap * 1.1
    b.road(((right + 6, -reach), (right + 6, reach)), 9)
    _traffic(b, right + 6, 1.0, 50)
    y = -0.5 * reach
    while y < reach:
        length, width = b.uniform(28, 60), b.uniform(16, 28)
        b.put(
            things.hall(b, right + 22 + length / 2, y + width / 2, 0, length, width),
            spare=3,
        )
        y += width + b.uniform(10, 22)
    for _ in range(8):
        x, y = right + b.uniform(18, 80), b.uniform(-0.5, 0.9) * reach
        b.put(things.truck(b, x, y, float(b.rng.choice((0, pi / 2)))), spare=2)


def sports(b: Builder) -> None:
    """Courts, diamonds, a track and a car park in a park."""
    b.cover("grass", colour=b.jittered((98, 118, 70), 8))
    reach = b.reach
    b.road(((-reach, -0.42 * reach), (reach, -0.42 * reach)), 8)
    b.road(((0.02 * reach, -0.42 * reach), (0.02 * reach, reach)), 4, "concrete")
    makers: list[Callable[[float, float], bool]] = []

    def tennis(x: float, y: float) -> bool:
        pitch = b.uniform(14.5, 18)
        names = list(COURTS)
        name, other = (names[int(i)] for i in b.rng.integers(0, len(names), 2))
        outer = b.jittered(COURTS[other], 8)
        done = False
        for step in range(int(b.rng.integers(2, 6))):
            at = y + pitch * step - 30
            court = grounds.tennis_court(b, x, at, 0.0, name, outer)
            if b.put(court, spare=0.3):
                b.cover("court", box(38, pitch + 3, x, at), outer)
                done = True
        return done

    def basket(x: float, y: float) -> bool:
        on_asphalt = b.chance(0.5)
        around = b.jittered((116, 116, 116), 8)
        done = False
        for step in range(int(b.rng.integers(1, 4))):
            at = y + 20 * step - 15
            if b.put(grounds.basketball_court(b, x, at, 0.0), spare=0.5):
                if on_asphalt:
                    b.cover("asphalt", box(36, 24, x, at), around)
                done = True
        return done

    def diamond(x: float, y: float) -> bool:
        turn = float(b.rng.choice((0, pi / 2, pi, -pi / 2)))
        done = b.put(grounds.baseball_diamond(b, x, y, turn), spare=3)
        if done and b.chance(0.6):  # a lawn of its own up to the fence
            arc = [turn - pi / 4 + pi / 2 * step / 12 for step in range(13)]
            home = (x - 24 * cos(turn), y - 24 * sin(turn))
            reach_m = b.uniform(75, 105)
            fence = [
                (home[0] + reach_m * cos(t), home[1] + reach_m * sin(t)) for t in arc
            ]
            b.cover(
                "grass", (home, *fence), b.jittered((84, 112, 60), 10), only="grass"
            )
        return done

    def track(x: float, y: float) -> bool:
        return b.put(grounds.track_field(b, x, y, pi / 2 * int(b.chance(0.5))), spare=3)

    makers = [tennis, diamond, basket, tennis, diamond]
    if reach > 95:
        track(b.uniform(-0.35, 0.35) * reach, b.uniform(0.1, 0.45) * reach)
    for index in b.rng.permutation(len(makers)):
        for _ in range(5):
            if makers[int(index)](
                b.uniform(-0.65, 0.65) * reach, b.uniform(-0.25, 0.65) * reach
            ):
                break
    _parking(b, b.uniform(-0.3, 0.3) * reach, -0.42 * reach - 26, 60, 36, 0.6)
    for _ in range(int(reach * b.uniform(0.5, 2.5))):
        b.put(
            things.tree(b, b.uniform(-reach, reach), b.uniform(-reach, reach)), spare=1
        )


def parking(b: Builder) -> None:
    """A large car park beside a hall."""
    b.cover("asphalt", colour=b.jittered((112, 112, 113), 10))
    reach = b.reach
    hall_y = -reach * b.uniform(0.45, 0.7)
    b.put(things.hall(b, 0, hall_y - 25, 0, 1.6 * reach, 45), spare=2, seen=0.1)
    b.cover("concrete", box(2 * reach, 8, 0, hall_y + 4))
    share = b.uniform(0.25, 0.85)
    _parking(b, 0, (hall_y + 10 + reach) / 2, 2 * reach, reach - hall_y - 14, share)


LAYOUTS: dict[str, tuple[Callable[[Builder], None], float, float]] = {
    # Function, and the range of the ground sample distance that it is drawn at, m/px.
    "farmland": (farmland, 0.8, 2.0),
    "residential area": (residential, 0.3, 0.6),
    "tank farm": (tank_farm, 0.5, 1.2),
    "sports ground": (sports, 0.4, 0.9),
    "parking lot": (parking, 0.15, 0.35),
    "airport": (airport, 0.6, 1.4),
    "harbour": (harbour, 0.5, 1.5),
    "river": (river, 0.6, 1.5),
}


def _parking(
    b: Builder, x: float, y: float, length: float, width: float, share: float
) -> None:
    """Lay out rows of parking slots, this share of them taken."""
    b.cover("asphalt", box(length, width, x, y))
    bay, slot, aisle = 5.4, 2.7, 7.0
    rows = max(1, int(width / (2 * bay + aisle)))
    for row in range(rows):
        middle = y - width / 2 + (row + 0.5) * (width / rows)
        for side in (1, -1):
            centre = middle + side * bay / 2
            count = int(length / slot) - 1
            for number in range(count):
                u = x - length / 2 + slot * (number + 1)
                if number % 24 == 23 or not b.in_view(u, centre, 3):
                    continue
                if b.gsd_m < 0.4:
                    b.cover(
                        "asphalt", box(0.14, bay, u - slot / 2, centre), (205, 205, 200)
                    )
                if b.chance(share):
                    turn = side * pi / 2 + (pi if b.chance(0.5) else 0)
                    car = things.car(
                        b, u + b.uniform(-0.2, 0.2), centre + b.uniform(-0.3, 0.3), turn
                    )
                    b.put(car, spare=0.3)


def _traffic(b: Builder, x: float, share: float, gap: float) -> None:
    """Put vehicles on both lanes of a road along y."""
    y = -b.reach
    while y < b.reach:
        y += b.uniform(0.5, 1.5) * gap
        if b.chance(share * 0.6):
            side = 1 if b.chance(0.5) else -1
            make = things.truck if b.chance(0.25) else things.car
            b.put(make(b, x + side * 1.8, y, side * pi / 2), spare=1)


def _split(
    b: Builder, whole: tuple[float, float, float, float], least: float
) -> list[tuple[float, float, float, float]]:
    """Cut a rectangle again and again, until the parts are about ``least`` m wide."""
    x0, y0, x1, y1 = whole
    width, height = x1 - x0, y1 - y0
    if max(width, height) < 2.1 * least or (
        max(width, height) < 3 * least and b.chance(0.3)
    ):
        return [whole]
    cut = b.uniform(0.35, 0.65)
    if width > height:
        middle = x0 + cut * width
        return _split(b, (x0, y0, middle, y1), least) + _split(
            b, (middle, y0, x1, y1), least
        )
    middle = y0 + cut * height
    return _split(b, (x0, y0, x1, middle), least) + _split(
        b, (x0, middle, x1, y1), least
    )


def _tone(b: Builder, kind: str) -> tuple[float, float, float]:
    """Return a colour of a field: crops differ more than the soil below them."""
    tones = {
        "crop": [(84, 116, 52), (120, 134, 70), (70, 98, 54), (150, 146, 86)],
        "soil": [(146, 118, 92), (120, 98, 80), (166, 142, 116)],
        "grass": [(98, 116, 68), (112, 122, 80)],
        "dry grass": [(164, 150, 110), (178, 164, 124)],
    }[kind]
    return b.jittered(tones[int(b.rng.integers(len(tones)))], 8)


def _wobbly(b: Builder, x: float, y: float, radius: float) -> Ring:
    """Return an uneven disc."""
    ring = things.disc(radius, 0, 0, 18)
    return tuple(
        (x + u * b.uniform(0.75, 1.15), y + v * b.uniform(0.75, 1.15)) for u, v in ring
    )
