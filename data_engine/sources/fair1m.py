"""FAIR1M: turned boxes of 37 fine-grained classes in GF-2 and Google Earth images.

``{train/part*,validation}/{images,labelXml*}/*``; the test list has no public labels.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.folders import labelled_records
from rsvlm.formats.fair1m import read_fair1m
from rsvlm.formats.images import Images
from rsvlm.formats.labelled import Labelled
from rsvlm.formats.upstream import found

NAME = "fair1m"
LICENCE = "CC-BY-NC-SA-3.0"
CLASSES = (
    "Boeing737", "Boeing747", "Boeing777", "Boeing787", "C919", "A220", "A321", "A330",
    "A350", "ARJ21", "other-airplane", "Passenger Ship", "Motorboat", "Fishing Boat",
    "Tugboat", "Engineering Ship", "Liquid Cargo Ship", "Dry Cargo Ship", "Warship",
    "other-ship", "Small Car", "Bus", "Cargo Truck", "Dump Truck", "Van", "Trailer",
    "Tractor", "Excavator", "Truck Tractor", "other-vehicle", "Basketball Court",
    "Tennis Court", "Football Field", "Baseball Field", "Intersection", "Roundabout",
    "Bridge",
)  # fmt: skip


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split.

    Raises:
        ParseError: If a file does not hold what its format requires.
    """
    if split == "test":
        return
    files = [
        path
        for path in found(root, "labelXml*/**/*.xml")
        if ("validation" in path.relative_to(root).parts) == (split == "val")
    ]
    yield from labelled_records(
        root, _labelled(root, files, split), NAME, LICENCE, CLASSES
    )


def _labelled(root: Path, files: list[Path], split: Split) -> Iterator[Labelled]:
    finders: dict[str, Images] = {}
    for path in files:
        # Numbers of images start anew in every part.
        parts = path.relative_to(root).parts
        level = next(i for i, name in enumerate(parts) if name.startswith("labelXml"))
        folder = "/".join((*parts[:level], "images"))
        images = finders.setdefault(folder, Images(root, folder))
        image = images.ref(f"{folder}/{path.stem}.tif", path.name)
        yield Labelled(image, read_fair1m(path).targets, split)
