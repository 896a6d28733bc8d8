"""Objects of VHR-10 pasted on scenes of RSSCN7; both from their training images only.

The pixel size of an RSSCN7 scene follows from its number: each class holds a hundred
images of four map scales each, in order. It is an estimate from the screen that the
images were taken from.
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
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
    if not COUNTS[split]:
        return
    cuts = _cuts(root / "vhr10", split)
    grounds = [
        record
        for record in rsscn7.read(root / "rsscn7", split)
        if record.label in FITTING
    ]
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
    index: int, ground: Record, cuts: dict[str, list[Cut]], split: Split
) -> Record | None:
    """Return a picture, None where nothing found a place."""
    rng = np.random.default_rng((5, split == "val", index))
    gsd_m = _gsd_m(ground.name)
    fitting = [name for name in FITTING[str(ground.label)] if cuts.get(name)]
    # One or two classes a picture, as in the world.
    names = rng.permutation(fitting)[: int(rng.integers(1, 3))]
    count = int(rng.integers(1, MOST + 1))
    chosen = [
        cuts[name][int(rng.integers(len(cuts[name])))]
        for name in rng.choice(names, count).tolist()
    ]
    with Image.open(BytesIO(ground.image)) as image:
        pixels = np.asarray(image.convert("RGB"))
    picture, targets = paste(pixels, chosen, gsd_m, rng)
    if not targets:
        return None
    return Record(
        image=encoded(picture),
        name=f"{split}-{index:05d}.jpg",
        width=picture.shape[1],
        height=picture.shape[0],
        source=NAME,
        licence=LICENCE,
        targets=targets,
        objects=tuple(LENGTHS),
        meta={"labels": "pasted", "ground": ground.name, "scene": ground.label},
    )


@lru_cache(maxsize=2)
def _cuts(root: Path, split: Split) -> dict[str, list[Cut]]:
    """Return class -> objects of a split."""
    found: dict[str, list[Cut]] = defaultdict(list)
    for record in vhr10.read(root, split):
        with Image.open(BytesIO(record.image)) as image:
            pixels = np.asarray(image.convert("RGB"))
        for target in record.targets:
            named = target.model_copy(update={"label": canonical_name(target.label)})
            if one := cut(pixels, named):
                found[one.label].append(one)
    return dict(found)


def _gsd_m(name: str) -> float:
    """Return the pixel size of a scene by its number.

    >>> _gsd_m("a001.webp"), _gsd_m("g400.webp")
    (0.3, 2.2)
    """
    digits = "".join(char for char in name.split(".")[0] if char.isdigit())
    return GSD_M[min(max(int(digits or 1) - 1, 0) // 100, len(GSD_M) - 1)]
