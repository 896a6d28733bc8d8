"""Scene classes by folder: an image lies in a folder that is named after its class.

So come AID, UCMerced, WHU-RS19, EuroSAT (RGB and all bands), RESISC45. A folder named
after a split may stand above the class; a list ``*-<split>.txt`` or ``<split>.txt`` in
the folder of the data set, with a file name a line, is a split as well (the lists of
Neumann et al. that torchgeo uses).

Source:
    AID: Xia et al., IEEE TGRS 2017. UCMerced: Yang, Newsam, ACM GIS 2010. WHU-RS19: Dai,
    Yang, IEEE GRSL 2011. EuroSAT: Helber et al., IEEE JSTARS 2019. RESISC45: Cheng, Han,
    Lu, Proc. IEEE 2017. Lists: Neumann et al., https://arxiv.org/abs/1911.06721.
"""

from dataclasses import dataclass
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.formats.images import ENDINGS
from rsvlm.formats.upstream import is_clutter, read_text, split_named
from rsvlm.samples import SPLITS, Split

#: Number of classes: a folder with another number is not the data set.
CLASSES = {"aid": 30, "ucmerced": 21, "whu-rs19": 19, "eurosat": 10, "resisc45": 45}
#: Size of a pixel, m, where all images of a set share it.
GSD_M = {"ucmerced": 0.3, "eurosat": 10.0}
_SPLIT_FOLDERS = {"train", "val", "valid", "validation", "test"}


@dataclass(frozen=True, slots=True)
class Classed:
    """An image in the folder of its class.

    Attributes:
        path: Relative to the folder of the data set.
        label: Name of the folder.
        split: Which split it belongs to; None where nothing says.
    """

    path: str
    label: str
    split: Split | None


def read_class_folders(root: Path, source: str) -> list[Classed]:
    """Return the images in the order of their paths.

    Args:
        root: Folder with the folders of the classes, at any depth.
        source: Name of the data set; of one that :data:`CLASSES` does not list, any
            number of classes is right.

    Raises:
        ParseError: If it has another number of classes, or a list names a file that is
            not there, or there are lists but not of all images.
    """
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in ENDINGS
        and path.parent != root
        and path.is_file()
        and not is_clutter(path)
    )
    found = len({path.parent.name for path in paths})
    wanted = CLASSES.get(source, found or 1)
    if found != wanted:
        raise ParseError(
            f"{str(root)!r} has {found} folders of images, {source} has {wanted} "
            "classes. Point --root at the folder of that data set."
        )
    listed = _lists(root, {path.name for path in paths})
    images = [
        Classed(
            path.relative_to(root).as_posix(),
            path.parent.name,
            _split_folder(path.relative_to(root)) or listed.get(path.name),
        )
        for path in paths
    ]
    lost = [one.path for one in images if one.split is None]
    if listed and lost:
        raise ParseError(
            f"No split list in {str(root)!r} names {lost[0]!r} ({len(lost)} images are "
            "in none). Fetch the lists of all splits again, or take them all out."
        )
    return images


def spelled(name: str) -> str:
    """Return the name of a folder as words.

    >>> spelled("MediumResidential"), spelled("ground_track_field")
    ('medium residential', 'ground track field')
    """
    words = [
        " " + char if char.isupper() and index and name[index - 1].islower() else char
        for index, char in enumerate(name)
    ]
    text = "".join(words).replace("_", " ").replace("-", " ")
    return " ".join(text.lower().split())


def _split_folder(relative: Path) -> Split | None:
    for part in relative.parts[:-2]:
        if part.lower() in _SPLIT_FOLDERS:
            return split_named(part, relative.as_posix())
    return None


def _lists(root: Path, names: set[str]) -> dict[str, Split]:
    """Return file name -> split of the lists in a folder."""
    # A list of RGB pictures serves the pictures of all bands too.
    by_stem = {Path(name).stem: name for name in names}
    listed: dict[str, Split] = {}
    for split in SPLITS:
        for path in sorted({*root.glob(f"*-{split}.txt"), *root.glob(f"{split}.txt")}):
            if is_clutter(path):
                continue
            if not read_text(path).strip():
                raise ParseError(f"{path.name} is empty. Fetch the list again.")
            for number, line in enumerate(read_text(path).splitlines(), start=1):
                name = Path(line.strip()).name
                if not name:
                    continue
                if (known := by_stem.get(Path(name).stem)) is None:
                    raise ParseError(
                        f"{path.name}, line {number}: there is no image {name!r} below "
                        f"{str(root)!r}. Unpack all images, or correct the list."
                    )
                listed[known] = split
    return listed
