"""What ``rsvlm train tune`` learns from: encoded pictures and batches of questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from rsvlm.models.configuration import SENSOR_IDS
from rsvlm.models.processing import RSVLMImageProcessor, to_tiles
from rsvlm.training.augment import items_of, load_picture, move, recolour, turn
from rsvlm.training.conversations import Picture, Shown, draw_turns
from rsvlm.training.features import FeatureCache, picture_hash
from rsvlm.training.packing import collate, pack
from rsvlm.training.run import Recipe
from rsvlm.training.speckle import speckle

#: What can learn.
Part = Literal["optical_projector", "sar_projector", "lora"]


class TuneRecipe(Recipe):
    """Settings of ``rsvlm train tune``."""

    train: str = "train.jsonl"
    val: str = "val.jsonl"
    language_model: str = Field("smollm2-135m-instruct", description="asset")
    encoder: str = Field("dinov2-s", description="asset of the frozen encoder")
    start: str = Field("", description="checkpoint that goes on; '': base weights")
    aligned: str = Field("", description="folder of align.json, for its SAR encoder")
    parts: tuple[Part, ...] = Field(
        ("optical_projector", "lora"), description="what learns; the rest stays"
    )
    layers: tuple[int, ...] = (6, 9, 12)
    tile_size: int = Field(336, description="px")
    max_tiles: int = Field(4, ge=0, description="fine tiles beside the overview")
    variants: int = Field(2, ge=1, description="changed copies of each picture")
    variants_of: dict[str, int] = Field(
        default_factory=dict, description="source -> another number of its copies"
    )
    factor: int = Field(4, description="patches a token's side")
    rank: int = 16
    alpha: int = 32
    warm_steps: int = Field(400, ge=0)
    warm_batch: int = 48
    warm_rate: float = 1e-3
    steps: int = 1000
    batch: int = Field(8, description="pictures a step")
    lora_rate: float = 4e-4
    projector_rate: float = 4e-4
    questions: dict[str, int] = Field(
        default_factory=lambda: {
            "classify": 2,
            "vqa": 4,
            "count": 1,
            "caption": 1,
            "ground": 1,
            "segment": 1,
        },
        description="task -> most questions a picture and step",
    )
    repeats: dict[str, float] = Field(
        default_factory=dict, description="source -> how often an epoch shows it"
    )
    most: dict[str, int] = Field(
        default_factory=dict, description="source -> most pictures of it, evenly chosen"
    )
    trained_gsd_m: tuple[float, float] | None = Field(
        None, description="finest and coarsest m/px of the optical training pictures"
    )
    sar_gsd_m: tuple[float, float] | None = Field(
        None, description="the same of the radar pictures"
    )
    check_every: int = Field(100, description="steps between held-out checks")
    check_pictures: int = 64
    seed: int = 0


#: Smallest window of a scene, as a share of its sides: less may not show its class.
LEAST_SCENE = 0.7
#: Largest difference between the channels of a gray picture that WebP stored as RGB.
GRAY = 2


@dataclass(frozen=True)
class Eye:
    """The frozen encoder of a sensor, and where what it says is kept."""

    encoder: nn.Module
    cache: FeatureCache


@dataclass(frozen=True)
class Look:
    """What a batch shows of a picture.

    Attributes:
        index: Which picture.
        variant: Which of its variants.
        overview: Whether the overview tile alone is shown.
        quarter: Quarters counter-clockwise that its patches are turned by.
        mirror: Whether they are mirrored afterwards.
    """

    index: int
    variant: int
    overview: bool = False
    quarter: int = 0
    mirror: bool = False


class TuneData:
    """Encoded pictures and their questions."""

    def __init__(
        self,
        found: Sequence[Picture],
        folder: Path,
        eyes: Mapping[str, Eye],
        processor: RSVLMImageProcessor,
        recipe: TuneRecipe,
        train: bool,
    ) -> None:
        """Describe pictures; :func:`~rsvlm.training.tune_encode.encode_all` encodes.

        Args:
            found: The pictures.
            folder: Folder that their paths start from.
            eyes: ``"optical"``, and ``"sar"`` where SAR has an encoder of its own.
            processor: Cuts pictures into tiles.
            recipe: Settings.
            train: Whether pictures are varied; variant 0 is the picture itself.
        """
        self.pictures, self.recipe = found, recipe
        self.eyes, self.processor, self.folder = eyes, processor, folder
        copies = recipe.variants_of if train else {}
        usual = recipe.variants if train else 1
        self.variants = [copies.get(picture.source, usual) for picture in found]
        self.routes = [route(picture, "sar" in eyes) for picture in found]
        self.tiles = [self.count_tiles(index) for index in range(len(found))]
        self._hashes = [picture_hash(picture.ref, folder) for picture in found]
        repeats = [recipe.repeats.get(picture.source, 1.0) for picture in found]
        self._repeats = repeats
        self._epoch: tuple[int, list[list[int]]] = (-1, [])

    def key(self, index: int, variant: int) -> str:
        """Return what a variant is kept under."""
        radar = "/sar" if self.pictures[index].ref.sensor == "sar" else ""
        return f"{self._hashes[index]}/{variant}{radar}"  # radar varies otherwise

    def one_tile(self, index: int) -> bool:
        """Whether a picture is one full tile: then its patches can be turned."""
        ref = self.pictures[index].ref
        return ref.width == ref.height <= self.processor.tile_size

    def count_tiles(self, index: int) -> int:
        """Return the number of tiles of a picture, overview included."""
        ref = self.pictures[index].ref
        return self.processor.count_tiles(ref.height, ref.width, self.recipe.max_tiles)

    def turned(self, index: int, variant: int) -> tuple[int, bool]:
        """Return how a variant is turned: quarters and mirror."""
        if not variant:
            return 0, False
        rng = self._rng(index, variant)
        return int(rng.integers(4)), bool(rng.integers(2))

    def _rng(self, index: int, variant: int) -> np.random.Generator:
        name = int(self._hashes[index][:8], 16)
        return np.random.default_rng([self.recipe.seed, variant, name])

    def shown(self, index: int, variant: int) -> NDArray[np.uint8]:
        """Return a variant of a picture: turned or a window of it, and recoloured.

        Captions name all objects of a picture and shares of its area, so that only a
        plain scene is cut. Radar has no colours to change but speckle.
        """
        picture = self.pictures[index]
        pixels = read_picture(self.folder / picture.ref.path, picture.ref.sensor)
        if not variant:
            return pixels
        rng = self._rng(index, variant)
        if picture.whole:
            pixels, _ = turn(pixels, [], *self.turned(index, variant))
        else:
            pixels, _ = move(pixels, [], rng, LEAST_SCENE)
        return (speckle if picture.ref.sensor == "sar" else recolour)(pixels, rng)

    def items(self, index: int, variant: int) -> Shown:
        """Return the objects of a variant, where and how it shows them."""
        picture = self.pictures[index]
        items = items_of(picture.objects)
        blank = np.zeros((picture.ref.height, picture.ref.width, 3), np.uint8)
        turned = self.turned(index, variant)
        shown, moved = turn(blank, items, *turned)
        return Shown(moved, shown.shape[1], shown.shape[0], *turned)

    def cut(self, index: int, variant: int) -> list[NDArray[np.uint8]]:
        """Return the tiles of a variant, each of shape (h, w, 3)."""
        shown = self.shown(index, variant)
        return to_tiles(shown, self.processor.tile_size, self.recipe.max_tiles)

    def rows(self, look: Look) -> int:
        """Return the number of tiles that are looked at."""
        if look.overview:
            return 1
        cache = self.eyes[self.routes[look.index]].cache
        return cache.rows(self.key(look.index, look.variant), "tokens")

    def features(self, look: Look) -> Tensor:
        """Return patch features, shape (tiles, N, D)."""
        cache = self.eyes[self.routes[look.index]].cache
        tokens = cache.get(self.key(look.index, look.variant))["tokens"]
        tokens = tokens[:1] if look.overview else tokens
        if look.quarter or look.mirror:
            tokens = turn_patches(tokens, look.quarter, look.mirror)
        return tokens

    def batches(self, epoch: int) -> list[list[int]]:
        """Return the batches of an epoch: all pictures, some sources more often.

        Pictures of a batch have about the same number of tiles, or most of it would
        be padding.
        """
        if self._epoch[0] != epoch:
            rng = np.random.default_rng([self.recipe.seed, 11, epoch])
            order: list[int] = []
            for index, often in enumerate(self._repeats):
                more = int(rng.random() < often - int(often))
                order += [index] * (int(often) + more)
            order = rng.permutation(order or len(self._repeats)).tolist()
            order.sort(key=self.tiles.__getitem__)  # stable: random among equals
            size = self.recipe.batch
            found = [order[at : at + size] for at in range(0, len(order), size)]
            self._epoch = (epoch, [found[i] for i in rng.permutation(len(found))])
        return self._epoch[1]

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps that an epoch takes, on average."""
        return max(round(sum(self._repeats) / self.recipe.batch), 1)


def route(picture: Picture, has_sar: bool) -> str:
    """Return whose encoder and projector see a picture, as the model routes it."""
    return "sar" if has_sar and picture.ref.sensor == "sar" else "optical"


def read_picture(path: Path, sensor: str) -> NDArray[np.uint8]:
    """Return a training picture as a model sees it, RGB of shape (H, W, 3).

    Raises:
        ImageError: If it cannot be read.
    """
    if path.suffix.lower() in (".tif", ".tiff"):  # of any type: drawn as in use
        from rsvlm.raster import Raster

        with Raster.open(path, sensor) as raster:
            return raster.preview(max(raster.width, raster.height)).pixels
    picture = load_picture(path)
    if sensor == "sar" and np.ptp(picture, axis=-1).max() <= GRAY:
        picture = np.repeat(picture[..., :1], 3, axis=-1)
    return picture


def choose_pictures(data: TuneData, step: int) -> list[int]:
    """Return the indices of the pictures of a step, which counts from 1."""
    epoch, within = divmod(step - 1, data.steps_per_epoch)
    batches = data.batches(epoch)
    return batches[within % len(batches)]


def draw_batch(
    data: TuneData,
    chosen: Sequence[int],
    tokenizer: Any,
    questions: Mapping[str, int],
    rng: np.random.Generator,
    train: bool = True,
) -> tuple[dict[str, Tensor], list[Look]]:
    """Return a batch of packed questions, and what it shows.

    Args:
        data: What there is to learn from, encoded.
        chosen: Indices of B pictures.
        tokenizer: Tokenizer with the token ``<image>``.
        questions: Task -> most questions a picture.
        rng: Source of randomness.
        train: Whether pictures and questions are varied, and half of the batches
            shown coarsely.

    Returns:
        What :func:`~rsvlm.training.packing.collate` returns with ``sensor_ids``, the
        encoder of each tile, shape (tiles,); and a look at each picture.
    """
    items, looks, sensors = [], [], []
    overview = bool(rng.random() < 0.5) if train else False
    for index in chosen:
        picture = data.pictures[index]
        variant = int(rng.integers(data.variants[index])) if train else 0
        look = Look(index, variant, overview)
        if train and data.one_tile(index) and not picture.placed:
            turned = int(rng.integers(4)), bool(rng.integers(2))
            look = Look(index, variant, overview, *turned)
        shown = data.items(index, variant)
        turns = draw_turns(picture, shown, questions, rng, plain=not train)
        tiles = data.rows(look)
        items.append(pack(tokenizer, tiles * data.processor.tokens_per_tile, turns))
        looks.append(look)
        sensors += [SENSOR_IDS[data.routes[index]]] * tiles
    batch = collate(items, tokenizer.pad_token_id)
    return batch | {"sensor_ids": torch.tensor(sensors)}, looks


def turn_patches(patches: Tensor, quarter: int, mirror: bool) -> Tensor:
    """Turn the patch grid of full square tiles; near enough to encoding them turned.

    Args:
        patches: Shape (tiles, N, D), N a square.
        quarter: Quarters counter-clockwise.
        mirror: Whether to mirror left-right afterwards.

    Returns:
        The same shape.
    """
    side = round(patches.shape[1] ** 0.5)
    grid = patches.reshape(len(patches), side, side, -1).rot90(quarter, (1, 2))
    return (grid.flip(2) if mirror else grid).flatten(1, 2)


def thinned(found: Sequence[Picture], most: Mapping[str, int]) -> list[Picture]:
    """Return pictures with no more of a source than wanted, evenly chosen."""
    kept = set()
    for source in {picture.source for picture in found}:
        rows = [i for i, picture in enumerate(found) if picture.source == source]
        count = min(most.get(source, len(rows)), len(rows))
        kept |= {rows[i * len(rows) // count] for i in range(count)}
    return [picture for i, picture in enumerate(found) if i in kept]
