"""Drawn scenes: the same for a seed, exact in what they say is there."""

import math

import numpy as np
import pytest
from shapely import Polygon

from rsvlm.data_engine.synth import grounds, optical, radar, truth
from rsvlm.data_engine.synth.draw import SIDES, draw
from rsvlm.data_engine.synth.layouts import LAYOUTS
from rsvlm.data_engine.synth.scene import CELL_M, GROUND, KINDS, Builder, Scene, Thing
from rsvlm.data_engine.synth.things import box, disc, ship, thing


def _builder(side: int = 100, gsd_m: float = 1.0, angle: float = 0.0) -> Builder:
    return Builder(np.random.default_rng(0), side, gsd_m, angle)


@pytest.mark.parametrize("index", range(len(LAYOUTS)))
def test_a_number_is_a_scene(index: int) -> None:
    first, again, other = draw(index), draw(index), draw(index, salt=1)
    assert first.things == again.things
    assert np.array_equal(first.tint, again.tint)
    assert not np.array_equal(first.tint.shape, other.tint.shape) or not np.array_equal(
        first.tint, other.tint
    )
    pictures = [
        optical.render(scene, np.random.default_rng(7)) for scene in (first, again)
    ]
    assert np.array_equal(pictures[0], pictures[1])
    assert pictures[0].shape == (first.side, first.side, 3)
    assert 20 < pictures[0].mean() < 220
    assert pictures[0].std() > 5


def test_labelled_things_do_not_overlap() -> None:
    for index in range(len(LAYOUTS)):
        scene = draw(index, salt=3)
        shapes = [Polygon(t.ring).buffer(0) for t in scene.things if t.label][:60]
        for number, one in enumerate(shapes):
            for other in shapes[:number]:
                shared = one.intersection(other).area
                assert shared < 0.12 * min(one.area, other.area), scene.kind


def test_metres_become_pixels_of_a_turned_scene() -> None:
    builder = _builder(side=100, gsd_m=0.5, angle=math.pi / 2)
    # 10 m along x point down after a quarter turn clockwise: 20 px below the middle.
    assert builder.to_px([(10, 0)])[0] == pytest.approx((50, 70))


def test_a_thing_that_is_hardly_seen_or_touches_is_refused() -> None:
    builder = _builder()
    first = thing(builder, "ship", (0, 0, 0), box(20, 10), (1, 2, 3), 3)
    assert builder.put(first)
    assert not builder.put(first)
    beside = thing(builder, "ship", (0, 16, 0), box(20, 10), (1, 2, 3), 3)
    assert builder.put(beside)
    outside = thing(builder, "ship", (55, 0, 0), box(20, 10), (1, 2, 3), 3)
    assert not builder.put(outside)
    assert builder.things == [first, beside]


def _scene(
    *things: Thing, ground: str = "grass", side: int = 100, **more: float
) -> Scene:
    builder = _builder(side)
    builder.cover(ground)
    for one in things:
        assert builder.put(one)
    scene = builder.finish("harbour")
    fields = {
        "look": 0.0,
        "incidence": math.pi / 4,
        "sun": 0.0,
        "sun_height": math.pi / 4,
    }
    return Scene(
        **{name: getattr(scene, name) for name in scene.__slots__} | fields | more
    )


def test_targets_are_cut_at_the_border() -> None:
    builder = _builder()
    # 20 x 10 m at the right border, whose last 4 px lie outside.
    scene = _scene(thing(builder, "ship", (44, 0, 0), box(20, 10), (9, 9, 9), 3))
    (target,) = truth.targets(scene, ["ship"])
    assert target.hbb == (84.0, 45.0, 100.0, 55.0)
    assert truth.targets(scene, ["airplane"]) == ()


def test_masks_are_the_ground() -> None:
    builder = _builder(40)
    builder.cover("grass")
    builder.cover("water", box(20, 20))
    builder.put(thing(builder, "ship", (0, 0, 0), box(10, 4), (9, 9, 9), 3))
    builder.put(thing(builder, "building", (0, 15, 0), box(6, 6), (9, 9, 9), 3))
    scene = builder.finish("river")
    from pycocotools import mask

    masks = truth.masks(scene)
    assert sorted(masks) == ["built-up land", "vegetation", "water"]
    areas = {n: mask.decode(m.model_dump()).astype(bool) for n, m in masks.items()}
    # 20 x 20 of water with a ship of 10 x 4 on it, a house of 6 x 6 on grass.
    assert areas["water"].sum() == 400 - 40
    assert areas["built-up land"].sum() == 36
    assert areas["vegetation"].sum() == 1600 - 400 - 36
    assert areas["water"][10:18, 10:30].all()


def test_a_shadow_falls_away_from_the_sun() -> None:
    builder = _builder()
    tower = thing(builder, "storage tank", (0, 0, 0), disc(8), (120, 130, 90), 20)
    light = optical._shadows(_scene(tower))
    assert light[50, 72].max() < 0.6  # 20 m high, the sun at 45 degrees: 20 px
    assert light[50, 82].min() == 1
    assert light[50, 30].min() == 1


def test_headings_are_clockwise_from_up() -> None:
    builder = _builder(angle=0.0)
    assert ship(builder, 0, 0, 0.0, 60).heading == pytest.approx(90)
    assert ship(builder, 0, 0, math.pi / 2, 60).heading == pytest.approx(180)


# --- radar ------------------------------------------------------------------------


def _bands(
    scene: Scene, seed: int = 0
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return radar.render(scene, np.random.default_rng(seed))


def test_the_ground_has_the_backscatter_of_its_kind() -> None:
    for kind in ("water", "forest", "asphalt"):
        vv, vh = _bands(_scene(ground=kind))
        mean_vv, mean_vh = (10 * np.log10((10 ** (b / 10)).mean()) for b in (vv, vh))
        floor = 10 * np.log10(10 ** (GROUND[kind].vh / 10) + 10**-3.0)
        assert mean_vv == pytest.approx(max(GROUND[kind].vv, -22), abs=5), kind
        assert mean_vh == pytest.approx(floor, abs=5), kind
        assert mean_vv > mean_vh


def test_speckle_multiplies() -> None:
    vv, vh = 10 ** (_bands(_scene(ground="grass")) / 10)
    # Of L looks the deviation over the mean is 1 / sqrt(L), before texture.
    assert 0.25 < vv.std() / vv.mean() < 1.2
    assert abs(np.corrcoef(vv.ravel(), vh.ravel())[0, 1]) < 0.5


def test_what_stands_high_is_laid_over_and_hides_what_is_behind() -> None:
    builder = _builder()
    hall = thing(builder, "building", (0, 0, 0), box(20, 40), (9, 9, 9), 12, echo=6.0)
    # The beam travels to the right at 45 degrees: 12 px of layover and of shadow.
    power = 10 ** (_bands(_scene(hall, ground="grass")) / 10)[0]
    ground = power[40:60, 5:20].mean()
    assert power[40:60, 30:40].mean() > 2 * ground
    assert power[40:60, 62:70].mean() < 0.35 * ground
    assert power[40:60, 78:95].mean() == pytest.approx(ground, rel=0.7)


def test_the_wall_towards_the_sensor_is_the_bright_one() -> None:
    square = ((0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0))
    left = radar._facing(square, (0, 4), (0, 0), 0.0)
    right = radar._facing(square, (4, 0), (4, 4), 0.0)
    assert left == pytest.approx(1)
    assert right == pytest.approx(-1)
    backwards = square[::-1]
    assert radar._facing(backwards, (0, 0), (0, 4), 0.0) == pytest.approx(1)


def test_radar_labels_hold_the_top_that_is_laid_over() -> None:
    builder = _builder()
    hall = thing(builder, "building", (0, 0, 0), box(20, 40), (9, 9, 9), 12)
    (target,) = truth.targets(_scene(hall), ["building"], radar.outline)
    # Its foot is 40 to 60; the top lies 12 px towards the sensor, at the left.
    assert target.hbb == pytest.approx((28, 30, 60, 70), abs=0.1)
    (foot,) = truth.targets(_scene(hall), ["building"])
    assert foot.hbb == (40, 30, 60, 70)


def test_places_of_scenes_do_not_overlap() -> None:
    scenes = [
        draw(n, salt, kinds=("farmland",)) for salt in (0, 2) for n in (0, 1, 200)
    ]
    assert len({scene.origin for scene in scenes}) == 6
    assert max(scene.side * scene.gsd_m for scene in scenes) < CELL_M
    (widest, *_) = sorted((high for _, _, high in LAYOUTS.values()), reverse=True)
    assert max(SIDES) * widest < CELL_M


@pytest.mark.parametrize("index", [36, 1554])
def test_piers_that_reach_far_out_leave_room_for_ships(index: int) -> None:
    # Radar scenes whose ships had no place left, so that drawing them failed.
    scene = draw(index, salt=2, kinds=("harbour",), finest_m=0.6)
    assert scene.kind == "harbour"


def test_what_stands_on_a_deck_answers_and_bare_deck_does_not() -> None:
    builder = _builder()
    ring = box(60, 20)
    bare = thing(builder, "ship", (0, 0, 0), ring, (9, 9, 9), 4.0)
    blocks = [(box(8, 12, u), (9.0, 9.0, 9.0)) for u in (-18, 0, 18)]
    loaded = thing(builder, "ship", (0, 0, 0), ring, (9, 9, 9), 4.0, blocks)

    def unevenness(one: Thing) -> float:
        inside = (slice(44, 56), slice(28, 72))
        rows = [
            (10 ** (_bands(_scene(one), seed)[0][inside] / 10)).mean(0)
            for seed in range(12)
        ]
        along = np.mean(rows, 0)
        return float(along.std() / along.mean())

    assert unevenness(loaded) > 2 * unevenness(bare)


def test_vehicles_do_not_outshine_ships() -> None:
    builder = _builder()
    points = ((-1.0, 0.0), (1.0, 0.0))
    brightest = {}
    for label, height in (("vehicle", 1.5), ("ship", 8.0)):
        one = thing(builder, label, (0, 0, 0), box(4, 2), (9, 9, 9), height, (), points)
        peaks = [_bands(_scene(one), seed)[0].max() for seed in range(12)]
        brightest[label] = float(np.median(peaks))
    assert brightest["ship"] > brightest["vehicle"] + 3


# --- grounds ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_nothing_of_a_court_or_an_infield_leaves_its_outline(seed: int) -> None:
    builder = Builder(np.random.default_rng(seed), 400, 0.5, 0.3)
    made = (
        grounds.tennis_court(builder, 0, 0, 0.4, "green", (90, 90, 90)),
        grounds.basketball_court(builder, 0, 0, 0.4),
        grounds.baseball_diamond(builder, 0, 0, 0.4),
        grounds.track_field(builder, 0, 0, 0.4),
    )
    for one in made:
        outline = Polygon(one.ring)
        assert outline.is_valid
        for part in one.parts:
            # Lines are as wide as they must be to be seen.
            assert outline.buffer(1.5).contains(Polygon(part.ring)), one.label


def test_tennis_courts_of_a_row_share_their_ground() -> None:
    courts = 0
    for index in range(20):
        scene = draw(index * len(LAYOUTS) + 3)
        assert scene.kind == "sports ground"
        shapes = [
            Polygon(t.ring).buffer(0) for t in scene.things if t.label == "tennis court"
        ]
        courts += len(shapes)
        for one in shapes:
            x, y = one.centroid.coords[0]
            if 0 <= x < scene.side and 0 <= y < scene.side:
                assert KINDS[scene.ground[int(y), int(x)]] == "court"
            # A court of 27 x 13.5 m, not the ground around it.
            assert one.area * scene.gsd_m**2 == pytest.approx(27 * 13.5, rel=0.01)
    assert courts > 20
