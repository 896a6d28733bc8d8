"""Reading NWPU VHR-10: coordinates, splits, same-scene images, broken files."""

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from rsvlm.data_engine.sources import vhr10 as source
from rsvlm.errors import ParseError, SettingsError

Write = Callable[..., Path]


def _stems(root: Path, split: str) -> list[str]:
    return [r.name.split(".")[0] for r in source.read(root, split)]  # type: ignore[arg-type]


def test_boxes_are_half_open_and_rings_run_through_pixel_centres(vhr10: Write) -> None:
    record = next(source.read(vhr10(["001"]), "test"))
    ship = record.targets[0]
    assert ship.label == "ship"
    assert ship.hbb == (4, 2, 10, 5)
    assert ship.polygons == ((4.5, 2.5, 9.5, 2.5, 9.5, 4.5, 4.5, 4.5),)


def test_a_record_holds_the_file_as_it_is(vhr10: Write) -> None:
    record = next(source.read(vhr10(["001"]), "test"))
    assert (record.name, record.width, record.height) == ("901.webp", 40, 30)
    with Image.open(BytesIO(record.image)) as image:
        assert (image.size, image.format) == ((40, 30), "WEBP")
    assert record.objects == ("ship", "storage_tank", "bridge")
    assert "MIT" in record.licence
    assert "research" in record.licence


def test_targets_stay_with_their_image(vhr10: Write) -> None:
    records = {r.name: r for r in source.read(vhr10(["001"], ["902", "903"]), "test")}
    labels = {name: [t.label for t in r.targets] for name, r in records.items()}
    assert labels == {
        "902.webp": ["ship", "ship", "storage_tank"],
        "903.webp": ["ship", "ship"],
    }


def test_two_polygons_make_one_object(vhr10: Write) -> None:
    root = vhr10(["001"])
    path = root / "instances_test.json"
    ring = "[4, 2, 9, 2, 9, 4, 4, 4]"
    assert ring in path.read_text()
    path.write_text(path.read_text().replace(ring, f"{ring}, [4, 2, 5, 2, 5, 3]"))
    ship = next(source.read(root, "test")).targets[0]
    assert [len(polygon) for polygon in ship.polygons] == [8, 6]


def test_the_image_of_a_test_scene_is_in_no_split(vhr10: Write) -> None:
    root = vhr10([f"{n:03d}" for n in range(200, 300)])
    train, val = _stems(root, "train"), _stems(root, "val")
    assert len(val) == 52
    assert sorted(train + val) == [f"{n:03d}" for n in range(200, 299)]


def test_images_of_one_scene_stay_together(
    vhr10: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    stems = [f"{n:03d}" for n in (*range(60, 80), *range(280, 325)) if n != 299]
    root = vhr10(stems)
    for count in range(1, 60, 3):
        monkeypatch.setattr(source, "VAL_IMAGES", count)
        val = set(_stems(root, "val"))
        assert len(val) == count or len(val) == count - 1
        for first, second in source.SAME_SCENE:
            assert (first in val) == (second in val), (count, first, second)


def test_test_images_do_not_depend_on_training(vhr10: Write) -> None:
    assert _stems(vhr10(["001", "002"], ["299", "307"]), "test") == ["299", "307"]


def test_a_missing_file_says_where_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"instances_train\.json.*--data"):
        next(source.read(tmp_path / "vhr10", "train"))


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"categories": 1}'])
def test_broken_labels_are_named(vhr10: Write, content: str) -> None:
    root = vhr10(["001"])
    (root / "instances_test.json").write_text(content)
    with pytest.raises(ParseError, match=r"instances_test\.json"):
        next(source.read(root, "test"))


def test_an_image_that_the_tar_lacks_is_named(vhr10: Write) -> None:
    root = vhr10(["001"])
    os.replace(root / "images_train.tar", root / "images_test.tar")
    with pytest.raises(ParseError, match=r"images_test\.tar has no file '901\.webp'"):
        list(source.read(root, "test"))


def test_a_broken_tar_is_named(vhr10: Write) -> None:
    root = vhr10(["001"])
    (root / "images_test.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(ParseError, match=r"images_test\.tar is no readable tar"):
        list(source.read(root, "test"))
