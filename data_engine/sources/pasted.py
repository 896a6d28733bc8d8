"""Objects of VHR-10 pasted on scenes of RSSCN7 and on other images of VHR-10, in turn.

Both come from training images only. On an image of VHR-10 an object keeps about its size,
and what is labelled there stays labelled. On a scene its size is that of its class in the
world. The pixel size of an RSSCN7 scene follows from its number: each class holds a hundred
images of four map scales each, in order. It is an estimate from the screen that the
images were taken from.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from rsvlm.data_engine.phrases import canonical_name
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import rsscn7, vhr10
from rsvlm.data_engine.synth.paste import LENGTHS, Cut, cut, encoded, paste

NAME = "pasted"
LICENCE = f"objects: {vhr10.LICENCE}; grounds: {rsscn7.LICENCE}"
#: The folder of the datasets itself: two of them are read.
FOLDER = "."
FILES = (
    "vhr10/images_train.tar",
    "vhr10/instances_train.json",
    "rsscn7/images_train.tar",
    "rsscn7/labels.csv",
)
#: Pictures: split -> how many.
COUNTS: dict[Split, int] = {"train": 1200, "val": 60, "test": 0}
#: Pixel size of the four map scales at 256 px, m.
GSD_M = (0.3, 0.55, 1.1, 2.2)
#: Scene -> classes that are pasted on it. Scenes that may show such objects themselves
#: are left out: they would be there without a label.
FITTING = {
    "grass": tuple(name for name in LENGTHS if name != "ship"),
    "field": tuple(name for name in LENGTHS if name != "ship"),
    "river_lake": ("ship",),
}
#: Closed list of the labels of VHR-10.
OBJECTS = (*LENGTHS, "harbor", "bridge", "vehicle")
#: Size of an object against its own, on an image of its own set.
JITTER = (0.6, 1.2)
#: Labels of images of VHR-10 that show water; roads elsewhere look much like it.
AFLOAT = frozenset({"ship", "harbor", "bridge"})
#: Most objects of a picture.
MOST = 6


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield pictures with pasted objects.

    Args:
        root: Folder that holds ``vhr10`` and ``rsscn7``.
        split: Objects and grounds are those of this split; ``test`` is empty.

    Yields:
        The records, each made when it is asked for.

    Raises:
        SettingsError: If a file is missing.
        ParseError: If a file does not hold what its format requires.
    """
    if COUNTS[split]:
        images = list(vhr10.read(root / "vhr10", split))
        grounds = grounds_of(root, split, images)
        yield from pictures(cuts_of(images), grounds, split)


def grounds_of(root: Path, split: Split, images: Sequence[Record]) -> list[Record]:
    """Return scenes that show no such objects themselves, and images, in turn.

    Args:
        root: Folder that holds ``rsscn7``.
        split: Which scenes.
        images: Labelled images of VHR-10; they come as often as the scenes.
    """
    found = rsscn7.read(root / "rsscn7", split)
    scenes = [record for record in found if record.label in FITTING]
    count = max(len(scenes), len(images))
    return [
        pool[index % len(pool)] for index in range(count) for pool in (scenes, images)
    ]


def cuts_of(records: Iterable[Record]) -> dict[str, list[Cut]]:
    """Return class -> objects that can be pasted."""
    found: dict[str, list[Cut]] = defaultdict(list)
    for record in records:
        with Image.open(BytesIO(record.image)) as image:
            pixels = np.asarray(image.convert("RGB"))
        for target in record.targets:
            named = target.model_copy(update={"label": canonical_name(target.label)})
            if one := cut(pixels, named):
                found[one.label].append(one)
    return dict(found)


def pictures(
    cuts: Mapping[str, list[Cut]], grounds: Sequence[Record], split: Split
) -> Iterator[Record]:
    """Yield pictures with pasted objects, as many as the split has.

    Args:
        cuts: Class -> objects.
        grounds: Scenes and labelled images to paste on, in turn.
        split: Another split draws other pictures.
    """
    made = 0
    for index in range(2 * COUNTS[split]):
        ground = grounds[index * 7919 % len(grounds)]
        record = _record(index, ground, cuts, split)
        if record is not None:
            yield record
            made += 1
        if made == COUNTS[split]:
            return


def _record(
    index: int, ground: Record, cuts: Mapping[str, list[Cut]], split: Split
) -> Record | None:
    """Return a picture, None where nothing found a place."""
    rng = np.random.default_rng((5, split == "val", index))
    labels = {canonical_name(target.label) for target in ground.targets}
    fitting = FITTING.get(str(ground.label), tuple(LENGTHS))
    if labels and not labels & AFLOAT:
        fitting = tuple(name for name in fitting if name != "ship")
    # One or two classes a picture, as in the world.
    names = rng.permutation([n for n in fitting if cuts.get(n)])
    names = names[: int(rng.integers(1, 3))]
    count = int(rng.integers(1, MOST + 1))
    chosen = [
        cuts[name][int(rng.integers(len(cuts[name])))]
        for name in (rng.choice(names, count).tolist() if len(names) else ())
    ]
    sized = [(one, _length(one, ground, rng)) for one in chosen]
    with Image.open(BytesIO(ground.image)) as image:
        pixels = np.asarray(image.convert("RGB"))
    picture, targets = paste(pixels, sized, rng, ground.targets)
    if not targets:
        return None
    known = tuple(
        target.model_copy(update={"label": canonical_name(target.label)})
        for target in ground.targets
    )
    place = {"scene": ground.label} if ground.label else {}
    return Record(
        image=encoded(picture),
        name=f"{split}-{index:05d}.jpg",
        width=picture.shape[1],
        height=picture.shape[0],
        source=NAME,
        licence=LICENCE,
        targets=(*known, *targets),
        objects=OBJECTS if ground.targets else tuple(LENGTHS),
        meta={"labels": "pasted", "ground": ground.name, **place},
    )


def _length(one: Cut, ground: Record, rng: np.random.Generator) -> float:
    """Return how long an object shall be on a ground, px."""
    if ground.targets:  # of another image of its own set
        return one.length * float(rng.uniform(*JITTER))
    low, high = LENGTHS[one.label]
    return float(rng.uniform(low, high)) / _gsd_m(ground.name)


def _gsd_m(name: str) -> float:
    """Return the pixel size of a scene by its number.

    >>> _gsd_m("a001.webp"), _gsd_m("g400.webp")
    (0.3, 2.2)
    """
    digits = "".join(char for char in name.split(".")[0] if char.isdigit())
    return GSD_M[min(max(int(digits or 1) - 1, 0) // 100, len(GSD_M) - 1)]
