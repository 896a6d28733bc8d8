"""DIOR and DIOR-R: 20 classes in images of 800 x 800 px, upright or turned boxes.

``Annotations/{Horizontal,Oriented} Bounding Boxes/*.xml`` (or ``Annotations/*.xml``),
``JPEGImages-{trainval,test}/`` (or ``JPEGImages/``) and
``ImageSets/Main/{train,val,test}.txt``. Turned boxes are read where they are there.

Source:
    Li et al., "Object detection in optical remote sensing images: A survey and a new
    benchmark", ISPRS JPRS 2020; Cheng et al., "Anchor-free Oriented Proposal Generator
    for Object Detection", IEEE TGRS 2022.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.voc import read_files
from rsvlm.errors import ParseError
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import found, only, read_text

NAME = "dior"
LICENCE = "no terms stated upstream; images of Google Earth, research only"
CLASSES = (
    "airplane", "airport", "baseballfield", "basketballcourt", "bridge", "chimney",
    "dam", "Expressway-Service-area", "Expressway-toll-station", "golffield",
    "groundtrackfield", "harbor", "overpass", "ship", "stadium", "storagetank",
    "tenniscourt", "trainstation", "vehicle", "windmill",
)  # fmt: skip


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split.

    Raises:
        ParseError: If a file does not hold what its format requires.
    """
    path = only(found(root, f"ImageSets/Main/{split}.txt"))
    if not read_text(path).strip():
        raise ParseError(f"{path.name} is empty. Fetch the list again.")
    files = _annotations(root)
    chosen = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if name := line.strip():
            if name not in files:
                raise ParseError(
                    f"{path.name}, line {number}: there is no {name}.xml below "
                    f"'Annotations'. Unpack all annotations."
                )
            chosen.append(files[name])
    part = "test" if split == "test" else "trainval"
    images = Images(root, f"JPEGImages-{part}", "JPEGImages")
    yield from read_files(root, split, chosen, NAME, LICENCE, CLASSES, images)


def _annotations(root: Path) -> dict[str, Path]:
    """Return stem -> file; turned boxes go before upright ones."""
    paths = found(root, "Annotations/**/*.xml")
    turned = [p for p in paths if "oriented" in p.parent.name.lower()]
    return {path.stem: path for path in turned or paths}
