"""Place questions: answers follow from the georeference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio import Affine

from rsvlm.eval.convert import places
from rsvlm.raster import Raster

#: Upper left corner of the tile in World Mercator, and its nominal pixel.
TILE_TRANSFORM = [10.0, 0.0, -10964000.0, 0.0, -10.0, 3410000.0]


def _scene(tree: Any, name: str, crs: str | None = "EPSG:4326") -> Path:
    """Write 100 x 50 px of 0.001 degrees around 8.425 S, 74.45 W."""
    path: Path = tree.at(f"scenes/{name}")
    options = {"crs": crs, "transform": Affine(0.001, 0, -74.5, 0, -0.001, -8.4)}
    with rasterio.open(
        path, "w", driver="GTiff", width=100, height=50, count=3, dtype="uint8",
        **(options if crs else {}),
    ) as dataset:  # fmt: skip
        dataset.write(np.full((3, 50, 100), 7, dtype=np.uint8))
    return path


def _right(sample: Any) -> str:
    return str(sample.options["ABCD".index(sample.answers[0])])


def test_answers_follow_from_the_georeference(tree: Any) -> None:
    _scene(tree, "landsat_pucallpa_1985.tif")
    samples = {s.type: s for s in places.convert(tree.root)}
    assert {kind: _right(s) for kind, s in samples.items()} == {
        "country": "Peru",
        "place": "Pucallpa, Ucayali",
        "centre": "8.43 S, 74.45 W",
        # 0.001 degrees are 110 m at most; 100 of them across, 110 m x cos(8.4).
        "pixel size": "110 m",
        "width": "11 km",
    }
    for sample in samples.values():
        assert len(set(sample.options)) == 4
        assert sample.images[0].path == "images/places/landsat_pucallpa_1985.tif"
        assert sample.task == "vqa"


def test_labels_unknown_files_and_files_without_a_place_are_left_out(tree: Any) -> None:
    _scene(tree, "sen1floods11_Spain_1_label.tif")
    _scene(tree, "somewhere.tif")
    _scene(tree, "landsat_pucallpa_2000.tif")
    assert {s.images[0].path for s in places.convert(tree.root)} == {
        "images/places/landsat_pucallpa_2000.tif"
    }


def test_right_letters_differ(tree: Any) -> None:
    for year in range(1990, 2000):
        _scene(tree, f"landsat_pucallpa_{year}.tif")
    letters = [s.answers[0] for s in places.convert(tree.root)]
    assert {letter: letters.count(letter) > 4 for letter in "ABCD"} == dict.fromkeys(
        "ABCD", True
    )


def test_tiles_become_files_with_their_own_grid(tree: Any, tmp_path: Path) -> None:
    _scene(tree, "landsat_pucallpa_1985.tif")
    tree.optical_sar([("060", "test", TILE_TRANSFORM)], side=64)
    samples = [s for s in places.convert(tree.root) if "san_antonio" in s.id]
    assert _right(samples[0]) == "United States"
    pictures = dict(places.pictures(tree.root))
    path = tmp_path / "tile.tif"
    path.write_bytes(pictures[samples[0].images[0].path])
    with Raster.open(path) as raster:
        assert (raster.width, raster.height) == (64, 64)
        assert raster.crs == "EPSG:3395"
        # 10 m on the map of Mercator are 8.7 m on the ground of San Antonio.
        assert raster.gsd == pytest.approx(samples[0].images[0].gsd_m, abs=1e-3)
        assert raster.gsd == pytest.approx(8.7, abs=0.1)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (89.22, "89 m"), (0.1, "10 cm"), (8.309, "8.3 m"), (995.0, "1000 m"),
        (25524.0, "26 km"), (1000.0, "1 km"), (0.004, "0.4 cm"), (1.25e6, "1200 km"),
    ],
)  # fmt: skip
def test_lengths_have_two_digits(length: float, words: str) -> None:
    assert places.metres(length) == words
