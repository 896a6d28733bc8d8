"""Drawn scenes as sources: ``synth`` (optical) and ``synth-sar`` (VV and VH, dB).

Place, light and things of a scene are drawn; every label is exact. Real images alone
are for tests: the split ``test`` is empty.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.synth import optical, radar, truth
from rsvlm.data_engine.synth.draw import draw
from rsvlm.data_engine.synth.scene import Scene

OPTICAL, SAR = "synth", "synth-sar"
LICENCE = "CC0-1.0 (drawn by the code of rsvlm)"

#: Scenes of each sensor: split -> first number and count.
SCENES: dict[Split, tuple[int, int]] = {
    "val": (0, 80),
    "train": (80, 2000),
    "test": (0, 0),
}
#: Classes that are drawn, and those of them that a radar picture shows.
OBJECTS = (
    "airplane", "ship", "storage tank", "baseball diamond", "tennis court",
    "basketball court", "ground track field", "harbor", "bridge", "vehicle", "building",
)  # fmt: skip
SAR_OBJECTS = ("airplane", "ship", "storage tank", "harbor", "bridge", "building")
#: Layouts of the radar scenes; cars and painted courts hardly show.
SAR_KINDS = ("harbour", "airport", "tank farm", "river", "residential area", "farmland")
#: Least size of a radar pixel, m.
SAR_GSD_M = 0.6
#: JPEG quality of the optical pictures.
QUALITY = 90


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield optical scenes.

    Args:
        root: Not used; there are no files.
        split: ``train`` or ``val``; ``test`` is empty.

    Yields:
        The records, each drawn when it is asked for.
    """
    for number in range(count(root, split)):
        yield from read_part(root, split, number)


def read_sar(root: Path, split: Split) -> Iterator[Record]:
    """Yield radar scenes, as :func:`read` does."""
    for number in range(count(root, split)):
        yield from read_sar_part(root, split, number)


def count(root: Path, split: Split) -> int:
    """Return the number of scenes of a split, each of which can be drawn alone."""
    return SCENES[split][1]


def read_part(root: Path, split: Split, number: int) -> Iterator[Record]:
    """Yield the optical scene of a number, counted from the first of the split."""
    yield optical_record(SCENES[split][0] + number)


def read_sar_part(root: Path, split: Split, number: int) -> Iterator[Record]:
    """Yield the radar scene of a number, counted from the first of the split."""
    yield sar_record(SCENES[split][0] + number)


def optical_record(index: int) -> Record:
    """Return the optical scene of a number."""
    scene = draw(index)
    picture = optical.render(scene, np.random.default_rng((1, index)))
    data = BytesIO()
    Image.fromarray(picture).save(data, format="JPEG", quality=QUALITY)
    shown = truth.targets(scene, OBJECTS)
    return Record(
        image=data.getvalue(),
        name=f"{index:05d}.jpg",
        width=scene.side,
        height=scene.side,
        source=OPTICAL,
        licence=LICENCE,
        targets=shown,
        objects=OBJECTS,
        gsd_m=scene.gsd_m,
        masks=truth.masks(scene),
        captions=truth.captions(scene, shown),
        questions=truth.questions(scene, OBJECTS),
        crs=f"EPSG:{scene.origin[0]}",
        transform=scene.transform,
        meta=truth.meta(scene, "outlines on the ground"),
    )


def sar_record(index: int) -> Record:
    """Return the radar scene of a number; its places are not those of the optical ones."""
    scene = draw(index, salt=2, kinds=SAR_KINDS, finest_m=SAR_GSD_M)
    bands = radar.render(scene, np.random.default_rng((3, index)))
    shown = truth.targets(scene, SAR_OBJECTS, radar.outline)
    return Record(
        image=geotiff(bands, scene),
        name=f"{index:05d}.tif",
        width=scene.side,
        height=scene.side,
        source=SAR,
        licence=LICENCE,
        targets=shown,
        objects=SAR_OBJECTS,
        sensor="sar",
        gsd_m=scene.gsd_m,
        masks=truth.masks(scene),
        captions=truth.captions(scene, shown),
        crs=f"EPSG:{scene.origin[0]}",
        transform=scene.transform,
        meta=truth.meta(scene, "what answers the beam"),
    )


def geotiff(bands: NDArray[np.float32], scene: Scene) -> bytes:
    """Return VV and VH, shape (2, H, W), dB, as a georeferenced GeoTIFF."""
    from rasterio.io import MemoryFile
    from rasterio.transform import Affine

    count, height, width = bands.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", count=count, height=height, width=width, dtype="float32",
            crs=f"EPSG:{scene.origin[0]}", transform=Affine(*scene.transform),
            compress="deflate", predictor=3,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
            dataset.descriptions = ("VV", "VH")
        return bytes(memory.read())
