"""Thresholds, scales and maps of change, on numbers that can be worked by hand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rsvlm.change_maps import (
    ChangeMap,
    echo_changes,
    light_changes,
    otsu,
    robust,
    scale_onto,
    thresholds,
)

Layers = dict[str, NDArray[np.float32]]
#: Red, green, blue, near infrared of four surfaces, 8 bit.
SURFACES = {
    "water": (40, 60, 55, 15),
    "plants": (50, 80, 45, 190),
    "soil": (130, 120, 100, 150),
    "roof": (215, 210, 205, 230),
}


def scene(*rows: str, seed: int = 0) -> Layers:
    """Make layers from rows of surfaces such as ``"wwps"``, 10 pixels a letter."""
    names = {name[0]: np.array(v) for name, v in SURFACES.items()}
    cells = np.array([[names[letter] for letter in row] for row in rows])  # (h, w, 4)
    pixels = np.kron(cells.transpose(2, 0, 1), np.ones((1, 10, 10)))
    noise = np.random.default_rng(seed).normal(0, 2, pixels.shape)
    layers = (pixels + noise).astype(np.float32)
    return dict(zip(("red", "green", "blue", "nir"), layers, strict=True))


def covered(maps: list[ChangeMap], label: str) -> NDArray[np.float64]:
    """Return the share of each letter of the scene that a kind of change covers."""
    (found,) = [m for m in maps if m.label == label]
    h, w = (side // 10 for side in found.cover.shape)
    return np.asarray(found.cover.reshape(h, 10, w, 10).mean(axis=(1, 3)))


def everywhere(layers: Layers) -> NDArray[np.bool_]:
    return np.ones(layers["red"].shape, dtype=bool)


def test_each_change_has_its_kind() -> None:
    before = scene("wwpppss", "wpppsss", "pppssss")
    after = scene("wppwpsr", "wpppsps", "spppsss", seed=1)
    #              .L.W..B    .....V.   X..V...   L water lost, V vegetation gained
    maps = light_changes(before, after, everywhere(before))
    wanted = {
        "water gained": [(0, 3)],
        "water lost": [(0, 1)],
        "vegetation gained": [(1, 5), (2, 3)],
        "vegetation lost": [(2, 0)],
        "surface brighter": [(0, 6)],
        "surface darker": [],
    }
    assert [m.label for m in maps] == list(wanted)
    for label, cells in wanted.items():
        share = covered(maps, label)
        true = np.zeros_like(share)
        for cell in cells:
            true[cell] = 1
        assert np.abs(share - true).max() < 0.05, label
    for found in maps:
        assert (found.strength[found.cover] > 1).all()
    total = np.sum([m.cover for m in maps], axis=0)
    assert total.max() == 1  # no pixel changed in two ways


def test_another_exposure_is_no_change() -> None:
    before = scene("wwpppss", "wpppsss", "pppssss")
    again = scene("wwpppss", "wpppsss", "pppssss", seed=1)
    brighter = {name: 1.3 * layer + 20 for name, layer in again.items()}
    for after in (again, brighter):
        for found in light_changes(before, after, everywhere(before)):
            assert found.cover.mean() < 0.002, found.label


def test_everything_flooded() -> None:
    # No date has two groups of its own; both together do.
    before, after = scene("ss", "pp"), scene("ww", "ww")
    maps = light_changes(before, after, everywhere(before))
    assert covered(maps, "water gained").min() > 0.99


def test_short_wave_infrared_tells_turbid_water() -> None:
    # A muddy river reflects near infrared like its banks, but no short waves.
    shape = (20, 40)
    left = np.arange(40) < 20
    river = np.tile(left, (20, 1))
    noise = np.random.default_rng(0).normal(0, 1, shape)
    dry = {
        "green": np.full(shape, 60.0) + noise,
        "nir": np.full(shape, 70.0) + noise,
        "swir": np.full(shape, 120.0) + noise,
    }
    wet = {**dry, "swir": np.where(river, 20.0, 120.0) + noise}
    maps = light_changes(dry, wet, np.ones(shape, dtype=bool))
    assert np.array_equal(maps[0].cover, river)
    del dry["swir"], wet["swir"]
    maps = light_changes(dry, wet, np.ones(shape, dtype=bool))
    assert not maps[0].cover.any()


def test_colours_alone_know_no_water() -> None:
    before, after = scene("wpps", "wpss"), scene("wwps", "wpsp", seed=1)
    for date in (before, after):
        del date["nir"]
    maps = light_changes(before, after, everywhere(before))
    labels = [m.label for m in maps]
    assert labels[0] == "vegetation gained"
    assert "water gained" not in labels
    assert covered(maps, "vegetation gained")[1, 3] > 0.9


def test_gray_levels_know_brightness_only() -> None:
    before, after = scene("ssss", "ssss"), scene("ssrs", "sswp", seed=1)
    dates = [{"gray": date["red"]} for date in (before, after)]
    maps = light_changes(dates[0], dates[1], everywhere(before))
    assert [m.label for m in maps] == ["surface brighter", "surface darker"]
    assert covered(maps, "surface brighter")[0, 2] > 0.95
    assert covered(maps, "surface darker")[1].tolist() == pytest.approx([0, 0, 1, 1])


def test_missing_pixels_take_no_part() -> None:
    before, after = scene("wwps", "wpps"), scene("wpps", "wpps", seed=1)
    valid = everywhere(before)
    valid[:, 12:] = False
    for layers in (before, after):
        for layer in layers.values():
            layer[~valid] = np.nan
    for found in light_changes(before, after, valid):
        assert not found.cover[~valid].any()
    maps = light_changes(before, after, valid)
    assert maps[1].cover[:10, 10:12].all()


def test_threshold_lies_between_the_groups() -> None:
    rng = np.random.default_rng(0)
    groups = [rng.normal(-0.4, 0.05, 900), rng.normal(0.6, 0.05, 100)]
    values = np.concatenate(groups)
    # Anything between the groups parts them alike: the middle of the gap is taken.
    assert otsu(values, -1, 1, 0.3) == pytest.approx(0.1, abs=0.05)
    assert otsu(values, 0.2, 0.5, 0.3) == pytest.approx(0.32, abs=0.06)
    assert otsu(values, -1, 1, 1.2) is None
    assert otsu(groups[0], 0, 0.5, 0.3) is None
    assert otsu(np.array([]), 0, 0.5, 0.3) is None


def test_thresholds_of_two_dates() -> None:
    low, high = np.full(50, -0.4), np.full(50, 0.6)
    mixed, shifted = np.concatenate([low, high]), np.concatenate([low, high]) / 2
    own = thresholds(mixed, shifted, 0, 0.5, 0.3)
    assert own[0] > own[1]
    assert thresholds(low, low, 0, 0.5, 0.3) == (0.5, 0.5)
    first, second = thresholds(low, high, 0, 0.5, 0.3)
    assert first == second == pytest.approx(0.25)  # the middle of 0 to 0.5


def test_scale_is_not_bent_by_what_changed() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(20, 200, (2, 5000)).astype(np.float32)
    after = np.stack([0.8 * before[0] + 15, 1.5 * before[1] - 10])
    after += rng.normal(0, 1, after.shape).astype(np.float32)
    after[:, :1500] = 250  # 30 % became white
    fits = scale_onto(before, after)
    assert fits[0] == pytest.approx((0.8, 15), abs=0.6)
    assert fits[1] == pytest.approx((1.5, -10), abs=1.2)
    flat = np.full((1, 10), 7, dtype=np.float32)
    assert scale_onto(flat, flat + 5) == [(1.0, 5.0)]


def test_robust_spread() -> None:
    values = np.array([1, 2, 3, 4, 100], dtype=np.float32)
    assert robust(values) == pytest.approx((3, 1.4826))
    assert robust(values[:0]) == (0, 0)


def test_radar_echo_by_ratio() -> None:
    rng = np.random.default_rng(0)
    shape = (80, 100)

    def date(level: NDArray[np.float64]) -> Layers:
        speckle = rng.gamma(4.4, 1 / 4.4, shape)  # as of Sentinel-1 GRD
        return {"VV": (level + 10 * np.log10(speckle)).astype(np.float32)}

    level = np.full(shape, -10.0)
    flooded = level.copy()
    flooded[20:50, 30:70] = -20
    valid = np.ones(shape, dtype=bool)
    before, after = date(level), date(flooded + 1.5)  # the whole scene 1.5 dB brighter
    stronger, weaker = echo_changes(before, after, valid)
    true = np.zeros(shape, dtype=bool)
    true[20:50, 30:70] = True
    assert (weaker.cover & true).sum() / (weaker.cover | true).sum() > 0.85
    assert not stronger.cover.any()
    quiet = echo_changes(before, date(level), valid)
    assert not any(found.cover.any() for found in quiet)


def test_radar_mean_is_one_of_power() -> None:
    before = {"VV": np.full((20, 20), -10, dtype=np.float32)}
    mixed = before["VV"].copy()
    mixed[14:, ::2] = -30
    valid = np.ones((20, 20), dtype=bool)
    _, weaker = echo_changes(before, {"VV": mixed}, valid)
    # Where 3 of 5 columns are dark the mean falls by 3.9 dB, where 2 are by 2.2; the
    # least change is 3. A mean of decibels would fall by 12 and by 8.
    assert weaker.cover[16:, 2:-2].mean() == pytest.approx(0.5)
    strength = -10 * np.log10((2 + 3 * 0.01) / 5) / 3
    assert weaker.strength[18, 10] == pytest.approx(strength, rel=1e-4)
    assert not weaker.cover[:12].any()
