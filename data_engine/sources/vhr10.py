"""NWPU VHR-10: ten object classes with boxes and instance polygons.

Upstream form: ``instances_{train,test}.json`` (COCO) beside
``images_{train,test}.tar`` of WebP files.

Source:
    Cheng, Zhou, Han, "Learning rotation-invariant convolutional neural networks for
    object detection in VHR optical remote sensing images", IEEE TGRS 2016.
"""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split, hold_out, missing, read_tar
from rsvlm.formats.coco import read_coco

NAME = "vhr10"
LICENCE = (
    "annotations MIT (Copyright (c) 2019 chaozhong2010); images 'used for research "
    "purposes only' (crops of Google Earth and of the ISPRS/DGPF Vaihingen data)"
)

#: Training images that show the scene of a test image.
DROPPED = frozenset({"299"})
#: Pairs of training images that show one scene.
SAME_SCENE = (("073", "286"), ("285", "321"), ("288", "297"), ("293", "303"))
#: Images of the training list that serve for validation.
VAL_IMAGES = 52


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split, in the order of the upstream list.

    Args:
        root: Folder of the dataset.
        split: ``val`` is taken out of the upstream training list.

    Yields:
        The records.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    part = "test" if split == "test" else "train"
    path = root / f"instances_{part}.json"
    if not path.is_file():
        raise missing(path)
    # Upstream vertices are indices of pixels, as the boxes show, which reach one pixel
    # further than the largest vertex; the centre of pixel i lies at i + 0.5.
    coco = read_coco(path, vertex_offset=0.5)
    images = {image.file_name: image for image in coco.images}
    names = [name for name in images if split == "test" or _stem(name) not in DROPPED]
    if split != "test":
        val = hold_out(_groups(names), VAL_IMAGES, NAME)
        names = [name for name in names if (name in val) == (split == "val")]
    for name, data in read_tar(root / f"images_{part}.tar", names):
        image = images[name]
        yield Record(
            image=data,
            name=name,
            width=image.width or 0,
            height=image.height or 0,
            source=NAME,
            licence=LICENCE,
            targets=image.targets,
            objects=coco.classes,
        )


def _groups(names: list[str]) -> list[list[str]]:
    """Return the names, those of one scene together."""
    first = {second: first for first, second in SAME_SCENE}
    groups: dict[str, list[str]] = defaultdict(list)
    for name in names:
        groups[first.get(_stem(name), _stem(name))].append(name)
    return list(groups.values())


def _stem(name: str) -> str:
    return name.rsplit(".", 1)[0]
