"""BigEarthNet and So2Sat LCZ42, read by torchgeo (the extra ``torchgeo``).

torchgeo knows their layouts (a folder of band files a patch; HDF5) and their splits; a
patch becomes a multispectral GeoTIFF. BigEarthNet has several classes a patch, which
are asked for one by one and all at once; So2Sat has one.

Source:
    Sumbul et al., "BigEarthNet-MM", IEEE GRSM 2021. Zhu et al., "So2Sat LCZ42", IEEE
    GRSM 2020. torchgeo: Stewart et al., https://arxiv.org/abs/2111.08872.
"""

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsvlm import torchvision_cpu
from rsvlm.data_engine.phrases import listing, pick, shuffled
from rsvlm.data_engine.records import Question, Record, Split
from rsvlm.errors import MissingExtraError, ParseError

BIGEARTHNET, SO2SAT = "bigearthnet", "so2sat"
LICENCE = {
    BIGEARTHNET: "CDLA-Permissive-1.0 (labels); Copernicus Sentinel data",
    SO2SAT: "CC BY 4.0; Copernicus Sentinel data",
}
#: Sentinel-2 bands in the order in which torchgeo returns them.
BANDS = {
    BIGEARTHNET: (
        "B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12",
    ),
    SO2SAT: ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
}  # fmt: skip
#: Split -> how So2Sat calls it (version 2).
_SO2SAT_SPLITS = {"train": "train", "val": "validation", "test": "test"}
_SO2SAT_FILES = {"train": "training.h5", "val": "validation.h5", "test": "testing.h5"}
#: Reflectance is stored times this.
SCALE = 10_000
GSD_M = 10.0
#: What torchgeo and the readers below it raise for a file that is missing or damaged.
_FAULTS = (OSError, ValueError, LookupError, RuntimeError, ArithmeticError)
#: Split -> wordings.
_WHICH: dict[Split, tuple[str, ...]] = {
    "train": ("Which kinds of land cover does the image show?", "Name the land cover."),
    "val": ("What covers the ground here?",),
    "test": ("List the classes of land cover in this image.",),
}
_IS_THERE: dict[Split, tuple[str, ...]] = {
    "train": ("Does the image show {}?", "Is {} part of this land?"),
    "val": ("Would you say that {} occurs here?",),
    "test": ("Can {} be found in this image?",),
}


def read_bigearthnet(root: Path, split: Split) -> Iterator[Record]:
    """Yield the Sentinel-2 patches of BigEarthNet with 19 classes.

    Args:
        root: Folder with ``BigEarthNet-v1.0`` and ``bigearthnet-<split>.csv``.
        split: Which patches.

    Raises:
        MissingExtraError: If torchgeo is not installed.
        ParseError: If a file is missing or does not hold what its format requires.
    """
    datasets = _torchgeo()
    found = _opened(
        root, lambda: datasets.BigEarthNet(str(root), split, "s2", num_classes=19)
    )
    classes = tuple(found.class_sets[19])
    for index in range(len(found)):
        name = Path(found.folders[index]["s2"]).name
        patch, label = _item(found, index, f"{BIGEARTHNET}, patch {name}")
        there = [c for c, flag in zip(classes, label.tolist(), strict=True) if flag]
        yield _record(
            BIGEARTHNET, f"{name}.tif", patch,
            questions=_land_cover(name, split, classes, there),
        )  # fmt: skip


def read_so2sat(root: Path, split: Split) -> Iterator[Record]:
    """Yield the Sentinel-2 patches of So2Sat LCZ42 (version 2) with their class.

    Args:
        root: Folder with ``training.h5``, ``validation.h5`` and ``testing.h5``.
        split: Which patches.

    Raises:
        MissingExtraError: If torchgeo or h5py is not installed.
        ParseError: If a file is missing or does not hold what its format requires.
    """
    if importlib.util.find_spec("h5py") is None:
        raise MissingExtraError("h5py", "torchgeo")
    kind = _torchgeo().So2Sat
    file = _SO2SAT_FILES[split]
    found = _opened(
        root / file,
        lambda: kind(str(root), "2", _SO2SAT_SPLITS[split], kind.BAND_SETS["s2"]),
    )
    for index in range(len(found)):
        where = f"{SO2SAT}, {file}, entry {index}"
        patch, label = _item(found, index, where)
        yield _record(
            SO2SAT, f"{split}-{index:06d}.tif", patch * SCALE,
            label=str(found.classes[int(label)]).lower(),
            scenes=tuple(name.lower() for name in found.classes),
        )  # fmt: skip


def _land_cover(
    name: str, split: Split, classes: Sequence[str], there: Sequence[str]
) -> tuple[Question, ...]:
    """Return what is asked: all classes, then as many absent as present ones."""
    rng = Random(f"{BIGEARTHNET}/{name}")
    words = [label.lower() for label in there]
    asked = []
    if words:
        asked.append(
            Question(pick(rng, _WHICH[split]), (listing(words),), "land cover")
        )
    absent = [label.lower() for label in classes if label not in there]
    for label in (*words, *shuffled(rng, absent)[: len(words)]):
        text = pick(rng, _IS_THERE[split]).format(label)
        asked.append(Question(text, ("yes" if label in words else "no",), "presence"))
    return tuple(asked)


def _record(
    source: str, name: str, patch: NDArray[np.float64], **fields: Any
) -> Record:
    _, height, width = patch.shape
    return Record(
        image=_geotiff(patch, BANDS[source]),
        name=name,
        width=width,
        height=height,
        source=source,
        licence=LICENCE[source],
        sensor="multispectral",
        gsd_m=GSD_M,
        **fields,
    )


def _geotiff(patch: NDArray[np.float64], names: Sequence[str]) -> bytes:
    """Return bands of reflectance times 10,000, shape (C, H, W), as a GeoTIFF."""
    import warnings

    from rasterio.errors import NotGeoreferencedWarning
    from rasterio.io import MemoryFile

    count, height, width = patch.shape
    with MemoryFile() as memory, warnings.catch_warnings():
        # torchgeo gives pixels alone, without their place.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(
            driver="GTiff", count=count, height=height, width=width, dtype="uint16",
            compress="deflate", predictor=2,
        ) as dataset:  # fmt: skip
            dataset.write(patch.clip(0, 65535).round().astype(np.uint16))
            dataset.descriptions = tuple(names)
        return bytes(memory.read())


def _torchgeo() -> Any:
    """Return the data sets of torchgeo."""
    torchvision_cpu.install()
    try:
        return importlib.import_module("torchgeo.datasets")
    except ModuleNotFoundError as error:
        raise MissingExtraError(str(error.name), "torchgeo") from None


def _opened(path: Path, make: Any) -> Any:
    """Return a data set of torchgeo; its faults become ours."""
    try:
        return make()
    except _FAULTS as error:
        raise ParseError(
            f"torchgeo cannot read {str(path)!r}: {_line(error)}. "
            "Unpack the data set there as its publisher packs it."
        ) from None


def _item(found: Any, index: int, where: str) -> tuple[NDArray[np.float64], Any]:
    try:
        item = found[index]
    except _FAULTS as error:
        raise ParseError(f"{where}: {_line(error)}. Fetch its files again.") from None
    return np.asarray(item["image"], np.float64), item["label"]


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.200}".rstrip(".: ")


#: Source -> reader of its records.
READ = {BIGEARTHNET: read_bigearthnet, SO2SAT: read_so2sat}
