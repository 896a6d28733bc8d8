"""Questions on named places, and the source that joins all maps."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.gazetteer import Box
from rsvlm.data_engine.maps import places
from rsvlm.data_engine.maps.places import Named
from rsvlm.data_engine.sources import SOURCES, maps, texts
from rsvlm.errors import ParseError, SettingsError

Write = Callable[..., Path]
BOX = Box(10.0, -0.004, 10.004, 0.0)
AIRPORT = Named("airport", "Foo Field", 10.002, -0.002, ("FOO",))
TOWNS = (Named("town", "Near", 10.01, -0.002), Named("town", "Far", 10.03, -0.002))


def test_what_is_asked_gives_the_position() -> None:
    airport, town = places.questions(BOX, (AIRPORT, *TOWNS), "train", "a")
    assert airport.answers == ("Foo Field", "FOO")
    assert "0.002 S, 10.002 E" in airport.text
    assert town.answers == ("Near",)


def test_two_airports_are_not_told_apart() -> None:
    other = Named("airport", "Bar Field", 10.001, -0.001)
    assert places.questions(BOX, (AIRPORT, other), "train", "a") == ()
    outside = Named("airport", "Bar Field", 10.1, -0.001)
    assert len(places.questions(BOX, (AIRPORT, outside), "train", "a")) == 1


@pytest.fixture
def folder(tmp_path: Path, extract: Write, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(maps, "_named", lambda: (AIRPORT, *TOWNS))
    monkeypatch.setattr(texts, "ONE_IN", 10**9)
    write_raster = __import__("rasterio").open
    from rasterio.transform import Affine

    pond = [(50, 50), (90, 50), (90, 90), (50, 90), (50, 50)]
    extract([({"natural": "water", "water": "pond"}, pond)])
    place = {"crs": "EPSG:4326", "transform": Affine(1e-5, 0, 10.0, 0, -1e-5, 0.0)}
    pixels = np.random.default_rng(0).integers(0, 255, (3, 400, 400), np.uint8)
    for path, bands in (
        ("images/a.tif", pixels),
        ("landcover/cover.tif", np.full((1, 400, 400), 10, np.uint8)),
    ):
        target = tmp_path / "maps" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with write_raster(
            target, "w", driver="GTiff", count=len(bands), height=400, width=400,
            dtype="uint8", **place,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
    return tmp_path / "maps"


def test_a_window_has_all_that_the_maps_say(folder: Path) -> None:
    (record,) = SOURCES["maps"].read(folder, "train")
    assert (record.width, record.height, record.crs) == (400, 400, "EPSG:4326")
    assert record.gsd_m == pytest.approx(1.11, abs=0.01)
    assert record.bounds_lonlat == pytest.approx((10.0, -0.004, 10.004, 0.0), abs=1e-6)
    assert "The image shows a pond." in record.captions
    assert "The ground is mostly tree cover." in record.captions
    kinds = {question.kind for question in record.questions}
    assert kinds >= {"presence", "count", "ground", "area", "main cover", "place: town"}
    samples = compose(record, "train")
    ground = next(sample for sample in samples if sample.task == "ground")
    assert ground.targets[0].hbb == pytest.approx((50, 50, 90, 90), abs=0.05)
    assert len({sample.id for sample in samples}) == len(samples)
    assert list(SOURCES["maps"].read(folder, "test")) == []


def test_an_image_without_a_place_is_named(folder: Path) -> None:
    from PIL import Image

    Image.new("RGB", (300, 300)).save(folder / "images" / "b.tif")
    with pytest.raises(ParseError, match=r"b\.tif has no place on the Earth"):
        list(SOURCES["maps"].read(folder, "train"))


def test_a_folder_without_images_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no 'images'"):
        list(SOURCES["maps"].read(tmp_path, "train"))


AIRPORTS = "icao,iata,name,lat,lon\nKLAX,LAX,Los Angeles,33.9425,-118.408\n00AA,,Ranch,38,-101\n"
TOWN = {"name": "Vila", "latitude": 42.5, "longitude": 1.5, "population": 20430}
PORT = {
    "type": "Feature",
    "properties": {"name": "LONG BEACH"},
    "geometry": {"type": "Point", "coordinates": [-118.19, 33.74]},
}


def test_the_three_lists_are_read(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(AIRPORTS)
    (airport,) = places.read_airports(path)
    assert (airport.name, airport.lon, airport.others) == (
        "Los Angeles", -118.408, ("LAX",),
    )  # fmt: skip
    path.write_text(json.dumps({"1": TOWN, "2": {**TOWN, "population": 40}}))
    (town,) = places.read_towns(path)
    assert (town.kind, town.name, town.lat) == ("town", "Vila", 42.5)
    path.write_text(json.dumps({"features": [PORT]}))
    (port,) = places.read_ports(path)
    assert (port.name, port.lon) == ("Long Beach", -118.19)


@pytest.mark.parametrize(
    ("read", "text", "fault"),
    [
        (places.read_airports, AIRPORTS.replace("33.9425", "33,9"), "line 2: 6 values"),
        (
            places.read_airports,
            AIRPORTS.replace("33.9425", "north"),
            "line 2: 'lat' is",
        ),
        (places.read_airports, AIRPORTS.replace("33.9", "133.9"), "beyond 90 degrees"),
        (
            places.read_airports,
            AIRPORTS.replace(",lat", ",latitude"),
            "'lat' is missing",
        ),
        (
            places.read_towns,
            '{"7": {"population": "many"}}',
            r"\['7'\]: 'population' is",
        ),
        (places.read_towns, '{"7": {\n', "line 2"),
        (
            places.read_ports,
            '{"features": [{"geometry": 3}]}',
            r"features\[0\], geometry",
        ),
        (places.read_ports, "[]", "not an object"),
    ],
)
def test_lists_of_another_form_are_named(
    tmp_path: Path, read: Any, text: str, fault: str
) -> None:
    path = tmp_path / "places.list"
    path.write_text(text)
    with pytest.raises(ParseError, match=rf"places\.list.*{fault}"):
        list(read(path))
