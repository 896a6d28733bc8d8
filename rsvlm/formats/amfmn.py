"""Captions as AMFMN's retrieval code keeps them: two text files a split.

``<split>_caps*.txt`` has a caption a line, ``<split>_filename*.txt`` the image of each
line (five lines in a row share one), or one line an image for five captions. Sets for
retrieval (RSICD, RSITMD, UCM, Sydney) are passed on in this form.

Source:
    Yuan et al., "Exploring a Fine-Grained Multiscale Method for Cross-Modal Remote
    Sensing Image Retrieval", IEEE TGRS 2022; code xiaoyuan1996/AMFMN.
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.formats.images import Images
from rsvlm.formats.texts import Described
from rsvlm.formats.upstream import below, found, read_text
from rsvlm.samples import SPLITS, Split

#: Captions of one image.
PER_IMAGE = 5


def read_amfmn(root: Path) -> Iterator[Described]:
    """Yield the images that have a caption which is not empty.

    Raises:
        ParseError: If there are no such files, or their lines do not fit together.
    """
    images = Images(root, "images")
    found(root, "*_caps*.txt")  # says what is missing when there is no split at all
    for split in SPLITS:
        captions = below(root, f"{split}_caps*.txt")
        if captions:
            names = found(captions[0].parent, f"{split}_filename*.txt")
            yield from _split(captions[0], names[0], split, images)


def _split(
    caps: Path, names: Path, split: Split, images: Images
) -> Iterator[Described]:
    by_image = _grouped(_lines(caps), _lines(names), caps, names)
    for name, (where, captions) in by_image.items():
        kept = tuple(text for text in captions if text)
        if kept:
            yield Described(name, images.ref(name, where), kept, split)


def _grouped(
    captions: list[str], names: list[str], caps: Path, files: Path
) -> dict[str, tuple[str, list[str]]]:
    """Return name -> the place of its first mention, and its captions."""
    each = PER_IMAGE if len(captions) == PER_IMAGE * len(names) else 1
    if not any(captions) or len(captions) != each * len(names):
        raise ParseError(
            f"{caps.name} has {len(captions)} lines, {files.name} {len(names)}. "
            f"Give one name a caption, or one for {PER_IMAGE} captions."
        )
    by_image: dict[str, tuple[str, list[str]]] = {}
    for index, caption in enumerate(captions):
        name, where = names[index // each], f"{files.name}, line {index // each + 1}"
        if not name:
            raise ParseError(f"{where}: no name. Fetch the file again.")
        by_image.setdefault(name, (where, []))[1].append(caption)
    return by_image


def _lines(path: Path) -> list[str]:
    """Return the stripped lines; an empty one counts, for it keeps the files in step."""
    text = read_text(path)
    lines = [line.strip() for line in text.split("\n")]
    return lines[:-1] if text.endswith("\n") else lines
