"""NWPU-Captions: five captions an image, grouped by scene class.

``dataset_nwpu.json`` holds ``{class: [{"filename", "split", "raw", "raw_1", ..}]}``;
images lie in ``NWPU_images/<class>/`` or flat.

Source:
    Cheng, Huang, Xu, Zhou, Li, Wang, "NWPU-Captions Dataset and MLCA-Net for Remote
    Sensing Image Captioning", IEEE TGRS 2022.
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


def read_nwpu_captions(root: Path) -> Iterator[Described]:
    """Yield the images.

    Raises:
        ParseError: If a file does not hold what the layout requires.
    """
    path = only(found(root, "dataset_nwpu*.json"))
    whole = as_fields(read_json(path), path.name)
    images = Images(root, "NWPU_images", "images")
    for scene in whole.values:
        folder = Images(root, f"NWPU_images/{scene}", f"images/{scene}", scene)
        for entry in whole.objects(scene):
            name = entry.text("filename")
            in_folder = _lies_in(root, folder.folders, name)
            yield Described(
                name=name,
                image=(folder if in_folder else images).ref(name, entry.where),
                captions=_captions(entry),
                split=split_named(entry.text("split"), entry.where),
                label=scene,
            )


def _captions(entry: Fields) -> tuple[str, ...]:
    """Return every value whose key begins with ``raw``, in order of the keys."""
    keys = sorted(key for key in entry.values if key.startswith("raw"))
    texts = [str(entry.values[key] or "").strip() for key in keys]
    if not any(texts):
        raise entry.fault("'raw'", "is missing or empty")
    return tuple(text for text in texts if text)


def _lies_in(root: Path, folders: tuple[str, ...], name: str) -> bool:
    return any((root / folder / name).is_file() for folder in folders if folder)
