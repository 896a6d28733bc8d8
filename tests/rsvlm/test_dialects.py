"""Dialects of other families: numbers by hand, round trips, and who speaks what."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.dialect import Dialect, Turned
from rsvlm.dialect_forms import Written, in_braces
from rsvlm.dialects import (
    DIALECTS,
    FAMILIES,
    UNKNOWN,
    family_of,
    get_dialect,
    misfit,
)
from rsvlm.engines.remote_settings import RemoteSettings
from rsvlm.errors import UnknownNameError
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape, Window, iou

#: The lower right part of a raster, shown at half size: 1000 x 500 raster px.
WINDOW = Window(HBB(1000, 500, 2000, 1000), width=500, height=250)
#: A square shown as it is.
SQUARE = Window.whole(1000, 1000, 1000, 1000)
OTHERS = [name for name in DIALECTS if name != "rsvlm"]


def read(name: str, text: str, window: Window = WINDOW) -> list[Region]:
    return get_dialect(name).parse(text, window)


def box(name: str, text: str, window: Window = WINDOW) -> tuple[float, ...]:
    (region,) = read(name, text, window)
    assert isinstance(region.shape, HBB)
    found = region.shape
    return found.x0, found.y0, found.x1, found.y1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("json-1000", '[{"bbox_2d": [100, 200, 300, 600], "label": "ship"}]'),
        ("qwen3-vl", '{"bbox_2d": [100, 200, 300, 600], "label": "ship"}'),
        # 500 x 250 px is seen as 504 x 252.
        ("qwen2.5-vl", '[{"bbox_2d": [50.4, 50.4, 151.2, 151.2], "label": "ship"}]'),
        ("rscovlm", "50.4,50.4,151.2,151.2 ship"),
        ("qwen-vl", "<ref>ship</ref><box>(100,200),(300,600)</box>"),
        ("internvl", "<ref>ship</ref><box>[[100, 200, 300, 600]]</box>"),
        ("deepseek-vl2", "ship[[99.9, 199.8, 299.7, 599.4]]"),
        ("vhm", "[99.9, 199.8, 299.7, 599.4]"),
        ("geochat", "<p>ship</p> {<10><20><30><60>|<0>}"),
        ("vrsbench", "{<10><20><30><60>}"),
        ("earthdial", "[[10, 20, 30, 60, 0]]"),
        ("geoground", "<box>[[100,200,300,600]]</box>"),
        ("falcon", "ship<box><100><200><300><600></box>"),
        ("florence-2", "ship<loc_99.9><loc_199.8><loc_299.7><loc_599.4>"),
        ("gemini", '[{"box_2d": [200, 100, 600, 300], "label": "ship"}]'),
        ("fractions", "The ship is at [0.1, 0.2, 0.3, 0.6]."),
    ],
)
def test_one_place_in_the_units_of_every_family(name: str, text: str) -> None:
    assert box(name, text) == pytest.approx((1100, 600, 1300, 800))


def test_every_dialect_is_tested_above_and_named_like_its_key() -> None:
    assert all(name == codec.name for name, codec in DIALECTS.items())
    assert len(OTHERS) == 16


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((1000, 500), (1008, 504)),
        ((1008, 504), (1008, 504)),
        ((10, 10), (56, 56)),  # 4 x 28 x 28 px at least
        ((6000, 4000), (4368, 2912)),  # 16384 x 28 x 28 px at most
        ((100, 3), (112, 28)),
    ],
)
def test_qwen_sees_pictures_in_steps_of_28(
    size: tuple[int, int], seen: tuple[int, int]
) -> None:
    assert get_dialect("qwen2.5-vl").picture_size(*size) == seen
    assert get_dialect("qwen3-vl").picture_size(*size) == size


@given(st.integers(1, 9000), st.integers(1, 9000))
def test_a_resized_picture_is_not_resized_again(width: int, height: int) -> None:
    codec = cast(Dialect, get_dialect("qwen2.5-vl"))
    w, h = codec.picture_size(width, height)
    assert w % 28 == h % 28 == 0
    assert codec.picture_size(w, h) == (w, h)
    if max(width, height) < 100 * min(width, height):
        assert codec.pixels[0] <= w * h <= codec.pixels[1]


def test_angles_turn_the_way_of_each_family() -> None:
    # Two boxes side by side: apart when turned one way, overlapping the other way.
    pair = [(10, 40, 50, 46), (20, 46, 60, 52)]
    lists = " ".join(f"[{a},{b},{c},{d},30]" for a, b, c, d in pair)
    left, right = read("earthdial", lists, SQUARE)
    assert iou(left.shape, right.shape) == pytest.approx(0, abs=0.005)
    clockwise = Dialect(
        "x", in_braces, "", scale=100, turned=Turned(centre=False, clockwise=True)
    )
    left, right = clockwise.parse(lists, SQUARE)
    assert iou(left.shape, right.shape) == pytest.approx(0.52, abs=0.01)


def test_an_oriented_box_by_centre_and_by_corners() -> None:
    expected = OBB.from_center(500, 500, 200, 100, 30)
    for name, text in (
        ("geochat", "{<40><45><60><55>|<-30>}"),
        ("geochat", "{<45><40><55><60>|<60>}"),  # the same, upright before its turn
        ("earthdial", "[[40,45,60,55,-30]]"),
        ("vrsbench", "{<50><50><20><10>|<30>}"),
        ("geoground", "[50,50,20,10,30]"),
        ("geoground", "<obb>[[50,50,20,10,30]]</obb>"),
    ):
        (region,) = read(name, text, SQUARE)
        assert region.shape.kind == "obb"
        assert iou(region.shape, expected) == pytest.approx(1)
    # RSCoVLM counts pixels of the resized picture: 1008 x 1008.
    text = '[{"oriented bbox": [504, 504, 201.6, 100.8, 30], "label": "ship"}]'
    (region,) = read("rscovlm", text, SQUARE)
    assert iou(region.shape, expected) == pytest.approx(1)
    (region,) = read("rscovlm", "504,504,201.6,100.8,30 ship", SQUARE)
    assert iou(region.shape, expected) == pytest.approx(1)
    assert region.label == "ship"


def test_boxes_turn_on_the_picture_and_not_in_units() -> None:
    # 30 degrees on a picture twice as wide as high, not on a square of units.
    (region,) = read("vrsbench", "{<50><50><20><20>|<45>}", WINDOW)
    expected = OBB.from_center(1500, 750, 200, 100, 45)
    assert iou(region.shape, expected) == pytest.approx(1)


def test_corners_of_rscovlm_and_falcon() -> None:
    expected = OBB(((1100, 600), (1300, 650), (1280, 700), (1080, 650)))
    text = '{"quadrant bbox": [50.4,50.4,151.2,75.6,141.12,100.8,40.32,75.6]}'
    (region,) = read("rscovlm", text)
    assert iou(region.shape, expected) == pytest.approx(1)
    (region,) = read("falcon", "<quad><100><200><300><300><280><400><80><300></quad>")
    assert iou(region.shape, expected) == pytest.approx(1)
    (region,) = read("falcon", "lake<poly><0><0><1000><0><0><1000></poly>")
    assert region.shape == Polygon(((1000, 500), (2000, 500), (1000, 1000)))


def test_an_oriented_box_may_cross_the_border_and_a_plain_one_may_not() -> None:
    (region,) = read("earthdial", "[[-10, 40, 10, 60, 45]]", SQUARE)
    assert region.shape.hbb.x0 < 0
    assert box("earthdial", "[[-10, 40, 10, 60, 0]]", SQUARE) == (0, 400, 100, 600)
    assert read("earthdial", "[[110, 40, 130, 60, 10]]", SQUARE) == []
    assert read("earthdial", "[[-10, 40, -10, 60, 10]]", SQUARE) == []
    assert read("earthdial", "[[4, 4, 6, 6, 99999]]", SQUARE) == []


def test_masks_of_rscovlm_have_the_cells_of_its_picture() -> None:
    window = Window.whole(112, 56, 112, 56)  # 4 x 2 cells
    (region,) = read("rscovlm", "<seg>0*4;0*2,1*2;</seg>", window)
    assert region.shape.hbb == HBB(56, 28, 112, 56)
    text = get_dialect("rscovlm").encode([region], window)
    assert text == "<seg>0*4;0*2,1*2</seg>"
    # Cut off by the token limit: what is there counts.
    (region,) = read("rscovlm", "<seg>1*4;0*1,1", window)
    assert region.shape.hbb == HBB(0, 0, 112, 28)
    assert read("rscovlm", "<seg>0*4</seg>", window) == []


def test_masks_of_geoground_are_square_grids() -> None:
    window = Window.whole(960, 640, 96, 64)
    rows = ["0*16"] * 15 + ["0*15,1*1"]
    (region,) = read("geoground", f"<seg>{';'.join(rows)}</seg>", window)
    assert region.shape.hbb == HBB(900, 600, 960, 640)
    rows = ["0*32"] * 31 + ["0*31,1*1"]
    (region,) = read("geoground", f"<seg>{';'.join(rows)}</seg>", window)
    assert region.shape.hbb == HBB(930, 620, 960, 640)
    pixels = np.zeros((640, 960), dtype=bool)
    pixels[320:, :480] = True
    quarter = Region(Mask.from_array(pixels))
    codec = get_dialect("geoground")
    text = codec.encode([quarter], window)
    assert text == f"<seg>{';'.join(['0*16'] * 8 + ['1*8,0*8'] * 8)}</seg>"
    (back,) = codec.parse(text, window)
    assert iou(back.shape, quarter.shape) == 1


def test_boxes_run_on_in_florence_and_qwen_vl() -> None:
    numbers = (0, 0, 99, 99, 500, 500, 999, 999)
    for name, text in (
        ("florence-2", "ship" + "".join(f"<loc_{n}>" for n in numbers)),
        ("qwen-vl", "ship(0,0),(99,99)(500,500),(999,999)"),
    ):
        assert [r.shape.kind for r in read(name, text)] == ["hbb", "hbb"]
        assert {r.label for r in read(name, text)} == {"ship"}


def test_written_as_the_families_write() -> None:
    ship, other = HBB(1100, 600, 1300, 800), HBB(1500, 750, 2000, 1000)
    regions = [Region(ship, "ship"), Region(other, "ship")]
    written = {name: get_dialect(name).encode(regions, WINDOW) for name in OTHERS}
    assert written["qwen2.5-vl"] == (
        '[{"bbox_2d": [50, 50, 151, 151], "label": "ship"}, '
        '{"bbox_2d": [252, 126, 504, 252], "label": "ship"}]'
    )
    assert written["gemini"].startswith('[{"box_2d": [200, 100, 600, 300], "label"')
    assert written["qwen-vl"] == (
        "<ref>ship</ref><box>(100,200),(300,600)</box>"
        "<ref>ship</ref><box>(500,500),(1000,1000)</box>"
    )
    assert written["internvl"] == (
        "<ref>ship</ref><box>[[100,200,300,600],[500,500,1000,1000]]</box>"
    )
    assert written["geochat"] == (
        "<p>ship</p> {<10><20><30><60>|<0>}<delim>{<50><50><100><100>|<0>}"
    )
    assert written["vrsbench"] == (
        "<p>ship</p> {<10><20><30><60>}<delim>{<50><50><100><100>}"
    )
    assert written["earthdial"] == "ship [[10,20,30,60,0]][[50,50,100,100,0]]"
    assert written["vhm"] == "ship [100,200,300,599],[500,500,999,999]"
    assert written["falcon"].startswith("ship<box><100><200><300><600></box>ship<box>")
    assert written["florence-2"].startswith("ship<loc_100><loc_200><loc_300><loc_599>")
    assert written["fractions"] == "ship [0.1,0.2,0.3,0.6],[0.5,0.5,1,1]"
    assert written["deepseek-vl2"].startswith("<|ref|>ship<|/ref|><|det|>[[100,200,")


@pytest.mark.parametrize("name", OTHERS)
def test_nothing_is_written_and_read_as_nothing(name: str) -> None:
    codec = get_dialect(name)
    far = Region(HBB(0, 0, 10, 10), "ship")
    assert codec.encode([], WINDOW) == codec.encode([far], WINDOW)
    assert codec.encode([], WINDOW) in ("none", "[]")
    for text in ("", "none", "[]", "There is no ship.", codec.instruction()):
        assert codec.parse(text, WINDOW) == [] or text == codec.instruction()


LABEL = st.lists(
    st.sampled_from(["ship", "large", "storage tank", "pier 4", "north", "Hafen"]),
    max_size=3,
).map(" ".join)
#: In raster pixels of a window that all families see with a resolution of 20 px.
BOX = st.builds(
    lambda x, y, w, h: HBB(x, y, min(x + w, 2000), min(y + h, 2000)),
    *(st.integers(0, 1900), st.integers(0, 1900)),
    *(st.integers(60, 900), st.integers(60, 900)),
)
TURNED = st.builds(
    OBB.from_center,
    *(st.integers(500, 1500), st.integers(500, 1500), st.integers(420, 900)),
    *(st.integers(200, 400), st.floats(-89, 89)),
)


@pytest.mark.parametrize("name", OTHERS)
@settings(deadline=None, max_examples=40)
@given(regions=st.lists(st.builds(Region, BOX | TURNED, LABEL), max_size=5))
def test_round_trip(name: str, regions: list[Region]) -> None:
    window = Window.whole(2000, 2000, 1000, 1000)
    codec = cast(Dialect, get_dialect(name))
    back = codec.parse(codec.encode(regions, window), window)
    left = list(back)
    for meant in regions:
        same = [r for r in left if r.label == meant.label]
        turned = isinstance(meant.shape, OBB) and (codec.turned or codec.corners)
        shape: Shape = meant.shape if turned else meant.shape.hbb
        best = max(same, key=lambda r: iou(r.shape, shape))
        left.remove(best)
        # Parts of 100 are 20 px here, and half of one each side.
        assert iou(best.shape, shape) > (0.5 if codec.scale == 100 else 0.85)
    assert left == []


@pytest.mark.parametrize("name", OTHERS)
def test_small_objects_do_not_vanish(name: str) -> None:
    window = Window.whole(100_000, 100_000, 1000, 1000)
    codec = get_dialect(name)
    shapes: list[Shape] = [
        HBB(99_990, 99_990, 99_999, 99_999),
        HBB(1, 1, 2, 2),
        OBB.from_center(50_000, 50_000, 9, 3, 30),
        Polygon(((50_000, 50_000), (50_009, 50_000), (50_000, 50_009))),
    ]
    for shape in shapes:
        assert len(codec.parse(codec.encode([Region(shape)], window), window)) == 1


@pytest.mark.parametrize(
    ("model", "dialect"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
        ("qwen2_5-vl-3b", "qwen2.5-vl"),
        ("Qwen/Qwen2.5-Omni-7B", "qwen2.5-vl"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl"),
        ("qwen3.5-2b", "qwen3-vl"),
        ("Qwen/Qwen2-VL-7B-Instruct", "qwen-vl"),
        ("Qwen/Qwen-VL-Chat", "qwen-vl"),
        ("OpenGVLab/InternVL3_5-8B", "internvl"),
        ("OpenGVLab/Mini-InternVL-Chat-2B-V1-5", "internvl"),
        ("deepseek-ai/deepseek-vl2-tiny", "deepseek-vl2"),
        ("MBZUAI/geochat-7B", "geochat"),
        ("akshaydudhane/EarthDial_4B_RGB", "earthdial"),
        ("erenzhou/GeoGround", "geoground"),
        ("FitzPC/vhm_7B", "vhm"),
        ("Qingyun/RSCoVLM-7B-qwen2.5-vl", "rscovlm"),
        ("earth-insights/ZoomEarth-3B", "qwen2.5-vl"),
        ("rsvlm-tiny", "rsvlm"),
        ("/models/rsvlm-base", "rsvlm"),
        ("google/gemma-3-4b-it", "gemini"),
        ("llava-hf/llava-1.5-7b-hf", "fractions"),
        ("zai-org/GLM-4.5V", UNKNOWN),
    ],
)
def test_families_by_the_name_of_the_model(model: str, dialect: str) -> None:
    found = family_of(model)
    assert found is not None
    assert found[0] == dialect


@pytest.mark.parametrize("model", ["gpt-5", "HuggingFaceTB/SmolVLM2-2.2B", "x", ""])
def test_unknown_families(model: str) -> None:
    assert family_of(model) is None


def test_the_tables_agree() -> None:
    assert {dialect for _, dialect, _ in FAMILIES} <= set(DIALECTS)
    assert UNKNOWN in DIALECTS
    with pytest.raises(UnknownNameError, match="Did you mean 'qwen3-vl'"):
        get_dialect("qwen3vl")


def test_numbers_of_another_unit_are_noticed() -> None:
    def said(name: str, text: str) -> str:
        return misfit(get_dialect(name), text, WINDOW) or ""

    assert "go up to 1400" in said("qwen3-vl", '{"bbox_2d": [3, 5, 1400, 90]}')
    assert "fractions" in said("qwen3-vl", '{"bbox_2d": [0.1, 0.2, 0.5, 1]}')
    assert said("qwen3-vl", '{"bbox_2d": [0, 0, 1, 1]}') == ""  # a small box
    # 504 x 252 px: y = 400 is not on the picture, x = 400 is.
    assert said("qwen2.5-vl", '{"bbox_2d": [400, 10, 410, 20]}') == ""
    assert "end at 504" in said("qwen2.5-vl", '{"bbox_2d": [10, 400, 20, 410]}')
    assert "go up to 700" in said("geochat", "{<10><20><700><60>}")
    assert "go up to 12" in said("fractions", "[0, 1, 12, 1]")
    assert "go up to 1300" in said("rsvlm", "ship [10,20,1300,40]")
    for name in OTHERS:
        assert said(name, "There is none; in 2020 there were 3.") == ""
        assert said(name, get_dialect(name).encode([Region(HBB(1000, 500, 2000, 1000))], WINDOW)) == ""  # fmt: skip


def test_instructions_ask_for_the_kind_of_shape() -> None:
    codec = get_dialect("geoground")
    assert "horizontal" in codec.instruction()
    assert codec.instruction("hbb") == codec.instruction()
    assert "oriented" in codec.instruction("obb")
    assert "mask" in codec.instruction("mask")
    assert get_dialect("rsvlm").instruction("obb") == "Answer with oriented boxes."


def test_numbers_of_written_shapes() -> None:
    written = Written("", "turned", (1.0, 2.5, -3.0, 4.0, 30.0))
    assert written.commas == "1,2.5,-3,4,30"
    assert in_braces([written]) == "{<1><2.5><-3><4>|<30>}"


PIECES = st.sampled_from(
    ["<p>", "</p>", "{<1>", "<2><3><4>}", "|<5>}", "<box>", "</box>", "[[", "]]", ",", "1",
     "999", "-7", "0.5", "<seg>", "1*9", ";", "</seg>", "<loc_3>", '{"bbox_2d":', "}", " "]
)  # fmt: skip


@pytest.mark.parametrize("name", OTHERS)
@settings(deadline=None, max_examples=50)
@given(text=st.one_of(st.text(), st.lists(PIECES, max_size=30).map("".join)))
def test_no_text_makes_parsing_fail(name: str, text: str) -> None:
    codec = get_dialect(name)
    misfit(codec, text, WINDOW)
    for region in codec.parse(text, WINDOW):
        found = region.shape.hbb
        assert region.shape.area > 0
        assert found.intersection(WINDOW.box) > 0
        if isinstance(region.shape, HBB):
            assert found.intersection(WINDOW.box) == pytest.approx(found.area)


def test_the_page_about_served_models_is_complete() -> None:
    page = (Path(__file__).parents[2] / "docs/served-models.md").read_text()
    for name in DIALECTS:
        assert f"| `{name}` |" in page
    for name in set(RemoteSettings.model_fields) - {"url", "model"}:
        assert f"| `{name}` |" in page
    assert page.count("\n| `") == len(DIALECTS) + len(RemoteSettings.model_fields) - 2
