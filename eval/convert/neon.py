"""NEON: how many trees an airborne picture of 5.7 million pixels shows.

``scenes/neon_yell_2019.jpg`` beside its boxes on crowns (Pascal VOC XML). Labels are of
one upstream annotator; what is no tree is not labelled, so that there is one question.

Source:
    Weinstein et al., PLOS Computational Biology 2021, as the Python package deepforest
    packs it.
"""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.vhr10 import folder_of
from rsvlm.formats.voc import read_voc
from rsvlm.samples import ImageRef, Sample

LICENCE = (
    "MIT (Python package deepforest); image: National Ecological Observatory Network"
)
FOLDER, STEM = "scenes", "neon_yell_2019"
#: Ways to ask; the count is the same.
QUESTIONS = (
    "How many trees are there?",
    "Count the trees in this image.",
    "What is the number of trees?",
)
#: m/px.
GSD_M = 0.1
_PATH = f"images/neon/{STEM}.jpg"


def pictures(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of the image."""
    yield _PATH, _image(root)


def convert(root: Path) -> Iterator[Sample]:
    """Yield the questions.

    Raises:
        ParseError: If image or labels are missing or damaged.
    """
    from rsvlm.eval.convert.rasters import decoded

    trees = read_voc(folder_of(root, FOLDER) / f"{STEM}.xml").targets
    data = _image(root)
    _, height, width = decoded(data, f"{STEM}.jpg").shape
    image = ImageRef(
        path=_PATH, width=width, height=height, gsd_m=GSD_M,
        sha256=sha256(data).hexdigest(),
    )  # fmt: skip
    for number, question in enumerate(QUESTIONS, start=1):
        yield Sample(
            id=f"neon-trees/{STEM}/{number}",
            images=(image,),
            task="count",
            conversation=asked(question),
            answers=(str(len(trees)),),
            source="neon",
            licence=LICENCE,
            split="test",
            meta={"label": "tree"},
        )


def _image(root: Path) -> bytes:
    path = folder_of(root, FOLDER) / f"{STEM}.jpg"
    try:
        return path.read_bytes()
    except OSError:
        raise ParseError(
            f"{path} is missing. Name the folder that holds {FOLDER}/."
        ) from None
