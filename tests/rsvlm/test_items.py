"""Shapes in texts of every family: what is read, what is left out, nothing fails."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.items import Item, read_any, read_items, without_markup

BOX = [10.0, 20.0, 30.0, 40.0]


@pytest.mark.parametrize(
    "text",
    [
        "ship [10,20,30,40]",
        "<ref>ship</ref><box>[[10, 20, 30, 40]]</box>",
        "<ref> ship </ref> <box>(10,20),(30,40)</box>",
        "<|ref|>ship<|/ref|><|det|>[[10, 20, 30, 40]]<|/det|>",
        "<|object_ref_start|>ship<|object_ref_end|><|box_start|>(10,20),(30,40)<|box_end|>",
        "ship(10,20),(30,40)",  # the same after the server dropped special tokens
        "There is <p>ship</p> {<10><20><30><40>} at the pier.",
        "I see a pier; <p>ship</p>{ <10> <20> <30> <40> }",
        "ship<box><10><20><30><40></box>",
        "ship<loc_10><loc_20><loc_30><loc_40>",
        "<ref>ship</ref><box>10 20 30 40</box>",
        "<answer>ship [10,20,30,40]</answer>",
        "<|begin_of_box|>ship [[10,20,30,40]]<|end_of_box|>",
        "10,20,30,40 ship",
        " 10.0, 20.0, 30.0, 40.0  ship ",
        '[{"bbox_2d": [10, 20, 30, 40], "label": "ship"}]',
        '{"ship": [[10, 20, 30, 40]]}',
        'So:\n```json\n[{"box_2d": [10, 20, 30, 40], "label": "ship"}]\n```',
        "<p>ship</p> {<10><20><30><40>}<delim>{<1><2><3",  # cut off
        "<p>ship</p> {<10><20><30><40>}<delim>{<1><2><3><4>|<9",
        "<ref>ship</ref><box>[[10,20,30,40],[5,6",
        "ship<loc_10><loc_20><loc_30><loc_40>plane<loc_1><loc_2>",
    ],
)
def test_one_box_in_the_signs_of_every_family(text: str) -> None:
    (item,) = read_any(text)
    assert (item.label, item.keyword, item.numbers) == ("ship", "", BOX)


def test_five_numbers_stay_together() -> None:
    for text in (
        "<p>ship</p> {<10><20><30><40>|<-15>}",
        "ship [[10,20,30,40,-15]]",
        '{"oriented bbox": [10, 20, 30, 40, -15], "label": "ship"}',
        "<p>ship</p><obb>[[10,20,30,40,-15]]</obb>",
    ):
        (item,) = read_any(text)
        assert (item.label, item.numbers) == ("ship", [*BOX, -15])


def test_several_boxes_keep_their_labels() -> None:
    text = "<p>two ships</p> {<1><2><3><4>}<delim>{<5><6><7><8>} near <p>a pier</p> {<9><9><9><9>}"
    assert [(item.label, item.numbers[0]) for item in read_any(text)] == [
        ("two ships", 1),
        ("two ships", 5),
        ("a pier", 9),
    ]
    text = "[[1,2,3,4,5]][[6,7,8,9,10]], [[11,12,13,14,15], [16,17,18,19,20]]"
    assert [item.numbers[0] for item in read_any(text)] == [1, 6, 11, 16]
    text = '{"bbox_2d": [[1,2,3,4],[5,6,7,8]], "label": "ship"}'
    assert [item.numbers for item in read_any(text)] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert len(read_any("1,2,3,4 ship\n5,6,7,8 plane\n9,10,11 none")) == 2


def test_points_of_a_json_ring_are_one_shape() -> None:
    text = '{"bbox": [[10, 20], [30, 40]], "label": "ship"}'
    assert [item.numbers for item in read_any(text)] == [BOX]
    (item,) = read_any('{"polygon": [[1,2],[3,4],[5,6]], "label": "lake"}')
    assert item == Item("lake", "poly", "1.000,2.000,3.000,4.000,5.000,6.000")
    (item,) = read_any("lake<poly><1><2><3><4><5><6></poly>")
    assert (item.label, item.keyword, len(item.numbers)) == ("lake", "poly", 6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "none",
        "There are 3, 4 or 5, 6 ships",
        "The area is 3,000 m2.",
        "{<10><20><30>}",
        "x<1><2><3>",
        "x<1><2><3><4><5",  # cut off: these may not be the four of one box
        "x<1><2><3><4>|<90>}",
        "<think>",
        '{"bbox_2d": [1, 2, 3, "4"]}',
        "1,2,3,4",
        "10,20,30 ship",
    ],
)
def test_what_is_no_shape(text: str) -> None:
    assert read_any(text) == []


def test_the_reader_of_our_own_dialect_takes_no_tags_or_lines() -> None:
    assert read_items("10,20,30,40 ship") == []
    assert read_items("<p>ship</p> {<10><20><30><40>}") == []


def test_text_without_markup_is_not_changed() -> None:
    text = "A <b>bold</b> claim {x} <- 3 ships [1,2,3,4] and x < 5 > 2"
    assert without_markup(text) == text


PIECES = st.sampled_from(
    [
        *'[](){}<>|;:,.*"\n -/',
        *("<p>", "</p>", "<ref>", "</ref>", "<box>", "</box>", "<poly>", "</poly>"),
        *("<loc_1>", "<12>", "{<1><2><3><4>", "|<9>}", "<|det|>", "<seg>", "1*2"),
        *(
            "12",
            "-3.5",
            "9" * 400,
            "ship",
            '{"bbox_2d":[1,2,3,4]}',
            "poly",
            "1,2,3,4 a",
        ),
    ]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join)))
def test_no_text_makes_reading_fail(text: str) -> None:
    for item in read_any(text):
        assert item.numbers == [] or len(item.numbers) >= 2


@pytest.mark.parametrize(
    "text",
    [
        "<1>" * 30_000,
        "{" + "<1> " * 30_000,
        "{<1><2><3><4>|" * 10_000,
        "<p>" * 30_000,
        "<box>" + "1 " * 30_000,
        "1," * 30_000 + " ship",
        "<ref>" + "x" * 100_000,
        "[" * 100_000,
    ],
)
def test_runaway_replies_are_read(text: str) -> None:
    assert len(read_any(text)) <= 1  # a quadratic reader would not end
