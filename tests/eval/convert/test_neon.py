"""NEON: the count is the number of labelled crowns."""

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from rsvlm.errors import ParseError
from rsvlm.eval.convert import neon

TREE = (
    "<object><name>Tree</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax>"
    "<ymax>8</ymax></bndbox></object>"
)


def test_all_questions_have_the_number_of_crowns(tree: Any) -> None:
    folder = tree.root / "scenes"
    folder.mkdir(parents=True)
    made = BytesIO()
    Image.new("RGB", (40, 30)).save(made, "JPEG")
    (folder / f"{neon.STEM}.jpg").write_bytes(made.getvalue())
    (folder / f"{neon.STEM}.xml").write_text(f"<annotation>{TREE * 7}</annotation>")
    samples = list(neon.convert(tree.root))
    assert [sample.answers for sample in samples] == [("7",)] * 3
    assert len({sample.id for sample in samples}) == 3
    ((path, data),) = neon.pictures(tree.root)
    image = samples[0].images[0]
    assert (image.path, image.width, image.height) == (path, 40, 30)
    assert data == made.getvalue()


def test_a_missing_image_is_named(tree: Any) -> None:
    with pytest.raises(ParseError, match="neon_yell_2019"):
        list(neon.pictures(tree.root))
