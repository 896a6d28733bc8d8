"""What ``rsvlm train align`` learns from: pictures with texts, and pairs of one place."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor

from rsvlm.errors import SettingsError
from rsvlm.samples import ImageRef, Sample
from rsvlm.training.augment import recolour, turn
from rsvlm.training.mix import Mix, Order
from rsvlm.training.reading import Names
from rsvlm.training.run import Recipe
from rsvlm.training.speckle import speckle
from rsvlm.training.tune_data import read_picture

Sensor = Literal["optical", "sar"]
Part = Literal["optical", "sar", "text"]
Term = Literal["optical_text", "sar_text", "paired", "location"]
SENSORS: tuple[Sensor, ...] = ("optical", "sar")


def _both() -> dict[Sensor, str]:
    return {"optical": "dinov2-s", "sar": "dinov2-s"}


def _first_parts() -> dict[Part, Literal["head", "lora", "all"]]:
    return {"optical": "head", "sar": "lora"}


def _all_terms() -> dict[Term, float]:
    return {"optical_text": 1, "sar_text": 1, "paired": 1}


class AlignRecipe(Recipe):
    """Settings of ``rsvlm train align``."""

    train: Names = ("train.jsonl",)
    val: Names = ("val.jsonl",)
    encoders: dict[Sensor, str] = Field(
        default_factory=_both, description="sensor -> asset of its trunk"
    )
    text_encoder: str = "all-minilm-l6-v2"
    layers: tuple[int, ...] = (6, 9, 12)
    size: int = Field(196, ge=28, description="largest side that an encoder sees, px")
    smallest: int | None = Field(
        None,
        ge=28,
        description="smallest 'size' that a step may draw for an encoder "
        "that learns, px; 'size' by default",
    )
    width: int = Field(512, gt=0, description="hidden width of the heads")
    learn: dict[Part, Literal["head", "lora", "all"]] = Field(
        default_factory=_first_parts,
        description="part -> what of it is trained; one that is left out is frozen",
    )
    rank: int = Field(16, gt=0)
    first_block: int = Field(0, ge=0, description="first block with low-rank updates")
    terms: dict[Term, float] = Field(
        default_factory=_all_terms,
        description="term of the loss -> weight; one that is left out is off",
    )
    pair_window: int = Field(256, gt=0, description="px of a pair shown at a time")
    covers: tuple[str, ...] = Field(
        (), description="classes of land cover for maps, from masks of the records"
    )
    places: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="kind of place -> texts of it"
    )
    background: tuple[str, ...] = Field(
        (), description="texts of scenes that are none of the places"
    )
    grids: int = Field(
        2, ge=1, description="offsets along a side that the windows of a pair may have"
    )
    steps: int = 300
    batch: int = Field(48, gt=1, description="pairs, and texts of a sensor, a step")
    micro_batch: int = Field(0, ge=0, description="pictures a graph; 0 keeps them all")
    mix: Mix = Field(Mix(), description="how sources share the texts of a sensor")
    head_rate: float = 1e-3
    encoder_rate: float = 4e-4
    check_every: int = 50
    check_pictures: int = 512
    start: str = Field(
        "", description="checkpoint folder whose weights a run begins with"
    )
    seed: int = 0

    @model_validator(mode="after")
    def _usable(self) -> "AlignRecipe":
        if (self.smallest or 0) > self.size:
            raise ValueError(
                f"smallest = {self.smallest} is more than size = {self.size}"
            )
        return self

    def is_frozen(self, sensor: Sensor) -> bool:
        """Whether the trunk of a sensor stays as it is."""
        return self.learn.get(sensor) not in ("lora", "all")


@dataclass(frozen=True)
class Captioned:
    """A picture with its texts; pictures of one key mean the same."""

    ref: ImageRef
    texts: tuple[str, ...]
    key: int
    source: str


@dataclass(frozen=True)
class Pair:
    """Two pictures of one place on one grid, and where it lies."""

    optical: ImageRef
    sar: ImageRef
    lonlat: tuple[float, float] | None = None


class Sets:
    """Captioned pictures by sensor, and pairs, of one split."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        """Sort the samples of a split."""
        keys: dict[tuple[str, ...], int] = {}
        self.captioned: dict[Sensor, list[Captioned]] = {
            sensor: captioned(samples, sensor, keys) for sensor in SENSORS
        }
        self.pairs: list[Pair] = pairs_of(samples)
        self.masked = [sample for sample in samples if sample.mask is not None]
        self.gsd_m: dict[str, tuple[float, float]] = {}
        for ref in (ref for sample in samples for ref in sample.images):
            if ref.gsd_m is not None:
                low, high = self.gsd_m.get(ref.sensor, (ref.gsd_m, ref.gsd_m))
                self.gsd_m[ref.sensor] = min(low, ref.gsd_m), max(high, ref.gsd_m)

        self._orders: dict[Sensor, Order] = {}

    def drawn(self, sensor: Sensor, recipe: AlignRecipe, step: int) -> list[Captioned]:
        """Return the pictures of a step, sources by the mix; it counts from 1.

        Raises:
            SettingsError: If the mix leaves none.
        """
        found = self.captioned[sensor]
        if sensor not in self._orders:
            known = {item.source for some in self.captioned.values() for item in some}
            sources = [item.source for item in found]
            order = Order(sources, recipe.mix, recipe.seed, known)
            self._orders[sensor] = order
        order = self._orders[sensor]
        count = min(recipe.batch, order.epoch_size)
        return [found[i] for i in order.at(range((step - 1) * count, step * count))]

    def window_m(self, recipe: AlignRecipe) -> float | None:
        """Return the mean side of a window of a pair on the ground, m."""
        known = [pair.optical.gsd_m for pair in self.pairs if pair.optical.gsd_m]
        return recipe.pair_window * sum(known) / len(known) if known else None


@dataclass(frozen=True)
class Shot:
    """A picture as it is shown once: a window of it, turned, varied or not."""

    ref: ImageRef
    window: tuple[int, int, int, int] | None = None
    quarter: int = 0
    mirror: bool = False
    seed: tuple[int, ...] = ()

    def plain(self, folder: Path) -> NDArray[np.uint8]:
        """Return the window alone, as stored: RGB of shape (H, W, 3)."""
        picture = _picture(folder / self.ref.path, self.ref.sensor)
        if self.window is not None:
            x0, y0, x1, y1 = self.window
            picture = picture[y0:y1, x0:x1]
        return picture

    def pixels(self, folder: Path) -> NDArray[np.uint8]:
        """Return RGB of shape (H, W, 3); the same at every call."""
        picture, _ = turn(self.plain(folder), [], self.quarter, self.mirror)
        if self.seed:
            rng = np.random.default_rng(self.seed)
            change = speckle if self.ref.sensor == "sar" else recolour
            picture = change(picture, rng)
        return picture


@lru_cache(maxsize=256)  # windows of one picture are drawn again and again
def _picture(path: Path, sensor: str) -> NDArray[np.uint8]:
    picture = read_picture(path, sensor)
    picture.flags.writeable = False
    return picture


@dataclass(frozen=True)
class Place:
    """A window of a pair as both sensors see it, and about where it lies."""

    shots: tuple[Shot, Shot]
    lonlat: tuple[float, float] | None


@dataclass(frozen=True)
class Stream:
    """Inputs of one kind: shots of a sensor, texts, or places."""

    kind: Literal["optical", "sar", "text", "location"]
    items: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.items)

    def part(self, rank: int, world: int) -> "Stream":
        """Return the share of one of several processes, all in order of rank."""
        edges = [len(self) * i // world for i in range(world + 1)]
        return Stream(self.kind, self.items[edges[rank] : edges[rank + 1]])


def captioned(
    samples: Iterable[Sample], sensor: Sensor, keys: dict[tuple[str, ...], int]
) -> list[Captioned]:
    """Return the pictures of a sensor that have captions.

    Args:
        samples: Records; those of task ``caption`` count.
        sensor: Multispectral pictures count as optical ones.
        keys: Set of captions -> its number; equal sets mean the same. Added to.
    """
    found = []
    for sample in samples:
        (ref, *more), texts = sample.images, tuple(sorted(set(sample.answers)))
        route = "sar" if ref.sensor == "sar" else "optical"
        if sample.task == "caption" and texts and not more and route == sensor:
            key = keys.setdefault(texts, len(keys))
            found.append(Captioned(ref, texts, key, sample.source))
    return found


def pairs_of(samples: Iterable[Sample]) -> list[Pair]:
    """Return the pairs among samples: task ``retrieve``, one optical, one SAR picture.

    Raises:
        SettingsError: If the two pictures of a pair differ in size.
    """
    pairs = []
    for sample in samples:
        by_sensor = {ref.sensor: ref for ref in sample.images}
        if sample.task != "retrieve" or set(by_sensor) != set(SENSORS):
            continue
        optical, sar = by_sensor["optical"], by_sensor["sar"]
        if (optical.width, optical.height) != (sar.width, sar.height):
            raise SettingsError(
                f"The pictures of the pair {sample.id!r} are not on one grid: "
                f"{optical.width} x {optical.height} and {sar.width} x {sar.height} px."
                " Resample one of them before building the data."
            )
        place = sample.meta.get("lonlat")
        pairs.append(Pair(optical, sar, (place[0], place[1]) if place else None))
    return pairs


def draw_places(
    pairs: Sequence[Pair],
    count: int,
    side: int,
    grids: int,
    rng: np.random.Generator,
) -> list[Place]:
    """Draw windows that do not overlap, shown to both sensors in the same way.

    Args:
        pairs: Pairs of pictures.
        count: Windows wanted.
        side: Side of a window, px; a smaller pair is shown whole.
        grids: Offsets along a side that the windows may have.
        rng: Source of randomness.

    Returns:
        At most ``count`` places.
    """
    cells = []
    for index, pair in enumerate(pairs):
        # Cells of one of a few grids: apart from each other, and few enough that what a
        # frozen encoder says of them can be kept.
        width, height = pair.optical.width, pair.optical.height
        w, h = min(side, width), min(side, height)
        x0 = int(rng.integers(grids)) * w // grids if width >= 2 * w else 0
        y0 = int(rng.integers(grids)) * h // grids if height >= 2 * h else 0
        cells += [
            (index, x, y, w, h)
            for y in range(y0, height - h + 1, h)
            for x in range(x0, width - w + 1, w)
        ]
    places = []
    for number in rng.permutation(len(cells))[:count]:
        index, x, y, w, h = cells[int(number)]
        turned = int(rng.integers(4)), bool(rng.integers(2))
        seeds = rng.integers(1 << 31, size=2)
        first, second = (
            Shot(ref, (x, y, x + w, y + h), *turned, seed=(int(seed),))
            for ref, seed in zip(
                (pairs[index].optical, pairs[index].sar), seeds, strict=True
            )
        )
        places.append(Place((first, second), pairs[index].lonlat))
    return places


def shot_of(
    item: Captioned, rng: np.random.Generator, still: bool, least: float = 0.85
) -> Shot:
    """Return a picture as shown once: most of it, turned and varied.

    Args:
        item: The picture.
        rng: Source of randomness.
        still: Whether all of it is shown, so that its features can be kept.
        least: Smallest share of its sides that is shown: its texts must stay true.
    """
    turned = int(rng.integers(4)), bool(rng.integers(2))
    seed = (int(rng.integers(1 << 31)),)
    if still:
        return Shot(item.ref, None, *turned, seed=seed)
    width, height = item.ref.width, item.ref.height
    w, h = (max(1, int(side * rng.uniform(least, 1))) for side in (width, height))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    return Shot(item.ref, (x, y, x + w, y + h), *turned, seed=seed)


def draw_step(
    recipe: AlignRecipe, train: Sets, step: int
) -> tuple[dict[str, Stream], dict[str, Tensor]]:
    """Draw the inputs of a step, and numbers that tell which of them mean the same."""
    rng = np.random.default_rng([recipe.seed, 17, step])
    streams: dict[str, Stream] = {}
    keys: dict[str, Tensor] = {}
    for sensor in SENSORS:
        term: Term = "sar_text" if sensor == "sar" else "optical_text"
        if not recipe.terms.get(term):
            continue
        items = train.drawn(sensor, recipe, step)
        still = recipe.is_frozen(sensor)
        shots = [shot_of(item, rng, still) for item in items]
        texts = [item.texts[int(rng.integers(len(item.texts)))] for item in items]
        streams[sensor] = Stream(sensor, tuple(shots))
        streams[term] = Stream("text", tuple(texts))
        keys[sensor] = torch.tensor([item.key for item in items])
    if recipe.terms.get("paired") or recipe.terms.get("location"):
        places = draw_places(
            train.pairs, recipe.batch, recipe.pair_window, recipe.grids, rng
        )
        for number, sensor in enumerate(SENSORS):
            shots = [place.shots[number] for place in places]
            streams[f"pair_{sensor}"] = Stream(sensor, tuple(shots))
        keys["pair"] = torch.arange(len(places))
        if recipe.terms.get("location"):
            streams["place"] = Stream("location", tuple(p.lonlat for p in places))
    return streams, keys
