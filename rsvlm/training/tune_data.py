"""What ``rsvlm train tune`` learns from: pictures as they are shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.models.processing import RSVLMImageProcessor, to_tiles
from rsvlm.training.augment import (
    items_of,
    load_picture,
    move,
    recolour,
    resize,
    scaled_size,
    turn,
)
from rsvlm.training.conversations import Picture, Shown
from rsvlm.training.features import FeatureCache, picture_hash
from rsvlm.training.reading import image_bytes
from rsvlm.training.speckle import speckle
from rsvlm.training.tune_recipe import TuneRecipe

#: Smallest window of a scene, as a share of its sides: less may not show its class.
LEAST_SCENE = 0.7
#: Smallest size at which a picture is shown anew, relative to its own.
LEAST_SCALE = 0.5
#: Largest difference between the channels of a gray picture that WebP stored as RGB.
GRAY = 2

Tiles = list[NDArray[np.uint8]]


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
    """Pictures as encoders see them, and their questions."""

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
        #: Variants of each picture that are kept encoded; 0: it is shown anew.
        self.variants = [copies.get(picture.source, usual) for picture in found]
        self.routes = [route(picture, "sar" in eyes) for picture in found]
        self._hashes = [picture_hash(picture.ref, folder) for picture in found]

    def key(self, index: int, variant: int) -> str:
        """Return what a variant is kept under."""
        radar = "/sar" if self.pictures[index].ref.sensor == "sar" else ""
        return f"{self._hashes[index]}/{variant}{radar}"  # radar varies otherwise

    def is_kept(self, index: int, variant: int) -> bool:
        """Whether what an encoder says of a variant is kept."""
        return variant < self.variants[index]

    def look(self, index: int, rng: np.random.Generator) -> Look:
        """Draw how a picture is shown: half of the time coarsely."""
        count = self.variants[index]
        # A number for every time that it is shown anew, or one of the kept variants.
        variant = int(rng.integers(count) if count else rng.integers(1, 1 << 31))
        overview = bool(rng.random() < 0.5)
        ref = self.pictures[index].ref
        one_tile = ref.width == ref.height <= self.processor.tile_size
        if one_tile and not self.pictures[index].placed:  # its patches can be turned
            turned = int(rng.integers(4)), bool(rng.integers(2))
            return Look(index, variant, overview, *turned)
        return Look(index, variant, overview)

    def turned(self, index: int, variant: int) -> tuple[int, bool]:
        """Return how a variant is turned: quarters and mirror."""
        if not variant:
            return 0, False
        rng = self._rng(index, variant)
        return int(rng.integers(4)), bool(rng.integers(2))

    def _rng(self, index: int, variant: int, *use: int) -> np.random.Generator:
        name = int(self._hashes[index][:8], 16)
        return np.random.default_rng([self.recipe.seed, variant, name, *use])

    def _moved(
        self, index: int, variant: int, pixels: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Return what a variant shows of a picture: it turned, or a window of it.

        Captions name all objects of a picture and shares of its area, so that only a
        plain scene is cut.
        """
        if not variant:
            return pixels
        if self.pictures[index].whole:
            return turn(pixels, [], *self.turned(index, variant))[0]
        return move(pixels, [], self._rng(index, variant), LEAST_SCENE)[0]

    def _long_side(self, index: int, variant: int, size: tuple[int, int]) -> int:
        """Return the longer side at which a picture of a size is shown, px.

        A picture that is shown anew is reduced at random, but not below one tile: from
        there on it would be enlarged again.
        """
        longer = max(size)
        least = max(LEAST_SCALE, self.processor.tile_size / longer)
        if self.is_kept(index, variant) or not variant or least >= 1:
            return longer
        return round(longer * float(self._rng(index, variant, 1).uniform(least, 1)))

    def shown(self, index: int, variant: int) -> NDArray[np.uint8]:
        """Return a variant of a picture: moved, resized, and recoloured.

        Radar has no colours to change but speckle.
        """
        ref = self.pictures[index].ref
        pixels = read_picture(self.folder / ref.path, ref.sensor)
        if not variant:
            return pixels
        pixels = self._moved(index, variant, pixels)
        rows, columns = pixels.shape[:2]
        long_side = self._long_side(index, variant, (rows, columns))
        if long_side < max(rows, columns):
            pixels, _ = resize(pixels, [], long_side)
        change = speckle if ref.sensor == "sar" else recolour
        return change(pixels, self._rng(index, variant, 2))

    def items(self, index: int, variant: int) -> Shown:
        """Return the objects of a variant, where and how it shows them."""
        picture = self.pictures[index]
        turned = self.turned(index, variant)
        blank = np.empty((picture.ref.height, picture.ref.width, 0), np.uint8)
        shown, moved = turn(blank, items_of(picture.objects), *turned)
        return Shown(moved, shown.shape[1], shown.shape[0], *turned)

    def cut(self, index: int, variant: int) -> Tiles:
        """Return the tiles of a variant, each of shape (h, w, 3)."""
        shown = self.shown(index, variant)
        return to_tiles(shown, self.processor.tile_size, self.recipe.max_tiles)

    def rows(self, look: Look) -> int:
        """Return the number of tiles that are looked at; nothing is read for it."""
        if look.overview:
            return 1
        index, variant = look.index, look.variant
        ref = self.pictures[index].ref
        blank = np.empty((ref.height, ref.width, 0), np.uint8)
        rows, columns = self._moved(index, variant, blank).shape[:2]
        long_side = self._long_side(index, variant, (rows, columns))
        height, width = scaled_size(rows, columns, long_side)
        return self.processor.count_tiles(height, width, self.recipe.max_tiles)

    def part(self, look: Look) -> Tensor | Tiles:
        """Return what a look reads: kept features (tiles, N, D), or tiles to encode."""
        if self.is_kept(look.index, look.variant):
            cache = self.eyes[self.routes[look.index]].cache
            tokens = cache.get(self.key(look.index, look.variant))["tokens"]
            return tokens[:1] if look.overview else tokens
        tiles = self.cut(look.index, look.variant)
        return tiles[:1] if look.overview else tiles


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

        with Raster.from_bytes(image_bytes(path), path.name, sensor) as raster:
            return raster.preview(max(raster.width, raster.height)).pixels
    picture = load_picture(path)
    if sensor == "sar" and np.ptp(picture, axis=-1).max() <= GRAY:
        picture = np.repeat(picture[..., :1], 3, axis=-1)
    return picture


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
