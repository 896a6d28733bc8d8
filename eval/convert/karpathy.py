"""RSICD, RSITMD, UCM-Captions and Sydney-Captions: captions in Karpathy's JSON.

``dataset*.json`` holds ``{"images": [{"filename", "imgid", "split", "sentences":
[{"raw", "tokens", "sentid"}]}]}``; the images lie in a folder beside it.

Source:
    Lu, Wang, Zheng, Li, "Exploring Models and Data for Remote Sensing Image Caption
    Generation", IEEE TGRS 2018 (RSICD; form of the others too).
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.eval.convert.images import Images
from rsvlm.eval.convert.upstream import (
    Fields,
    as_fields,
    asked,
    found,
    only,
    read_json,
    split_named,
)
from rsvlm.samples import Sample

LICENCE = "no terms stated upstream; crops of Google Earth and others, research only"
QUESTION = "Describe the image."
#: Folders in which the four sets keep their images.
FOLDERS = ("images", "imgs", "RSICD_images", "RSITMD_images", "UCM_images")


def rsicd(root: Path) -> Iterator[Sample]:
    """Yield the samples of RSICD: 10,921 images, five captions each."""
    return read(root, "rsicd")


def rsitmd(root: Path) -> Iterator[Sample]:
    """Yield the samples of RSITMD; empty captions of the training split are dropped."""
    return read(root, "rsitmd")


def ucm_captions(root: Path) -> Iterator[Sample]:
    """Yield the samples of UCM-Captions: 2,100 images."""
    return read(root, "ucm-captions")


def sydney_captions(root: Path) -> Iterator[Sample]:
    """Yield the samples of Sydney-Captions: 613 images."""
    return read(root, "sydney-captions")


def read(root: Path, source: str) -> Iterator[Sample]:
    """Yield one caption sample an image.

    Args:
        root: Folder with one ``dataset*.json`` and the images.
        source: Name of the data set.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    path = only(found(root, "dataset*.json"))
    images = Images(root, *FOLDERS)
    whole = as_fields(read_json(path), path.name)
    for entry in Fields(whole.values, path.name).objects("images"):
        captions = [
            text
            for sentence in entry.objects("sentences")
            if (text := str(sentence.raw("raw") or "").strip())
        ]
        if not captions:
            continue
        name = entry.text("filename")
        yield Sample(
            id=f"{source}/{name}",
            images=(images.ref(name, entry.where),),
            task="caption",
            conversation=asked(QUESTION),
            answers=tuple(captions),
            source=source,
            licence=LICENCE,
            split=split_named(entry.text("split"), entry.where),
            meta={"imgid": entry.values.get("imgid")},
        )
