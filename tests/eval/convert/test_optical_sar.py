"""Optical/SAR retrieval: pieces of one place point at each other."""

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.errors import ParseError
from rsvlm.eval.convert import optical_sar

TRANSFORM = [10.0, 0.0, 0.0, 0.0, -10.0, 0.0]


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optical_sar, "PIECE", 32)


def test_relevance_is_mutual_and_only_test_tiles_count(tree: Any) -> None:
    tree.optical_sar([("060", "test", TRANSFORM), ("003", "train", TRANSFORM)], side=64)
    samples = {s.id: s for s in optical_sar.convert(tree.root)}
    assert len(samples) == 8
    one = samples["optical-sar-retrieval/optical/060-01"]
    assert one.relevant == {"optical-sar-retrieval/sar/060-01": 1.0}
    assert (one.type, one.images[0].sensor) == ("optical to sar", "optical")
    for id, sample in samples.items():
        (other,) = sample.relevant
        assert samples[other].relevant == {id: 1.0}
        assert samples[other].images[0].sensor != sample.images[0].sensor


def test_uncertain_places_are_left_out(tree: Any) -> None:
    tree.optical_sar([("060", "test", TRANSFORM)], side=64, location_uncertain=True)
    assert list(optical_sar.convert(tree.root)) == []


def test_pieces_are_cut_from_the_tiles(tree: Any) -> None:
    tree.optical_sar([("060", "test", TRANSFORM)], side=64)
    pictures = dict(optical_sar.pictures(tree.root))
    paths = {s.images[0].path for s in optical_sar.convert(tree.root)}
    assert set(pictures) == paths
    whole = np.asarray(Image.open(tree.tile("optical", "060")))
    with Image.open(
        BytesIO(pictures["images/optical_sar/optical/060-10.png"])
    ) as image:
        assert np.array_equal(np.asarray(image), whole[32:, :32])
    with Image.open(BytesIO(pictures["images/optical_sar/sar/060-00.png"])) as image:
        assert image.mode == "L"


def test_a_tile_without_a_grid_is_named(tree: Any) -> None:
    tree.optical_sar([("060", "test", [1, 2])], side=64)
    with pytest.raises(ParseError, match=r"tiles\.json\[0\]: 'transform'"):
        list(optical_sar.convert(tree.root))
