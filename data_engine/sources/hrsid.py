"""HRSID: ships in SAR images of 800 x 800 px (Sentinel-1, TerraSAR-X, TanDEM-X).

``annotations/{train2017,test2017}.json`` (COCO with polygons) and ``JPEGImages/``. The
file ``train_test2017.json`` repeats both and is not read.

Source:
    Wei et al., "HRSID: A High-Resolution SAR Images Dataset for Ship Detection and
    Instance Segmentation", IEEE Access 2020.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.coco import read_files
from rsvlm.formats.upstream import found

NAME = "hrsid"
LICENCE = "no licence stated upstream (github chaozhong2010/HRSID); research only"
FILES = ("**/train2017.json", "**/test2017.json")


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split; there is none for validation.

    Raises:
        ParseError: If a file does not hold what its format requires.
    """
    if split != "val":
        files = found(root, f"{split}2017.json")
        yield from read_files(root, split, files, NAME, LICENCE, "sar")
