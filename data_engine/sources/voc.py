"""Sets of labels in Pascal VOC XML: own ones, DIOR, SSDD, and trees of NEON.

A file belongs to the image of its own stem. Own labels are training unless a folder
above them is named ``val`` or ``test``.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.folders import labelled_records
from rsvlm.formats.images import Images
from rsvlm.formats.labelled import Labelled
from rsvlm.formats.upstream import found
from rsvlm.formats.voc import read_voc

NAME = "voc"
LICENCE = "as the owner of the labels and images states"


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split.

    Raises:
        ParseError: If a file is no VOC file, or an image is missing.
    """
    files = found(root, "*.xml")
    classes = sorted({t.label for path in files for t in read_voc(path).targets})
    chosen = [path for path in files if _split(path.relative_to(root)) == split]
    yield from read_files(root, split, chosen, NAME, LICENCE, classes, Images(root))


def read_files(
    root: Path,
    split: Split,
    files: Iterable[Path],
    source: str,
    licence: str,
    classes: Sequence[str],
    images: Images,
) -> Iterator[Record]:
    """Yield the labelled images of some files.

    Args:
        root: Folder of the data set.
        split: Which split the files are.
        files: VOC files.
        source: Name of the source.
        licence: Terms of images and labels.
        classes: Closed list of labelled objects, upstream spelling.
        images: Where images are found.
    """
    listed = (
        Labelled(images.ref(path.stem, path.name), read_voc(path).targets, split)
        for path in files
    )
    yield from labelled_records(root, listed, source, licence, classes)


def _split(relative: Path) -> Split:
    for part in relative.parts[:-1]:
        if part in ("val", "test"):
            return "val" if part == "val" else "test"
    return "train"
