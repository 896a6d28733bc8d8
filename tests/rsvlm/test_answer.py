"""The answer object: rules, rounding, GeoJSON, schema."""

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from rsvlm.answer import (
    Answer,
    AnswerImage,
    AnswerRegion,
    Evidence,
    ModelInfo,
    TraceStep,
    keep_citations,
    schema,
)
from rsvlm.errors import SettingsError
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape
from rsvlm.georeference import GeoReference

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "answer.json"
MAKE_SCHEMA = (
    'python -c "import json; from rsvlm.answer import schema; '
    'print(json.dumps(schema(), indent=2))" > docs/schema/answer.json'
)
MODEL = ModelInfo(name="rsvlm-tiny", revision="abc", engine="stub")


@dataclass(frozen=True)
class FakeRaster:
    path: str = "port.tif"
    width: int = 1000
    height: int = 500
    count: int = 4
    dtype: str = "uint16"
    sensor: str = "optical"
    crs: str | None = None
    gsd: float | None = None
    georeference: GeoReference | None = None


@pytest.fixture(scope="module")
def place() -> GeoReference:
    """10 m pixels in UTM zone 31 north, around 3 degrees east, 0 north."""
    from pyproj import CRS

    wkt = CRS.from_epsg(32631).to_wkt()
    return GeoReference(wkt, (10.0, 0.0, 499_000.0, 0.0, -10.0, 1000.0))


def answer(**changes: Any) -> Answer:
    fields: dict[str, Any] = {
        "task": "ground",
        "question": "Where are the ships?",
        "text": "Two ships.",
        "confidence": 0.5,
        "images": (AnswerImage.of(0, FakeRaster()),),
        "model": MODEL,
    }
    return Answer.model_validate({**fields, **changes})


def ring_of_pixels() -> Mask:
    pixels = np.ones((4, 6), dtype=bool)
    pixels[1:3, 2:4] = False
    return Mask.from_array(pixels, x0=10, y0=20)


def test_raster_is_described(place: GeoReference) -> None:
    raster = FakeRaster(crs="EPSG:32631", gsd=9.9960123456, georeference=place)
    image = AnswerImage.of(0, raster)
    assert (image.width, image.height, image.bands) == (1000, 500, 4)
    assert image.gsd_m == 9.99601
    assert image.bounds_lonlat is not None
    west, south, east, north = image.bounds_lonlat
    assert west < 3 < east
    assert south < 0 < north
    assert AnswerImage.of(1, FakeRaster()).bounds_lonlat is None


def test_a_file_name_that_is_not_utf8_can_be_written() -> None:
    image = AnswerImage.of(0, FakeRaster(path="port\udcff.tif"))
    assert image.path == "port\ufffd.tif"


def test_box_is_placed_on_the_earth(place: GeoReference) -> None:
    region = AnswerRegion.of(1, Region(HBB(100, 100, 110, 120), "ship", 0.77), place)
    assert region.pixels == ((100, 100), (110, 100), (110, 120), (100, 120))
    assert region.hbb == (100, 100, 110, 120)
    assert region.area_px == 200
    # 200 pixels of 10 m; the scale of UTM on its middle meridian is 0.9996.
    assert region.area_m2 == pytest.approx(20_000 / 0.9996**2, rel=1e-4)
    assert region.geometry is not None
    ring = region.geometry.coordinates[0]
    assert ring[0] == ring[-1]
    assert region.rle is None
    assert "rle" not in json.loads(region.model_dump_json())


@pytest.mark.parametrize(
    "shape",
    [
        HBB(1, 2, 3, 5),
        OBB.from_center(50, 40, 20, 10, 90),
        Polygon(((0, 0), (10, 0), (5, 8))),
        ring_of_pixels(),
    ],
    ids=lambda shape: str(shape.kind),
)
def test_every_kind_comes_back(shape: Shape) -> None:
    region = Region(shape, "ship", 0.25, image=0)
    part = AnswerRegion.of(1, region, None)
    assert part.kind == shape.kind
    assert part.geometry is None
    assert part.area_m2 is None
    given = answer(regions=(part,))
    (back,) = Answer.model_validate_json(given.to_json()).to_regions()
    assert back.shape.area == pytest.approx(shape.area)
    assert back.shape.hbb == shape.hbb
    assert type(back.shape) is type(shape)
    assert (back.label, back.confidence, back.image) == ("ship", 0.25, 0)


def test_mask_has_outer_ring_and_runs() -> None:
    part = AnswerRegion.of(1, Region(ring_of_pixels(), "roof"), None)
    assert part.area_px == 20  # 24 pixels less 4 of the hole
    assert sorted(part.pixels) == [(10, 20), (10, 24), (16, 20), (16, 24)]
    assert part.rle is not None
    assert part.rle.size == (4, 6)
    assert part.rle.window == (10, 20, 16, 24)


def test_mask_without_window_covers_the_image() -> None:
    mask = Mask.from_array(np.ones((500, 1000), dtype=bool))
    part = AnswerRegion.of(1, Region(mask), None).model_dump(mode="json")
    del part["rle"]["window"]
    given = answer(regions=(part,))
    assert "window" not in json.loads(given.to_json())["regions"][0]["rle"]
    assert given.to_regions()[0].shape == mask
    smaller = FakeRaster(width=999)
    with pytest.raises(ValidationError, match="needs a window"):
        answer(regions=(part,), images=(AnswerImage.of(0, smaller),))


def test_empty_mask_is_no_region() -> None:
    empty = Mask.from_array(np.zeros((3, 3), dtype=bool))
    with pytest.raises(ValueError, match="without a set pixel"):
        AnswerRegion.of(1, Region(empty), None)


def test_numbers_are_rounded() -> None:
    box = HBB(-0.001, 1.23456, 10.0049, 20)
    part = AnswerRegion.of(1, Region(box, "ship", 2 / 3), None)
    assert part.hbb == (0.0, 1.23, 10.0, 20.0)
    assert math.copysign(1, part.hbb[0]) == 1  # not -0.0
    assert part.confidence == 0.6667
    assert part.area_px == 187.8  # 10.0059 * 18.76544, before rounding the box
    step = TraceStep(step="look", ms=41.7)
    assert step.ms == 42


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_are_finite(number: float) -> None:
    with pytest.raises(ValidationError):
        answer(confidence=number)
    with pytest.raises(ValidationError):
        answer(
            evidence=[
                {"id": 1, "text": "", "source": "", "licence": ""} | {"score": number}
            ]
        )


def test_json_is_one_line_in_the_order_of_the_contract() -> None:
    line = answer(text="one\ntwo \u00e9", count=2).to_json()
    assert "\n" not in line
    assert "\u00e9" in line
    value = json.loads(line)
    assert value["schema"] == "rsvlm.answer/1"
    assert list(value) == [
        *("schema", "task", "question", "text", "abstained", "confidence", "images"),
        *("regions", "count", "evidence", "trace", "model", "warnings", "timing_ms"),
    ]


def region(id: int = 1, image: int = 0) -> AnswerRegion:
    return AnswerRegion.of(id, Region(HBB(0, 0, 2, 2), "ship", image=image), None)


def passage(id: int = 1) -> Evidence:
    return Evidence(id=id, text="A port.", source="Wiki", licence="CC0-1.0")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"abstained": True, "regions": (region(),)}, "no regions"),
        ({"abstained": True, "text": "  "}, "a reason"),
        ({"regions": (region(1), region(1))}, "regions share an id"),
        ({"evidence": (passage(2), passage(2))}, "evidence share an id"),
        ({"images": (AnswerImage.of(0, FakeRaster()),) * 2}, "images share an id"),
        ({"regions": (region(image=1),)}, r"images \{1\} are not in \{0\}"),
        ({"trace": (TraceStep(step="look", image=3),)}, r"images \{3\} are not in"),
        ({"text": "Old [2].", "evidence": (passage(1),)}, r"cites \[2\]"),
        ({"task": ""}, "task"),
        ({"count": -1}, "count"),
        ({"unknown": 1}, "unknown"),
    ],
)
def test_broken_rules_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        answer(**changes)


def test_rules_that_hold() -> None:
    assert answer(abstained=True, text="Too cloudy.").abstained
    assert answer(text="Old [1] [2].", evidence=(passage(1), passage(2))).evidence
    # Without evidence, numbers in brackets are no citations.
    assert answer(text="Values [7].").text == "Values [7]."
    assert answer(count=3, regions=(region(),)).count == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hbb": [2, 0, 0, 2]}, "swapped"),
        ({"kind": "mask"}, "rle stands on masks"),
        ({"rle": {"size": [2, 2], "counts": "4"}}, "rle stands on masks"),
        ({"pixels": [[0, 0], [1, 0], [1, 1]]}, "4 corners"),
        ({"confidence": 1.5}, "confidence"),
    ],
)
def test_broken_regions_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AnswerRegion.model_validate({**region().model_dump(), **change})


def test_citations_without_evidence_are_removed() -> None:
    text = "Built in 1970 [1], closed [7]. See [12, 3]."
    assert keep_citations(text, {1}) == "Built in 1970 [1], closed. See [12, 3]."


def test_geojson(place: GeoReference) -> None:
    raster = FakeRaster(crs="EPSG:32631", georeference=place)
    images = (AnswerImage.of(0, raster), AnswerImage.of(1, FakeRaster("flat.png")))
    regions = (
        AnswerRegion.of(1, Region(HBB(100, 100, 110, 120), "ship", 0.77), place),
        region(2, image=1),  # has no place on the Earth
    )
    given = answer(images=images, regions=regions)
    collection = given.to_geojson()
    assert collection["type"] == "FeatureCollection"
    assert "crs" not in collection
    (feature,) = collection["features"]
    assert feature["properties"] == {
        "label": "ship",
        "confidence": 0.77,
        "area_px": 200.0,
        "area_m2": regions[0].area_m2,
        "kind": "hbb",
        "image": "port.tif",
        "pixel_hbb": [100.0, 100.0, 110.0, 120.0],
        "question": "Where are the ships?",
    }
    ring = feature["geometry"]["coordinates"][0]
    # Pixel (100, 100) is the origin of the zone: 3 degrees east on the equator.
    assert [3.0, 0.0] in [[round(v, 6) for v in point] for point in ring]
    doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in pairwise(ring))
    assert doubled > 0  # counter-clockwise
    assert json.loads(json.dumps(collection, allow_nan=False)) == collection
    assert given.__geo_interface__ == collection


def test_geojson_of_nothing_found_is_empty(place: GeoReference) -> None:
    images = (AnswerImage.of(0, FakeRaster(georeference=place)),)
    assert answer(images=images).to_geojson()["features"] == []


def test_geojson_without_crs_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match=r"port\.tif.* no CRS .*--json") as error:
        answer(regions=(region(),)).to_geojson()
    assert "\n" not in str(error.value)


def test_html_is_escaped() -> None:
    evil = '"><img src=x onerror=alert(1)>'
    part = AnswerRegion.of(1, Region(HBB(0, 0, 1, 1), evil), None)
    note = Evidence(id=1, text=evil, source=evil, licence="")
    given = answer(
        text=evil, question=evil, regions=(part,), evidence=(note,), warnings=(evil,)
    )
    page = given._repr_html_()
    assert "<img" not in page
    assert page.count("&lt;img") == 6
    assert "Two ships." in answer()._repr_html_()
    assert str(answer()) == "Two ships."


def test_long_tables_are_cut() -> None:
    page = answer(regions=tuple(region(n) for n in range(1, 31)))._repr_html_()
    assert page.count("<tr>") == 21
    assert "10 more regions" in page


def test_committed_schema_is_that_of_the_model() -> None:
    assert json.loads(SCHEMA.read_text()) == schema(), f"run: {MAKE_SCHEMA}"


def test_schema_accepts_what_is_written(place: GeoReference) -> None:
    raster = FakeRaster(crs="EPSG:32631", gsd=10.0, georeference=place)
    shapes: list[Shape] = [HBB(1, 2, 3, 5), OBB.from_center(9, 9, 4, 2, 30)]
    given = answer(
        images=(AnswerImage.of(0, raster),),
        regions=[
            AnswerRegion.of(n, Region(shape, "ship"), place)
            for n, shape in enumerate([*shapes, ring_of_pixels()], 1)
        ],
        count=3,
        text="Three ships [1].",
        evidence=(passage(),),
        trace=(TraceStep(step="look", image=0, window=(0, 0, 9, 9), size=(9, 9)),),
        timing_ms={"total": 12.6},
    )
    assert Answer.model_validate_json(given.to_json()) == given
    jsonschema = pytest.importorskip("jsonschema")
    value = json.loads(given.to_json())
    jsonschema.validate(value, schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value | {"count": "3"}, schema())


def test_schema_names_every_unit() -> None:
    fields = schema()["$defs"]["AnswerRegion"]["properties"]
    assert "square metres" in fields["area_m2"]["description"]
    assert all("description" in field for field in fields.values())
    assert "rle" not in schema()["$defs"]["AnswerRegion"]["required"]
