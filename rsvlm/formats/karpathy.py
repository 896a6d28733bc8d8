"""Captions in Karpathy's JSON: RSICD, RSITMD, UCM-Captions and Sydney-Captions.

``dataset*.json`` holds ``{"images": [{"filename", "imgid", "split", "sentences":
[{"raw", "tokens", "sentid"}]}]}``; the images lie in a folder beside it.

Source:
    Lu, Wang, Zheng, Li, "Exploring Models and Data for Remote Sensing Image Caption
    Generation", IEEE TGRS 2018 (RSICD; form of the others too).
"""

from collections.abc import Iterator
from pathlib import Path

from rsvlm.formats.images import Images
from rsvlm.formats.texts import Described
from rsvlm.formats.upstream import (
    Fields,
    as_fields,
    found,
    only,
    read_json,
    split_named,
)

#: Folders in which the four sets keep their images.
FOLDERS = ("images", "imgs", "RSICD_images", "RSITMD_images", "UCM_images")


def read_karpathy(root: Path) -> Iterator[Described]:
    """Yield the images that have a caption which is not empty.

    Args:
        root: Folder with one ``dataset*.json`` and the images.

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
        yield Described(
            name=name,
            image=images.ref(name, entry.where),
            captions=tuple(captions),
            split=split_named(entry.text("split"), entry.where),
            number=entry.values.get("imgid"),
        )
