"""NWPU VHR-10 as this project keeps it, and reasoning segmentation made from it.

``instances_test.json`` (COCO: boxes, instance polygons) beside ``images_test.tar``. A
question describes an object by its use or its place and never names it; for each image
one asks for something that no label shows. The mask is the union of the polygons meant.

Source:
    Cheng, Zhou, Han, "Learning rotation-invariant convolutional neural networks for
    object detection in VHR optical remote sensing images", IEEE TGRS 2016.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random

from rsvlm.eval.convert.asked import asked
from rsvlm.eval.convert.reasons import ABSENT, PLACES, USES
from rsvlm.formats.coco import read_coco
from rsvlm.formats.tars import read_tar
from rsvlm.samples import ImageRef, Sample, Target

SOURCE = "vhr10"
LICENCE = (
    "annotations MIT (Copyright (c) 2019 chaozhong2010); images for research only "
    "(crops of Google Earth and of the ISPRS/DGPF Vaihingen data)"
)
#: The next object must be this far away, in shares of the image, and the next smaller
#: one have this share of the area at most, for "leftmost" and "largest" to be certain.
CLEAR_GAP, CLEAR_SHARE = 0.05, 0.6


@dataclass(frozen=True)
class Labelled:
    """An image of the test list with its objects, names of classes as words."""

    name: str
    width: int
    height: int
    targets: tuple[Target, ...]

    def of(self, label: str) -> tuple[Target, ...]:
        """Return the objects of a class."""
        return tuple(target for target in self.targets if target.label == label)


def folder_of(root: Path, name: str) -> Path:
    """Return the folder of one of this project's data sets: ``root`` or one inside."""
    inner = root / name
    return inner if inner.is_dir() else root


def read_labels(root: Path) -> tuple[list[Labelled], tuple[str, ...]]:
    """Return the test images with their labels, and the names of all classes.

    Args:
        root: Folder ``vhr10``, or the one that holds it.

    Raises:
        ParseError: If the file does not hold what the layout requires.
    """
    path = folder_of(root, SOURCE) / "instances_test.json"
    # Vertices are indices of pixels, whose centres lie at + 0.5.
    coco = read_coco(path, vertex_offset=0.5)
    images = [
        Labelled(
            name=image.file_name,
            width=image.width or 0,
            height=image.height or 0,
            targets=tuple(map(_in_words, image.targets)),
        )
        for image in coco.images
    ]
    return images, tuple(name.replace("_", " ") for name in coco.classes)


def _in_words(target: Target) -> Target:
    return target.model_copy(update={"label": target.label.replace("_", " ")})


def image_path(name: str) -> str:
    """Return where an image lies; the same as after ``rsvlm data build tiny``."""
    return f"images/{SOURCE}/{name}"


def pictures(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every test image."""
    images, _ = read_labels(root)
    tar = folder_of(root, SOURCE) / "images_test.tar"
    for name, data in read_tar(tar, [image.name for image in images]):
        yield image_path(name), data


def reasoning(root: Path) -> Iterator[Sample]:
    """Yield the questions of reasoning segmentation.

    Types: ``use`` (all objects of a class), ``place`` (the one at an edge), ``size``
    (the largest), ``absent`` (nothing to be found).

    Raises:
        ParseError: If the labels do not hold what the layout requires.
    """
    images, classes = read_labels(root)
    tar = folder_of(root, SOURCE) / "images_test.tar"
    hashes = {
        name: sha256(data).hexdigest()
        for name, data in read_tar(tar, [image.name for image in images])
    }
    for image in images:
        yield from _questions(image, classes, hashes)


def _questions(
    image: Labelled, classes: Sequence[str], hashes: Mapping[str, str]
) -> Iterator[Sample]:
    def sample(
        kind: str, label: str, question: str, targets: tuple[Target, ...]
    ) -> Sample:
        stem = image.name.rsplit(".", 1)[0]
        return Sample(
            id=f"vhr10-seg/{stem}/{kind}-{label.replace(' ', '-')}",
            images=(
                ImageRef(
                    path=image_path(image.name),
                    width=image.width,
                    height=image.height,
                    sha256=hashes[image.name],
                ),
            ),
            task="segment",
            conversation=asked(question),
            targets=targets,
            type=kind,
            source="vhr10-seg",
            licence=LICENCE,
            split="test",
            meta={"label": label},
        )

    present = [label for label in classes if image.of(label)]
    for label in present:
        rng = Random(f"vhr10-seg/{image.name}/{label}")
        use = rng.choice(USES[label])
        targets = image.of(label)
        yield sample("use", label, use.all, targets)
        if len(targets) > 1:
            side, template = rng.choice(PLACES)
            if (at := outermost(targets, side, image)) is not None:
                yield sample("place", label, template.format(use.one), (targets[at],))
            if (at := largest(targets)) is not None:
                question = f"Segment the largest of the things that {use.one}."
                yield sample("size", label, question, (targets[at],))
    absent = [label for label in classes if label not in present and label in USES]
    if absent:
        rng = Random(f"vhr10-seg/{image.name}/absent")
        label = rng.choice(absent)
        question = rng.choice(ABSENT).format(rng.choice(USES[label]).one)
        yield sample("absent", label, question, ())


def outermost(targets: Sequence[Target], side: str, image: Labelled) -> int | None:
    """Return which object lies nearest to a side; None where that is not certain."""
    axis, sign, whole = {
        "left": (0, 1, image.width),
        "right": (0, -1, image.width),
        "top": (1, 1, image.height),
        "bottom": (1, -1, image.height),
    }[side]
    middles = [sign * (t.hbb[axis] + t.hbb[axis + 2]) / 2 for t in targets]
    order = sorted(range(len(targets)), key=middles.__getitem__)
    gap = middles[order[1]] - middles[order[0]]
    return order[0] if gap >= CLEAR_GAP * whole else None


def largest(targets: Sequence[Target]) -> int | None:
    """Return which object is the largest; None where that is not certain."""
    areas = [(t.hbb[2] - t.hbb[0]) * (t.hbb[3] - t.hbb[1]) for t in targets]
    order = sorted(range(len(targets)), key=areas.__getitem__, reverse=True)
    return order[0] if areas[order[1]] <= CLEAR_SHARE * areas[order[0]] else None
