"""Questions choose pictures, and every picture is explained to the model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.geometry import HBB
from rsvlm.looking import PAPER, choose_renderings, lacking, legends, plan_views
from rsvlm.raster import Raster
from rsvlm.render import RENDERINGS

PLANTS = ("true-colour", "ndvi", "false-colour")
WATER = ("true-colour", "ndwi")
MOISTURE = ("true-colour", "ndmi", "ndvi")
FIRE = ("true-colour", "nbr", "false-colour", "ndvi")
PLAIN = ("true-colour",)
DUAL = ("sar-composite", "sar-vv-db", "sar-vh-db")

#: Question -> the pictures of a Sentinel-2 scene that it gets, of six at most.
PHRASINGS = {
    "Is the vegetation healthy?": PLANTS,
    "How healthy are the crops?": PLANTS,
    "Which fields have been harvested?": PLANTS,
    "Where is the densest forest?": PLANTS,
    "Has the forest been cleared?": PLANTS,
    "is there deforestation": PLANTS,
    "How green is this city?": PLANTS,
    "Are there trees along the road?": PLANTS,
    "Which parts are bare soil?": PLANTS,
    "Is the plant cover dense?": PLANTS,
    "Outline the orchards.": PLANTS,
    "How many rice paddies are there?": PLANTS,
    "Is this a forest?": PLANTS,
    "Where is water?": WATER,
    "Is the area flooded?": WATER,
    "Please outline the flood": WATER,
    "How many ponds are there?": WATER,
    "Does a river cross the scene?": WATER,
    "How large is the reservoir?": WATER,
    "Where does the coastline run?": WATER,
    "What is the extent of the inundation?": WATER,
    "Is the sea calm?": WATER,
    "Can you tell me if there's a lake?": WATER,
    "Is the soil moist?": MOISTURE,
    "Is there a drought?": MOISTURE,
    "Which fields are irrigated?": MOISTURE,
    "Is the ground dry?": MOISTURE,
    "How arid is it?": MOISTURE,
    "Are the crops suffering from drought?": (*MOISTURE, "false-colour"),
    "Is there water stress in the crops?": (*MOISTURE, "false-colour"),
    "Where did it burn?": FIRE,
    "Outline the burnt area.": FIRE,
    "Is there a fire scar?": FIRE,
    "Where are the burn scars?": FIRE,
    "How much forest burned?": ("true-colour", "nbr", "ndvi", "false-colour"),
    "Is the crop by the river ripe?": (
        *("true-colour", "ndvi", "ndwi", "false-colour"),
    ),
    "Does the river feed the crops?": (
        *("true-colour", "ndwi", "ndvi", "false-colour"),
    ),
    "What does the NDVI show?": ("true-colour", "ndvi"),
    "What is the NDWI of the plot in the north?": ("true-colour", "ndwi"),
    "Use the NDMI.": ("true-colour", "ndmi"),
    "Use the burn index": ("true-colour", "nbr", "false-colour", "ndvi"),
    "What is the NBR of this slope?": ("true-colour", "nbr"),
    "What is red in false color?": ("true-colour", "false-colour"),
    "Is it bright in the near-infrared?": ("true-colour", "false-colour"),
    "What can be seen in the SWIR?": ("true-colour", "ndmi", "nbr"),
    "What is here?": PAPER,
    "What's in this image?": PAPER,
    "What is shown in the picture?": PAPER,
    "What is the land cover?": PAPER,
    "What is the main land use?": PAPER,
    "Classify the scene.": PAPER,
    "What kind of area is this?": PAPER,
    "Which class fits best? (A) forest (B) river (C) highway": PAPER,
    "What do you see?": PAPER,
    "What does this image show?": PAPER,
    "What covers most of the area?": PAPER,
    "Is this a forest or a lake?": PAPER,
    "Is it rural or urban?": PAPER,
    "Describe the image.": ("true-colour", "false-colour"),
    "Summarise the scene": ("true-colour", "false-colour"),
    "How many ships are there?": PLAIN,
    "Where is the airport?": PLAIN,
    "Is there a fire station?": PLAIN,
    "Are there tennis courts?": PLAIN,
    "Is there a power plant?": PLAIN,
    "Where is the water treatment plant?": PLAIN,
    "Is there a dry dock in the port?": PLAIN,
    "Is there a football field?": PLAIN,
    "What is the nbr of ships in the port?": PLAIN,
    "What is the large building in the middle?": PLAIN,
    "What kind of ship is this?": PLAIN,
    "What is on the roof of the hall in the image?": PLAIN,
    "How many cars? (A) 3 (B) as many as trees": PLAIN,
    "": PLAIN,
}


@pytest.mark.parametrize("question", PHRASINGS)
def test_words_choose_the_pictures(question: str) -> None:
    assert choose_renderings(question, PAPER, 6) == PHRASINGS[question]
    assert choose_renderings(question.upper(), PAPER, 6) == PHRASINGS[question]


@settings(deadline=None)  # other processes may share the machine
@given(
    st.sampled_from(sorted(PHRASINGS)),
    st.lists(st.sampled_from(sorted(RENDERINGS)), min_size=1, unique=True),
    st.integers(1, 9),
)
def test_a_choice_is_drawable_and_no_larger_than_allowed(
    question: str, available: list[str], most: int
) -> None:
    chosen = choose_renderings(question, available, most)
    assert 1 <= len(chosen) <= most
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(available)
    assert most == 1 or chosen[0] == available[0]


def test_a_single_picture_is_the_plain_one_unless_another_is_named() -> None:
    assert choose_renderings("Are the crops healthy?", PAPER, 1) == PLAIN
    assert choose_renderings("What does the NDVI show?", PAPER, 1) == ("ndvi",)
    assert choose_renderings("What does the NDVI show?", PLAIN, 1) == PLAIN


def test_without_room_for_all_the_best_come_first() -> None:
    question = "Is this a forest or a lake?"
    assert choose_renderings(question, PAPER, 3) == ("true-colour", "ndvi", "ndwi")
    assert choose_renderings("What is here?", PAPER, 3) == PAPER[:3]


def test_an_image_without_blue_starts_with_false_colour() -> None:
    landsat = ("false-colour", "ndvi", "ndwi", "ndmi")
    assert choose_renderings("What is here?", landsat, 6) == landsat
    # Without the second short-wave band there is no burn ratio.
    assert choose_renderings("Is there a fire scar?", landsat, 6) == landsat[:2]


def test_radar_is_shown_in_every_polarisation() -> None:
    assert choose_renderings("How many ships?", DUAL, 6) == DUAL
    assert choose_renderings("What is here?", DUAL, 2) == DUAL[:2]
    assert choose_renderings("What does VH show?", DUAL, 2) == (DUAL[0], DUAL[2])


def test_no_picture_at_all_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="0 pictures"):
        choose_renderings("What is here?", PAPER, 0)
    with pytest.raises(ValueError, match="0 pictures"):
        plan_views("What is here?", [], 0)


# Rasters


Opener = Callable[..., Raster]
S2 = ("B2", "B3", "B4", "B8", "B8A", "B11", "B12")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opener]:
    """Opens a raster of noise: name, then the descriptions of its bands."""
    import rasterio

    with ExitStack() as stack:

        def write(name: str, *bands: str | None) -> Raster:
            path = tmp_path / name
            values = np.random.default_rng(0).integers(1, 255, (len(bands), 32, 32))
            radar = bands[0] in ("VV", "VH")
            profile = {"width": 32, "height": 32, "count": len(bands)}
            dtype = "float32" if radar else "uint8"
            with rasterio.open(
                path,
                "w",
                driver="GTiff",
                dtype=dtype,
                transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6),
                **profile,
            ) as file:
                file.write((values / -10.5 if radar else values).astype(dtype))
                file.descriptions = bands
            return stack.enter_context(Raster.open(path))

        yield write


def test_every_raster_is_seen_before_any_is_seen_twice(opened: Opener) -> None:
    optical, radar = opened("a.tif", *S2), opened("b.tif", "VV", "VH")
    question = "How far did the water spread?"
    plan = [
        (0, "true-colour"),
        (1, "sar-composite"),
        (0, "ndwi"),
        (1, "sar-vv-db"),
        (1, "sar-vh-db"),
    ]
    for together in range(1, 7):
        assert plan_views(question, [optical, radar], together) == plan[:together]
    assert plan_views(question, [radar, optical], 1) == [(0, "sar-composite")]
    assert plan_views(question, [], 3) == []


def test_land_cover_gets_all_six_where_there_is_room(opened: Opener) -> None:
    rasters = [opened("a.tif", *S2), opened("b.tif", "red", "green", "blue")]
    plan = plan_views("What is the land cover?", rasters, 7)
    assert plan[:2] == [(0, "true-colour"), (1, "true-colour")]
    assert tuple(name for index, name in plan if index == 0) == PAPER


def test_each_of_several_pictures_has_its_sentence(opened: Opener) -> None:
    optical, radar = opened("a.tif", *S2), opened("b.tif", "VV", "VH")
    plan = [(0, "true-colour"), (1, "sar-vv-db"), (0, "ndvi")]
    views = [(optical, radar)[i].preview(16, name, i) for i, name in plan]
    first, second, third = legends(views)
    assert first.startswith("Image 1 (multispectral, true colour): True colour: red,")
    assert second.startswith("Image 2 (radar, VV in dB): Radar backscatter VV in dB, ")
    assert "black at -25 or less, white at 0 or more" in second
    start = "Image 3 (multispectral, NDVI; another picture of image 1): Vegetation"
    assert third.startswith(start)
    assert all(line.endswith(".") for line in (first, second, third))


def test_what_was_explained_is_referred_to(opened: Opener) -> None:
    rasters = [opened("a.tif", *S2), opened("b.tif", *S2)]
    views = [raster.preview(16, "ndwi", i) for i, raster in enumerate(rasters)]
    views.append(rasters[1].view(HBB(4, 4, 12, 12), 16, 16, "ndwi", 1))
    views.append(rasters[1].view(HBB(-4, 4, 12, 12), 16, 16, "ndwi", 1))
    part, beside = "a closer look at a part of image 2", "of the same scene as image 2"
    assert legends(views)[1:] == [
        "Image 2 (multispectral, NDWI): colours as in image 1.",
        f"Image 3 (multispectral, NDWI; {part}): colours as in image 1.",
        f"Image 4 (multispectral, NDWI; {beside}): colours as in image 1.",
    ]


def test_plain_pictures_need_no_words(opened: Opener) -> None:
    rasters = [opened("a.tif", *S2), opened("b.tif", "red", "green", "blue")]
    views = [raster.preview(16, image=i) for i, raster in enumerate(rasters)]
    assert legends([]) == []
    assert legends(views[:1]) == []
    assert legends(views) == []
    index = rasters[0].preview(16, "ndvi")
    assert legends([index]) == [index.legend]
    twice = legends([views[0], views[0]])
    assert twice[1].startswith("Image 2 (multispectral, true colour; another picture")


@pytest.mark.parametrize(
    ("question", "bands", "told"),
    [
        ("What is the NDVI?", ("red", "green", "blue"), "lacks near infrared."),
        (
            "What is the NDMI?",
            ("red", "green", "blue"),
            "lacks near infrared and short-wave infrared at 1.6 um.",
        ),
        ("Compute NBR", ("swir1", "nir", "red", "green"), "infrared at 2.2 um."),
        ("What is the NDVI?", ("green", "B8A", "B11"), "lacks red."),
        ("Show true colour", ("swir1", "nir", "red", "green"), "lacks blue."),
        ("What does VV show?", ("VH",), "VV polarisation cannot be shown"),
        ("Show it in true color", ("VH",), "lacks blue, green and red."),
        ("What is the NDVI?", (None,) * 5, "Or name the bands in the file"),
    ],
)
def test_a_band_that_is_asked_for_and_missing_is_named(
    opened: Opener, question: str, bands: tuple[str | None, ...], told: str
) -> None:
    text = lacking(question, [opened("a.tif", *bands)])
    assert text is not None
    assert told in text
    assert "a.tif (" in text
    assert "\n" not in text


def test_what_one_of_the_images_has_is_not_lacking(opened: Opener) -> None:
    colours, many = opened("a.tif", "red", "green", "blue"), opened("b.tif", *S2)
    for question in ("What is the NDVI?", "the nbr", "Use the SWIR", "Are crops dry?"):
        assert lacking(question, [colours, many]) is None
    # High-voltage lines, and what colours show as well.
    for question in ("Where are the HV lines?", "Is the vegetation healthy?"):
        assert lacking(question, [colours]) is None
    text = lacking("What is the NDVI?", [colours, opened("c.tif", "VV", "VH")])
    assert text is not None
    assert "a.tif (optical: red, green, blue) lacks near infrared; c.tif (sar:" in text
    assert lacking("What is the NDVI?", []) is None


# Real scenes


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("sen1floods11_Spain_7370579_S2.tif", PAPER),
        ("landsat7_olinda.tif", PAPER),
        ("naip_20200831.tif", PAPER[:4]),
        ("landsat_pucallpa_2020.tif", PAPER[1:5]),
        ("sen1floods11_Spain_7370579_S1.tif", DUAL),
        ("la_s2.tif", PAPER[:1]),
    ],
)
def test_real_scene(data_folder: Path, name: str, pictures: tuple[str, ...]) -> None:
    with Raster.open(data_folder / "scenes" / name) as raster:
        plan = plan_views("What is here?", [raster], 6)
        assert plan == [(0, picture) for picture in pictures]
        views = [raster.preview(96, picture) for _, picture in plan]
    told = legends(views)
    assert len(told) == (len(views) if len(views) > 1 else 0)
    assert len(set(told)) == len(told)


def test_the_water_index_shows_the_hand_drawn_flood(data_folder: Path) -> None:
    scenes = data_folder / "scenes"
    whole = HBB(0, 0, 512, 512)
    with Raster.open(scenes / "sen1floods11_Spain_7370579_label.tif") as raster:
        label = raster.read(whole, 512, 512)[0]
    with Raster.open(scenes / "sen1floods11_Spain_7370579_S2.tif") as raster:
        pixels = raster.preview(512, "ndwi").pixels
    water = np.asarray(label == 1)
    blue = pixels[..., 0] < 255  # white is land
    assert blue[water].mean() > 0.7  # muddy water at the edges has no index above 0
    assert blue[np.asarray(label == 0)].mean() < 0.03


def test_a_radar_picture_alone_needs_no_words_where_the_model_learned_radar(
    opened: Opener,
) -> None:
    radar, index = opened("b.tif", "VV", "VH"), opened("a.tif", *S2)
    view, ndvi = radar.preview(16), index.preview(16, "ndvi")
    assert legends([view]) == [view.legend]
    assert legends([view], {"optical", "sar"}) == []
    assert legends([ndvi], {"optical", "sar"}) == [ndvi.legend]
    assert len(legends([ndvi, view], {"optical", "sar"})) == 2
