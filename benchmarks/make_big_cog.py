"""A large Cloud Optimized GeoTIFF of real pictures, with known objects hidden in it.

Run: python benchmarks/make_big_cog.py OUT.tif [--side 32768] [--needles 8]

The ground is the Sentinel-2 mosaic of Los Angeles, enlarged; scenes of RSSCN7 and
objects of NWPU VHR-10 lie in it at their own resolution, with soft edges. What was
hidden where stands in OUT.json. The file is made strip by strip, so that memory stays
flat, and georeferenced as its ground is. It must not be passed on: its pictures are for
research only.
"""

import argparse
import io
import json
import sys
import tarfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Rows that are made at once: a row of blocks.
STRIP = 512
#: Width of the part of the mosaic that is enlarged, px, and least enlargement.
GROUND, LEAST_FACTOR = 2560, 4
#: Scenes by the letter of their class, grass, field, forest and parking: houses, industry
#: and rivers show courts, tanks and bridges that carry no label.
SCENES = "abeg"
#: Scenes for every square of so many px a side.
PER_SCENE = 768
#: Width of the soft edge of a pasted picture, px.
EDGE = 12
#: Strength of the grain that hides how smooth enlarged ground is.
GRAIN = 4.0

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Pasted:
    """A picture in the scene: where from, which part of it, where to; px."""

    tar: str
    member: str
    part: tuple[int, int, int, int]
    x: int
    y: int

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        x0, y0, x1, y1 = self.part
        return x1 - x0, y1 - y0


class Pictures:
    """Pictures of tar files, decoded when they are needed."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._tars: dict[str, tarfile.TarFile] = {}
        self.read = lru_cache(maxsize=256)(self._read)

    def names(self, tar: str) -> list[str]:
        """Return the members of a tar file."""
        return sorted(self._open(tar).getnames())

    def _open(self, tar: str) -> tarfile.TarFile:
        if tar not in self._tars:
            self._tars[tar] = tarfile.open(self.data / tar)  # noqa: SIM115
        return self._tars[tar]

    def _read(self, tar: str, member: str) -> Pixels:
        file = self._open(tar).extractfile(member)
        assert file is not None
        return np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB"))


def objects(data: Path, split: str) -> Iterator[tuple[str, str, list[float]]]:
    """Yield label, picture and box (x, y, width, height) of objects that stand alone."""
    file = json.loads((data / f"vhr10/instances_{split}.json").read_text())
    labels = {c["id"]: c["name"].replace("_", " ") for c in file["categories"]}
    images = {image["id"]: image["file_name"] for image in file["images"]}
    for one in file["annotations"]:
        yield labels[one["category_id"]], images[one["image_id"]], one["bbox"]


def plan(
    pictures: Pictures,
    side: int,
    needles: int,
    split: str,
    seed: int,
    images: frozenset[str] | None = None,
) -> tuple[list[Pasted], list[dict[str, object]]]:
    """Return what is pasted, and what was hidden: label and box in the scene."""
    rng = Random(f"{seed}/{side}/{split}")
    tar = f"rsscn7/images_{split}.tar"
    names = [name for name in pictures.names(tar) if name[0] in SCENES]
    pasted = []
    for _ in range((side // PER_SCENE) ** 2):
        at = rng.randrange(side - 256), rng.randrange(side - 256)
        pasted.append(Pasted(tar, rng.choice(names), (0, 0, 256, 256), *at))
    hidden: list[dict[str, object]] = []
    pool = sorted(
        (label, name, box)
        for label, name, box in objects(pictures.data, split)
        if label != "vehicle" and max(box[2:]) <= 300  # cars are in scenes as well
        if images is None or name in images
    )
    labels = sorted({label for label, _, _ in pool})
    rng.shuffle(labels)
    for number in range(needles):
        label = labels[number % len(labels)]
        _, name, (bx, by, bw, bh) = rng.choice([one for one in pool if one[0] == label])
        height, width = pictures.read(f"vhr10/images_{split}.tar", name).shape[:2]
        margin = 0.4 * max(bw, bh) + EDGE
        part = (
            max(0, int(bx - margin)),
            max(0, int(by - margin)),
            min(width, int(bx + bw + margin)),
            min(height, int(by + bh + margin)),
        )
        x, y = rng.randrange(side - 640), rng.randrange(side - 640)
        pasted.append(Pasted(f"vhr10/images_{split}.tar", name, part, x, y))
        x0, y0 = x + bx - part[0], y + by - part[1]
        hidden.append({"label": label, "hbb": [x0, y0, x0 + bw, y0 + bh]})
    return pasted, hidden


def strips(
    pictures: Pictures, side: int, factor: int, pasted: list[Pasted], seed: int
) -> Iterator[tuple[int, Pixels]]:
    """Yield first row and pixels (rows, side, 3) of each strip."""
    import rasterio

    with rasterio.open(pictures.data / "scenes/la_s2.tif") as file:
        ground = Image.fromarray(file.read().transpose(1, 2, 0))
    grain = np.random.default_rng(seed)
    for top in range(0, side, STRIP):
        rows = min(STRIP, side - top)
        box = (0, top / factor, side / factor, (top + rows) / factor)
        strip = ground.resize((side, rows), Image.Resampling.BICUBIC, box)
        values = np.asarray(strip, np.int16)
        noise = grain.normal(0, GRAIN, (rows, 1024, 1)).astype(np.int16)
        noise = np.tile(noise, (1, -(-side // 1024), 1))[:, :side]
        out = np.clip(values + noise, 0, 255).astype(np.uint8)
        for one in pasted:
            if one.y < top + rows and one.y + one.size[1] > top:
                _paste(out, pictures, one, top)
        yield top, out


def _paste(out: Pixels, pictures: Pictures, one: Pasted, top: int) -> None:
    x0, y0, x1, y1 = one.part
    picture = pictures.read(one.tar, one.member)[y0:y1, x0:x1]
    height, width = picture.shape[:2]
    first, last = max(0, top - one.y), min(height, top + len(out) - one.y)
    rows, columns = (
        np.minimum(np.minimum(np.arange(n) + 1, n - np.arange(n)) / EDGE, 1)
        for n in (height, width)
    )
    weight = (rows[first:last, None] * columns)[..., None]
    place = out[one.y + first - top : one.y + last - top, one.x : one.x + width]
    place[:] = np.round(weight * picture[first:last] + (1 - weight) * place)


def make(
    out: Path, side: int, data: Path, needles: int = 8, split: str = "train",
    seed: int = 0, compress: str = "JPEG", images: Path | None = None,
) -> list[dict[str, object]]:  # fmt: skip
    """Write the scene, and ``out`` with the ending ``.json`` beside it.

    Args:
        out: GeoTIFF to write.
        side: Columns and rows, px.
        data: Folder of the source data sets.
        needles: Objects that are hidden.
        split: Where objects and scenes are from.
        seed: Draws everything.
        compress: Of the blocks of 512 px: ``"JPEG"`` or ``"DEFLATE"``.
        images: File with the names of the VHR-10 pictures that objects may be from, one
            a line, such as those that no model was trained on; None for all.

    Returns:
        What was hidden: label and box, px.
    """
    import rasterio
    import rasterio.shutil
    from rasterio.transform import Affine
    from rasterio.windows import Window

    warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
    pictures = Pictures(data)
    factor = max(LEAST_FACTOR, -(-side // GROUND))
    names = None if images is None else frozenset(images.read_text().split())
    pasted, hidden = plan(pictures, side, needles, split, seed, names)
    with rasterio.open(data / "scenes/la_s2.tif") as file:
        crs, transform = file.crs, file.transform * Affine.scale(1 / factor)
    plain = out.with_suffix(".plain.tif")
    settings = {"GDAL_CACHEMAX": 128 * 2**20, "GDAL_NUM_THREADS": "2"}
    try:
        with (
            rasterio.Env(**settings),
            rasterio.open(
                plain, "w", driver="GTiff", width=side, height=side, count=3,
                dtype="uint8", crs=crs, transform=transform, tiled=True,
                blockxsize=STRIP, blockysize=STRIP, interleave="pixel",
                compress="zstd", ZSTD_LEVEL=1, BIGTIFF="YES",
            ) as file,
        ):  # fmt: skip
            for top, pixels in strips(pictures, side, factor, pasted, seed):
                window = Window(0, top, side, len(pixels))
                file.write(pixels.transpose(2, 0, 1), window=window)
                sys.stderr.write(f"\r{top + len(pixels)} of {side} rows")
        with rasterio.Env(**settings):
            options = {"COMPRESS": compress, "BIGTIFF": "YES", "BLOCKSIZE": "512"}
            if compress == "JPEG":
                options["QUALITY"] = "85"
            rasterio.shutil.copy(plain, out, driver="COG", **options)
    finally:
        plain.unlink(missing_ok=True)
        sys.stderr.write("\n")
    out.with_suffix(".json").write_text(json.dumps(hidden, indent=1), encoding="utf-8")
    return hidden


def main() -> None:
    """Read the arguments and write the scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--side", type=int, default=32_768)
    parser.add_argument("--needles", type=int, default=8)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", choices=["train", "test"], default="train")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compress", choices=["JPEG", "DEFLATE"], default="JPEG")
    parser.add_argument("--images", type=Path, help="names of pictures of objects")
    given = parser.parse_args()
    hidden = make(**vars(given))
    size = given.out.stat().st_size / 2**20
    print(f"{given.out}: {given.side} x {given.side} px, {size:.0f} MiB")
    for one in hidden:
        print(one["label"], one["hbb"])


if __name__ == "__main__":
    main()
