"""Official SSDD: ships in SAR images (Sentinel-1, RadarSat-2, TerraSAR-X).

``{RBox,BBox}_SSDD/voc_style/Annotations_{train,test}/*.xml`` beside
``JPEGImages_{train,test}/``. Turned boxes are read where they are there.

Source:
    Zhang et al., "SAR Ship Detection Dataset (SSDD): Official Release and Comprehensive
    Data Analysis", Remote Sensing 2021.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.voc import read_files
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import found

NAME = "ssdd"
LICENCE = (
    "no licence stated upstream (github TianwenZhang0825/Official-SSDD); research only"
)
FILES = ("**/Annotations_train/*.xml", "**/Annotations_test/*.xml")


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split; there is none for validation.

    Raises:
        ParseError: If a file does not hold what its format requires.
    """
    if split == "val":
        return
    files = found(root, f"Annotations_{split}/*.xml")
    folders = sorted({path.parent for path in files}, key=_rank)
    chosen = [path for path in files if path.parent == folders[0]]
    pictures = folders[0].with_name(f"JPEGImages_{split}").relative_to(root)
    images = Images(root, str(pictures), sensor="sar")
    yield from read_files(root, split, chosen, NAME, LICENCE, ("ship",), images)


def _rank(folder: Path) -> tuple[bool, str]:
    return "RBox" not in str(folder), str(folder)
