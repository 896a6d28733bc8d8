"""What goes into an archive, and when it was taken."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import SettingsError
from rsvlm.retrieval.archive_files import days_between, days_in, days_of, entries
from rsvlm.retrieval.database import StoreError


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("naip_20200831", ("2020-08-31", "2020-08-31")),
        ("2020:11:07 00:00:00", ("2020-11-07", "2020-11-07")),
        ("S2A_MSIL1C_20201104T183000_N0209", ("2020-11-04", "2020-11-04")),
        ("2020-11-04T10:00:00Z", ("2020-11-04", "2020-11-04")),
        ("pucallpa_1985", ("1985-01-01", "1985-12-31")),
        ("mosaic-2021-02", ("2021-02-01", "2021-02-28")),
        ("tile_12019_9", None),
        ("20210231", None),
        ("scene", None),
    ],
)
def test_days_in_a_text(text: str, days: tuple[str, str] | None) -> None:
    assert days_in(text) == days


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("2020", ("2020-01-01", "2020-12-31")),
        ("2020-11-04", ("2020-11-04", "2020-11-04")),
        ("2019/2020-06", ("2019-01-01", "2020-06-30")),
        ("../2020", ("0000-01-01", "2020-12-31")),
    ],
)
def test_days_of_a_filter(text: str, days: tuple[str, str]) -> None:
    assert days_between(text) == days


@pytest.mark.parametrize("text", ["", "May", "2019/2020/2021", "2019/later"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(SettingsError, match="is no date"):
        days_between(text)


def test_tags_come_before_the_name(write_scene: Callable[..., Path]) -> None:
    path = write_scene("scene_1999.tif", date="2021-05-06")
    assert days_of(path) == ("2021-05-06", "2021-05-06")
    bare = write_scene("bare_1999.tif")
    assert days_of(bare) == ("1999-01-01", "1999-12-31")


def test_files_and_folders_each_once(
    tmp_path: Path, write_scene: Callable[..., Path]
) -> None:
    (tmp_path / "deep").mkdir()
    one = write_scene("one.tif")
    two = write_scene("deep/two.tif")
    (tmp_path / "notes.txt").write_text("no raster")
    found = entries([str(one), str(tmp_path)])
    assert [entry.path for entry in found] == [one, two]
    with pytest.raises(SettingsError, match="no file or folder"):
        entries([str(tmp_path / "none.tif")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingsError, match="holds no raster"):
        entries([str(tmp_path / "empty")])


def item(**properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": "i1", "geometry": None,
        "properties": {"datetime": "2020-11-04T18:30:00Z", **properties},
        "links": [],
        "assets": {
            "image": {"href": "./one.tif", "type": "image/tiff; application=geotiff"},
            "small": {"href": "./small.png", "roles": ["thumbnail"]},
            "far": {"href": "https://example.org/far.tif", "type": "image/tiff"},
        },
    }  # fmt: skip


def test_a_stac_item_says_what_the_file_does_not(tmp_path: Path) -> None:
    fields = {"gsd": 10.5, "license": "CC-BY-4.0", "sar:product_type": "GRD"}
    (tmp_path / "item.json").write_text(json.dumps(item(**fields)))
    (found,) = entries([str(tmp_path / "item.json")])
    assert found.path == tmp_path / "one.tif"
    assert (found.sensor, found.days) == ("sar", ("2020-11-04", "2020-11-04"))
    assert (found.gsd, found.licence, found.item) == (10.5, "CC-BY-4.0", "i1")


def test_a_stac_catalogue_is_followed(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    (tmp_path / "scenes/item.json").write_text(json.dumps(item()))
    link = {"rel": "item", "href": "./scenes/item.json", "type": "application/json"}
    record = {
        "type": "Catalog", "stac_version": "1.0.0", "id": "c", "description": "d",
        "links": [link],
    }  # fmt: skip
    (tmp_path / "catalog.json").write_text(json.dumps(record))
    (found,) = entries([str(tmp_path / "catalog.json")])
    assert found.path == tmp_path / "scenes/one.tif"
    collection = {"type": "FeatureCollection", "features": [item()]}
    (tmp_path / "items.json").write_text(json.dumps(collection))
    (found,) = entries([str(tmp_path / "items.json")])
    assert found.path == tmp_path / "one.tif"


def test_json_that_is_no_stac(tmp_path: Path) -> None:
    for text in ("{", "{}", "[]"):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(StoreError, match="is no STAC"):
            entries([str(tmp_path / "other.json")])
