from rsvlm.replies import (
    area_text,
    count_text,
    counts,
    found_text,
    presence_text,
    too_small_text,
)


def test_numbers_agree_with_their_nouns() -> None:
    assert count_text(1, "ship") == "1 ship."
    assert count_text(12, "bridge") == "12 bridges."
    assert count_text(0, "ship") == "No ship was found."
    assert presence_text(1, "harbor") == "Yes, 1 harbor."
    assert presence_text(0, "harbor") == "No, no harbor was found."


def test_most_frequent_first() -> None:
    assert counts(["ship"] * 2 + ["airplane"] * 2 + ["bridge"]) == (
        "2 airplanes, 2 ships and 1 bridge"
    )
    assert counts([]) == ""
    assert found_text([], None) == "No known object was found."


def test_areas_have_fitting_units() -> None:
    assert area_text(99.6, 1) == "100 m2"
    assert area_text(10_000, 1) == "10,000 m2 (1.00 ha)"
    assert area_text(12e6, 1) == "12.00 km2"
    assert area_text(None, 1234.5) == "1,234 px"


def test_what_resolution_would_do() -> None:
    text = too_small_text("vehicle", 4.5, 10.0)
    assert "covers 10 m" in text
    assert "1.1 m per pixel" in text
