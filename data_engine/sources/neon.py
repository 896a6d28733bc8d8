"""NEON: tree crowns in airborne pictures of 0.1 m, as DeepForest packs them (VOC XML).

``neon_*.xml`` beside the image of the same stem. The larger one, of Yellowstone, is for
training, the other, of Florida, for testing.

Source:
    Weinstein et al., "A benchmark dataset for canopy crown detection and delineation in
    co-registered airborne RGB, LiDAR and hyperspectral imagery from the National
    Ecological Observation Network", PLOS Computational Biology 2021.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split, missing
from rsvlm.data_engine.sources.voc import read_files
from rsvlm.formats.images import Images

NAME = "neon"
FOLDER = "scenes"
LICENCE = (
    "MIT (Python package deepforest); images of NEON, the wording of its data policy is "
    "not verified"
)
#: Split -> stems of files.
STEMS: dict[Split, tuple[str, ...]] = {
    "train": ("neon_yell_2019",),
    "val": (),
    "test": ("neon_osbs_029",),
}
FILES = (
    "neon_osbs_029.tif", "neon_osbs_029.xml", "neon_yell_2019.jpg", "neon_yell_2019.xml",
)  # fmt: skip
#: m/px.
GSD_M = 0.1


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    files = [root / f"{stem}.xml" for stem in STEMS[split]]
    for path in files:
        if not path.is_file():
            raise missing(path)
    images = Images(root, gsd_m=GSD_M)
    yield from read_files(root, split, files, NAME, LICENCE, ("Tree",), images)
