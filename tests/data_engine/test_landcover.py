"""The rule on colour and texture: what it calls water, plants, town and soil."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pycocotools import mask as coco

from rsvlm.data_engine.landcover import (
    BARE,
    BUILT_UP,
    UNKNOWN,
    VEGETATION,
    WATER,
    cover_map,
    main_class,
    masks,
    shares,
)

Colour = tuple[int, int, int]


def _ground(colour: Colour, texture: float, side: int = 32) -> NDArray[np.uint8]:
    """Return ground whose brightness varies by so many counts."""
    noise = np.random.default_rng(0).normal(0, texture, (side, side, 1))
    return (np.array(colour) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("colour", "texture", "expected"),
    [
        # Means of cells of the real tiles, and how rough these are.
        ((40, 82, 120), 1, WATER),  # the sea off Long Beach
        ((45, 96, 100), 1, WATER),  # Lake Elsinore, with algae
        ((33, 60, 90), 0, WATER),  # Canyon Lake
        ((51, 82, 103), 5, VEGETATION),  # a wood of San Antonio
        ((37, 69, 93), 1, VEGETATION),  # a wood in the shade
        ((71, 112, 121), 15, VEGETATION),  # a park
        ((66, 116, 114), 5, VEGETATION),  # a green field, as green as algae
        ((139, 155, 167), 19, BUILT_UP),  # houses
        ((136, 152, 167), 55, BUILT_UP),  # houses and trees
        ((192, 203, 210), 40, BUILT_UP),  # halls
        ((121, 121, 137), 30, BARE),  # chaparral on the hills
        ((112, 116, 141), 4, BARE),  # a ploughed field
        ((42, 72, 115), 10, UNKNOWN),  # a breakwater and the sea
    ],
)
def test_ground_of_the_real_tiles(
    colour: Colour, texture: float, expected: int
) -> None:
    cells = cover_map(_ground(colour, texture))
    assert cells.shape == (2, 2)
    assert (cells == expected).all()


def test_every_cell_has_its_own_class_and_a_rest_is_left_out() -> None:
    picture = np.hstack([_ground((40, 82, 120), 1), _ground((139, 155, 167), 19)])
    cells = cover_map(np.pad(picture, ((0, 9), (0, 15), (0, 0))))
    assert cells.tolist() == [[WATER, WATER, BUILT_UP, BUILT_UP]] * 2


def test_shares_are_of_what_is_known() -> None:
    cells = np.array([[WATER, WATER, WATER], [BARE, UNKNOWN, UNKNOWN]], np.int8)
    cover = shares(cells)
    assert cover == {
        "water": 0.75,
        "vegetation": 0,
        "built-up land": 0,
        "bare or dry ground": 0.25,
    }
    assert main_class(cover) == "water"


def test_masks_are_cells_at_the_size_of_the_picture() -> None:
    cells = np.array([[WATER, UNKNOWN], [BARE, WATER]], np.int8)
    drawn = {
        name: coco.decode({"size": rle.size, "counts": rle.counts})
        for name, rle in masks(cells, (32, 33)).items()
    }
    assert set(drawn) == {"water", "bare or dry ground"}
    expected = np.zeros((32, 33), np.uint8)
    expected[:16, :16] = expected[16:, 16:32] = 1
    assert (drawn["water"] == expected).all()
    assert drawn["bare or dry ground"].sum() == 16 * 16


def test_ground_that_is_mostly_unknown_has_no_shares() -> None:
    cells = np.array([[WATER, UNKNOWN, UNKNOWN]], np.int8)
    assert shares(cells) == {}
    assert main_class({}) is None
