"""DOTA 1.0, 1.5 and 2.0, and own labels in its form: turned boxes in text files.

``{train,val}/images/*.png`` beside ``{train,val}/labelTxt*/**/*.txt``; the test lists
have no public labels. Folders whose name ends in ``hbb`` hold upright boxes of the same
objects and are not read. Which classes are labelled follows from the version, which is
the lowest one that has all classes of the folder.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources.folders import record_of, renamed, spelled
from rsvlm.errors import ParseError
from rsvlm.formats.dota import read_dota
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import found

NAME = "dota"
LICENCE = "images of Google Earth, GF-2, JL-1 and CycloMedia: academic use only"
#: Class lists of the versions, each with those before it.
CLASSES_10 = (
    "plane", "ship", "storage-tank", "baseball-diamond", "tennis-court",
    "basketball-court", "ground-track-field", "harbor", "bridge", "large-vehicle",
    "small-vehicle", "helicopter", "roundabout", "soccer-ball-field", "swimming-pool",
)  # fmt: skip
VERSIONS = (
    CLASSES_10,
    (*CLASSES_10, "container-crane"),
    (*CLASSES_10, "container-crane", "airport", "helipad"),
)


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the labelled images of a split.

    Args:
        root: Folder with a folder a split; without any, all of it is training.
        split: Which split.

    Raises:
        ParseError: If a line has another form, an image is missing, or an image has
            labels in two folders.
    """
    files = _label_files(root)
    chosen = {stem: path for stem, (path, part) in files.items() if part == split}
    if not chosen:
        return
    classes = _classes([path for path, _ in files.values()])
    images = Images(root, f"{split}/images", "images")
    for stem, path in chosen.items():
        labels = read_dota(path)
        image = images.ref(f"{stem}.png", path.name)
        meta = {"imagesource": labels.imagesource} if labels.imagesource else {}
        yield record_of(
            root,
            image,
            NAME,
            LICENCE,
            targets=tuple(map(renamed, labels.targets)),
            objects=tuple(map(spelled, classes)),
            gsd_m=labels.gsd_m,
            meta=meta,
        )


def _label_files(root: Path) -> dict[str, tuple[Path, Split]]:
    """Return stem of an image -> its labels and split, sorted."""
    files: dict[str, tuple[Path, Split]] = {}
    for path in found(root, "label*/**/*.txt"):
        folders = path.relative_to(root).parts[:-1]
        if folders[-1].lower().endswith("hbb"):
            continue
        part: Split = "train"
        for name in folders:
            if name in ("val", "test"):
                part = "val" if name == "val" else "test"
        if path.stem in files:
            raise ParseError(
                f"{files[path.stem][0].relative_to(root)} and {path.relative_to(root)} "
                "label one image. Keep the labels of one version."
            )
        files[path.stem] = (path, part)
    return files


def _classes(paths: list[Path]) -> tuple[str, ...]:
    """Return the class list that labels follow; own classes are a list of their own."""
    seen = {target.label for path in paths for target in read_dota(path).targets}
    for version in VERSIONS:
        if seen <= set(version):
            return version
    return tuple(sorted(seen))
