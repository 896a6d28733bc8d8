"""Scene classes by folder: EuroSAT, UC Merced, RESISC45, AID, WHU-RS19, or your own.

The folders are read by :mod:`rsvlm.formats.class_folders`. Where neither a folder nor a
list names a split, a tenth of the images is kept for validation and a tenth for tests,
by their names.
"""

from collections.abc import Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Literal

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.texts import Said, said_record
from rsvlm.formats.class_folders import CLASSES, GSD_M, read_class_folders, spelled
from rsvlm.formats.images import Images

LICENCE = {
    "aid": "no terms stated upstream; crops of Google Earth, research only",
    "ucmerced": "US public domain (USGS National Map)",
    "whu-rs19": "no terms stated upstream; crops of Google Earth, research only",
    "eurosat": "MIT (labels); Copernicus Sentinel data",
    "resisc45": "no terms stated upstream; crops of Google Earth, research only",
}


def read(source: str, root: Path, split: Split) -> Iterator[Record]:
    """Yield the images of a split with their class.

    Args:
        source: Key of :data:`LICENCE`.
        root: Folder with the folders of the classes, at any depth.
        split: Which images.

    Raises:
        ParseError: If the number of classes is not that of the data set, a list names
            a file that is not there, or a file is no readable image.
    """
    found = read_class_folders(root, source)
    # EuroSAT comes as RGB pictures or with all 13 bands, as TIFF.
    bands = any(one.path.endswith(".tif") for one in found) and source == "eurosat"
    sensor: Literal["optical", "multispectral"] = (
        "multispectral" if bands else "optical"
    )
    images = Images(root, sensor=sensor, gsd_m=GSD_M.get(source))
    scenes = tuple(sorted({spelled(one.label) for one in found}))
    for one in found:
        if (one.split or _drawn(source, one.path)) == split:
            said = Said(images.ref(one.path, one.path), label=spelled(one.label))
            yield said_record(root, said, source, LICENCE[source], scenes)


def _drawn(source: str, path: str) -> Split:
    """Return the split that a name falls into: eight parts, one and one."""
    draw = sha256(f"{source}/{path}".encode()).digest()[0] % 10
    return "test" if draw == 0 else "val" if draw == 1 else "train"


#: Source -> reader of its records.
READ = {source: partial(read, source) for source in CLASSES}
