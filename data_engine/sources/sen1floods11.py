"""Sen1Floods11 as published: hand-labelled flood chips of 512 x 512 px in 11 countries.

``data/flood_events/HandLabeled/{S1Hand,S2Hand,LabelHand}/<event>_<number>_<kind>.tif``
and ``splits/flood_handlabeled/flood_{train,valid,test,bolivia}_data.csv`` with a radar
chip and its label a line. Bolivia, kept apart upstream, is tested as well. Where the
Sentinel-2 chip is there, it is yielded too, with the radar chip as its partner.

Source:
    Bonafilia, Tellman, Anderson, Issenberg, "Sen1Floods11: a georeferenced dataset to
    train and test deep learning flood algorithms for Sentinel-1", CVPRW 2020.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import floods
from rsvlm.errors import ParseError
from rsvlm.formats.upstream import below, found, read_text

NAME = "sen1floods11"
LICENCE = floods.LICENCE
#: Split -> what upstream calls its lists.
LISTS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "val": ("valid",),
    "test": ("test", "bolivia"),
}
FILES = ("**/flood_*_data.csv",)
#: A line of a list: a radar chip and its label.
_LINE = re.compile(r"(\w[\w-]*_S1Hand\.tif)\s*,\s*(\w[\w-]*_LabelHand\.tif)")


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the chips of a split, byte for byte.

    Raises:
        ParseError: If a list or an image does not hold what its format requires.
    """
    for part in LISTS[split]:
        for path in found(root, f"flood_{part}_data.csv")[:1]:
            yield from _listed(root, path)


def _listed(root: Path, path: Path) -> Iterator[Record]:
    lines = read_text(path).splitlines()
    if not any(lines):
        raise ParseError(f"{path.name} is empty. Fetch the list again.")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path.name}, line {number}"
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ParseError(
                f"{where}: {line!r:.80} is not '<chip>_S1Hand.tif,"
                "<chip>_LabelHand.tif'. Fetch the list again."
            )
        image, label = (_file(root, name, where) for name in match.groups())
        event = match[1].split("_")[0]
        radar = _chip(image, label, event)
        name = match[1].replace("S1Hand", "S2Hand")
        if optical := next(iter(below(root, f"S2Hand/{name}")), None):
            yield replace(_chip(optical, label, event, True), partner=radar)
        yield radar


def _chip(
    image: Path, label: Path, event: str, is_multispectral: bool = False
) -> Record:
    sensor = "multispectral" if is_multispectral else "sar"
    record = floods.chip(image, label, NAME, LICENCE, sensor)  # type: ignore[arg-type]
    # Chips of a flood are no independent draws.
    return replace(record, meta={**record.meta, "event": event, "cluster": event})


def _file(root: Path, name: str, where: str) -> Path:
    # S1Hand/..._S1Hand.tif, LabelHand/..._LabelHand.tif
    folder = name.rsplit("_", 1)[-1].split(".")[0]
    hits = below(root, f"{folder}/{name}")
    if not hits:
        raise ParseError(
            f"{where}: there is no {folder}/{name} below {str(root)!r}. "
            "Unpack the folder HandLabeled."
        )
    return hits[0]
