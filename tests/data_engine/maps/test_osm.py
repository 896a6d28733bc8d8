"""OpenStreetMap extracts: features, what is seen of them, captions and questions."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rsvlm.data_engine.maps import texts
from rsvlm.data_engine.maps.osm import distinct, read_extract
from rsvlm.data_engine.maps.placed import Placed, place
from rsvlm.data_engine.maps.tags import ROWS, row_of
from rsvlm.errors import MissingExtraError, ParseError
from rsvlm.geometry import HBB
from rsvlm.georeference import GeoReference
from rsvlm.labels import plural_of

Write = Callable[..., Path]
WEST, NORTH, STEP, SIDE = 10.0, 0.0, 1e-5, 400
#: Metres of a pixel: a degree is 111.32 km along the equator, 110.57 km across it.
PIXEL_M2 = 1.1132 * 1.1057


def ring(x: float, y: float, width: float, height: float) -> list[tuple[float, float]]:
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]


COURT = {"leisure": "pitch", "sport": "tennis", "surface": "clay"}
HOUSE = {"building": "yes"}


def _placed(path: Path) -> list[Placed]:
    import rasterio

    wkt = rasterio.crs.CRS.from_epsg(4326).to_wkt()
    reference = GeoReference(wkt, (STEP, 0, WEST, 0, -STEP, NORTH))
    return place(read_extract(path), reference, HBB(0, 0, SIDE, SIDE), 1.1)


def test_a_way_is_an_area_once_and_a_road_is_a_line(extract: Write) -> None:
    path = extract([(HOUSE, ring(10, 10, 20, 10)),
                    ({"highway": "residential"}, [(0, 50), (400, 50)]),
                    ({"amenity": "bench"}, ring(0, 0, 5, 5))])  # fmt: skip
    found = read_extract(path)
    assert [(f.number, f.row.label, f.geometry.geom_type) for f in found] == [
        ("way/2", "road", "LineString"),
        ("way/1", "building", "MultiPolygon"),
    ]


def test_a_relation_keeps_its_hole(extract: Write) -> None:
    path = extract(
        [({}, ring(0, 0, 100, 100)), ({}, ring(40, 40, 20, 20))],
        relations=[
            ({"type": "multipolygon", "natural": "water", "water": "lake"},
             [(1, "outer"), (2, "inner")])
        ],
    )  # fmt: skip
    (lake,) = _placed(path)
    assert lake.label == "lake"
    assert lake.shape.area == pytest.approx(100 * 100 - 20 * 20, rel=1e-3)
    assert lake.area_m2 == pytest.approx(9600 * PIXEL_M2, rel=0.01)


def test_features_come_in_pixels_and_only_what_can_be_seen(extract: Write) -> None:
    path = extract([
        (HOUSE, ring(10, 20, 30, 20)),
        (HOUSE, ring(-25, 100, 30, 20)),  # a sixth of it is in the picture
        (HOUSE, ring(200, 200, 3, 3)),  # too small
        ({"natural": "wood"}, ring(-500, 300, 1000, 500)),
    ])  # fmt: skip
    house, wood = sorted(_placed(path), key=lambda one: one.label)
    target = house.target()
    assert target is not None
    assert target.hbb == pytest.approx((10, 20, 40, 40), abs=0.05)
    assert house.area_m2 == pytest.approx(600 * PIXEL_M2, rel=0.01)
    assert (house.is_whole, wood.is_whole) == (True, False)
    assert wood.shape.area == pytest.approx(400 * 100, rel=0.01)


def test_what_two_extracts_share_counts_once(extract: Write) -> None:
    lake = {"natural": "water"}
    ways = [(lake, ring(10, 10, 90, 90)), (HOUSE, ring(200, 10, 20, 20))]
    one = read_extract(extract(ways, "maps/one.osm.pbf"))
    # The neighbour has the lake too, and somebody has drawn a house twice.
    more = [*ways, (HOUSE, ring(200, 10, 20, 20)), (HOUSE, ring(300, 10, 20, 20))]
    two = read_extract(extract(more, "maps/two.osm.pbf"))
    labels = sorted(feature.row.label for feature in distinct([*one, *two]))
    assert labels == ["building", "building", "water body"]


def test_ground_whose_ring_does_not_close_is_left_out(extract: Write) -> None:
    path = extract([
        ({"natural": "water"}, ring(10, 10, 90, 90)[:4]),
        ({"man_made": "pier"}, [(0, 200), (100, 200)]),
    ])  # fmt: skip
    assert [feature.row.label for feature in read_extract(path)] == ["pier"]


def test_captions_count_and_describe(extract: Write) -> None:
    path = extract([
        (COURT, ring(10, 10, 30, 15)),
        (COURT, ring(10, 40, 30, 15)),
        ({"leisure": "park", "name": "Green Park"}, ring(0, 0, 200, 200)),
    ])  # fmt: skip
    short, detailed = texts.captions(_placed(path))
    assert short == "The image shows a park and tennis courts."
    assert detailed == (
        f"{short} In view are 2 tennis courts and a tennis court with a surface of clay."
    )
    assert texts.captions([]) == ()


def _asked(path: Path, mapped: set[str], seed: str = "a") -> dict[str, list[Any]]:
    asked: dict[str, list[Any]] = {}
    for question in texts.questions(_placed(path), mapped, "train", seed):
        asked.setdefault(str(question.kind), []).append(question)
    return asked


def test_questions_have_right_answers(extract: Write) -> None:
    path = extract([
        (COURT, ring(10, 10, 30, 15)),
        (COURT, ring(10, 40, 30, 15)),
        ({"leisure": "swimming_pool"}, ring(60, 10, 10, 10)),
        ({"man_made": "storage_tank"}, ring(300, 300, 40, 40)),
    ])  # fmt: skip
    asked = _asked(path, {"tennis court", "swimming pool", "storage tank", "runway"})
    answers = {q.text: q.answers[0] for q in asked["presence"]}
    assert sorted(answers.values()) == ["no", "yes", "yes", "yes"]
    no = next(text for text, answer in answers.items() if answer == "no")
    assert "runway" in no
    counts = {q.text: q.answers for q in asked["count"]}
    assert ("2",) in counts.values()
    courts = next(q for q in asked["ground"] if "tennis" in q.text)
    assert len(courts.targets) == 2
    areas = {q.text: q.answers[0] for q in asked["area"]}
    pool = next(answer for text, answer in areas.items() if "pool" in text)
    assert pool == "about 120 m²"  # 100 px of 1.231 m² each
    relations = [q.answers[-1] for q in asked["relation"]]
    assert "storage tank" in relations  # 16 times as large as the pool
    assert relations[-1] in ("tennis court", "swimming pool")


def test_a_class_that_the_extract_never_maps_is_not_called_absent(
    extract: Write,
) -> None:
    asked = _asked(extract([(COURT, ring(10, 10, 30, 15))]), {"tennis court"})
    assert [q.answers for q in asked["presence"]] == [("yes",)]


def test_a_seed_is_a_draw(extract: Write) -> None:
    path = extract([(COURT, ring(10, 10, 30, 15)), (HOUSE, ring(100, 100, 30, 20))])
    labels = {"tennis court", "building", "runway", "pier"}
    first = _asked(path, labels)
    assert first == _asked(path, labels)
    assert any(_asked(path, labels, seed) != first for seed in "bcde")


def test_no_text_names_a_side() -> None:
    sides = {"left", "right", "north", "south", "top", "bottom", "upper", "lower"}
    for split in texts.WORDS.values():
        for templates in split.values():
            assert not sides & set(" ".join(templates).lower().split())


def test_every_row_can_be_asked_for() -> None:
    for row in ROWS:
        assert row_of(
            {k: v.split("|")[0].replace("*", "yes") for k, v in row.tags.items()}
        )
        assert " of " not in row.label  # its plural would be wrong
        assert plural_of(row.label) != row.label


def test_a_damaged_xml_extract_gives_the_line(tmp_path: Path) -> None:
    pytest.importorskip("osmium")
    path = tmp_path / "map.osm"
    path.write_text(
        '<osm version="0.6">\n<node id="1" lat="0" lon="10"/>\n<way id="2"\n'
    )
    with pytest.raises(ParseError, match=r"map\.osm, line \d: .*Fetch the extract"):
        read_extract(path)


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_damaged_pbf_extract_is_named(extract: Write, cut: float) -> None:
    path = extract([(HOUSE, ring(10 * n, 10, 8, 8)) for n in range(30)])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * cut)])
    with pytest.raises(ParseError, match=r"map\.osm\.pbf.*Fetch the extract again"):
        read_extract(path)


def test_a_missing_extract_and_a_missing_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("osmium")
    with pytest.raises(ParseError, match=r"no file 'x\.osm\.pbf'"):
        read_extract(tmp_path / "x.osm.pbf")
    monkeypatch.setitem(__import__("sys").modules, "osmium", None)
    with pytest.raises(MissingExtraError, match=r"rsvlm\[maps\]"):
        read_extract(tmp_path / "x.osm.pbf")
