"""Pairs of tiles: pieces of both sensors, splits, places, faults of the files."""

import os
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from rsvlm import assets
from rsvlm.data_engine.records import SPLITS, Record, Split, read_tar
from rsvlm.data_engine.sources import optical_sar as source
from rsvlm.errors import ParseError, SettingsError


def _read(root: Path, split: Split) -> list[Record]:
    return list(source.read(root, split))


def test_splits_follow_the_region_and_a_fixed_list(optical_sar: Path) -> None:
    tiles = {
        split: {record.meta["tile"] for record in _read(optical_sar, split)}
        for split in SPLITS
    }
    assert tiles == {"train": {"048"}, "val": {"030"}, "test": {"219"}}


def test_a_tile_comes_whole_byte_for_byte_and_in_pieces(optical_sar: Path) -> None:
    whole, radar, *pieces = _read(optical_sar, "train")
    assert whole.partner == radar
    for record, sensor in ((whole, "optical"), (radar, "sar")):
        assert record.sensor == sensor
        assert record.name == f"048-{sensor}.webp"
        tar = optical_sar / f"{sensor}_train.tar"
        assert dict(read_tar(tar, ["048.webp"]))["048.webp"] == record.image
        assert (record.width, record.height, record.gsd_m) == (512, 512, 8.3)
        assert not record.cover
        assert not record.is_piece
        assert record.meta["lonlat"] == [10.5, 49.5]
    assert [piece.name for piece in pieces[:4]] == [
        "048-optical-0-0.png",
        "048-sar-0-0.png",
        "048-optical-0-1.png",
        "048-sar-0-1.png",
    ]
    assert len(pieces) == 2 * 4
    assert all(piece.is_piece for piece in pieces)


def test_pieces_are_cut_without_loss_and_keep_their_place(optical_sar: Path) -> None:
    whole, _, *pieces = _read(optical_sar, "train")
    with Image.open(BytesIO(whole.image)) as image:
        optical = np.asarray(image.convert("RGB"))
    for piece in pieces:
        row, column = piece.meta["piece"]
        with Image.open(BytesIO(piece.image)) as image:
            pixels = np.asarray(image)
        if piece.sensor == "optical":
            top, left = 256 * row, 256 * column
            assert (pixels == optical[top : top + 256, left : left + 256]).all()
            assert piece.partner is not None
            assert piece.partner.name == piece.name.replace("optical", "sar")
        else:
            assert pixels.shape == (256, 256)
            assert set(pixels.flat) == ({200} if column else {10})


def test_both_sensors_have_the_cover_of_the_optical_image(optical_sar: Path) -> None:
    for piece in _read(optical_sar, "train")[2:]:
        name = "built-up land" if piece.meta["piece"][1] else "water"
        assert piece.cover[name] > 0.95
        assert piece.meta["labels"].startswith("weak")
        assert piece.meta["cluster"] == "048"


def test_both_whole_tiles_have_masks_of_the_cover(optical_sar: Path) -> None:
    whole, radar, *_ = _read(optical_sar, "train")
    assert whole.masks == radar.masks
    drawn = {
        name: coco.decode({"size": rle.size, "counts": rle.counts}).astype(bool)
        for name, rle in whole.masks.items()
    }
    assert drawn["water"][:, :256].all()
    assert not drawn["water"][:, 256:].any()
    assert drawn["built-up land"][:, 256:].mean() > 0.95
    assert sum(mask.astype(int) for mask in drawn.values()).max() == 1


def test_an_airport_is_in_the_piece_that_holds_it(optical_sar: Path) -> None:
    # 10.75 E, 49.75 N is three quarters to the east and a quarter down.
    found = [r for split in SPLITS for r in _read(optical_sar, split) if r.places]
    assert [r.name for r in found] == ["048-optical-0-1.png", "048-sar-0-1.png"]
    assert {r.places for r in found} == {("airport",)}


def test_a_missing_file_is_told(optical_sar: Path) -> None:
    (optical_sar / "sar_train.tar").unlink()
    with pytest.raises(SettingsError, match=r"sar_train\.tar"):
        _read(optical_sar, "train")


@pytest.mark.parametrize("text", ["[{}]", "no json", '{"a": 1}', "[3]"])
def test_a_garbled_list_is_told(optical_sar: Path, text: str) -> None:
    (optical_sar / "tiles.json").write_text(text)
    with pytest.raises(ParseError, match=r"tiles\.json"):
        _read(optical_sar, "train")


def test_a_tile_that_is_no_image_is_told(optical_sar: Path) -> None:
    tar = optical_sar / "optical_train.tar"
    data = tar.read_bytes()
    tar.write_bytes(data.replace(b"WEBP", b"WEPB"))
    with pytest.raises(ParseError, match="no image"):
        _read(optical_sar, "train")


def test_the_real_tiles_are_split_as_stated() -> None:
    data = Path(os.environ.get("RSVLM_DATA", Path(__file__).parents[3] / "shared/data"))
    if not data.is_dir() or not assets.cached("airports"):
        pytest.skip("the tiles or the list of airports are not there")
    tiles = source.read_tiles(data / "optical_sar" / "tiles.json")
    split = {tile.name: source._split(tile) for tile in tiles}
    assert Counter(split.values()) == {"train": 60, "val": 8, "test": 16}
    assert "130" not in split
    scene = [
        "048",
        "049",
        "050",
        "061",
        "062",
        "063",
        "074",
        "075",
        "076",
        "087",
        "088",
        "089",
        "100",
        "101",
        "102",
    ]
    assert {split[name] for name in scene} == {"train"}
    # No tile of validation shares ground with one of training.
    boxes = {t.name: (*t.corners[0], *t.corners[2]) for t in tiles}
    for one in source.VAL:
        for other in set(boxes) - source.VAL:
            w, n, e, s = boxes[one]
            west, north, east, south = boxes[other]
            across = min(e, east) - max(w, west)
            along = min(n, north) - max(s, south)
            assert min(across, along) < 1e-4, (one, other)
