"""From pictures and text to what :class:`RSVLMForConditionalGeneration` reads.

Dynamic resolution: a picture becomes one overview tile and, where it holds more
detail than that, up to ``max_tiles`` tiles of a finer copy. The aspect is kept; the
rest of a tile is filled with the mean colour. The number of tokens follows from the
size alone.
"""

import math
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from transformers import BatchFeature
from transformers.image_processing_utils import BaseImageProcessor
from transformers.image_utils import make_flat_list_of_images
from transformers.processing_utils import (
    ImagesKwargs,
    MultiModalData,
    ProcessingKwargs,
    ProcessorMixin,
)

from rsvlm.models.configuration import SENSOR_IDS

#: Conversation form of the language model; images stand where their part stands.
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['content'] is string %}{{ m['content'] }}{% else %}"
    "{% for c in m['content'] %}"
    "{% if c['type'] in ['image', 'image_url'] %}<image>\n"
    "{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def layout(height: int, width: int, tile_size: int, max_tiles: int) -> tuple[int, int]:
    """Return the grid (rows, columns) of fine tiles; (0, 0) where none is needed.

    Among all grids of at most ``max_tiles`` the one with the finest scale wins, then
    the smallest; the picture is never enlarged beyond its own resolution. A grid that
    shows no more than the overview is not used.

    >>> layout(256, 256, 336, 4), layout(300, 1000, 336, 4), layout(900, 900, 336, 4)
    ((0, 0), (1, 3), (2, 2))
    """
    if max(height, width) <= tile_size:
        return 0, 0

    def scale(rows: int, columns: int) -> float:
        return min(rows * tile_size / height, columns * tile_size / width, 1.0)

    grids = [
        (rows, columns)
        for rows in range(1, max_tiles + 1)
        for columns in range(1, max_tiles // rows + 1)
    ]
    if not grids:
        return 0, 0
    best = scale(*max(grids, key=lambda grid: scale(*grid)))
    # The fewest tiles for that scale; rounding must not leave one without a pixel.
    rows = math.ceil(max(1, round(height * best)) / tile_size)
    columns = math.ceil(max(1, round(width * best)) / tile_size)
    return (rows, columns) if rows * columns > 1 else (0, 0)


def to_tiles(
    picture: NDArray[np.uint8], tile_size: int, max_tiles: int
) -> list[NDArray[np.uint8]]:
    """Cut a picture into its overview and its fine tiles.

    Args:
        picture: RGB, shape (H, W, 3).
        tile_size: Side of a tile in px.
        max_tiles: Most fine tiles.

    Returns:
        Tiles, overview first, then row by row; each of shape (h, w, 3) with
        h, w <= tile_size. The missing part belongs at the right and the bottom.
    """
    height, width = picture.shape[:2]
    rows, columns = layout(height, width, tile_size, max_tiles)
    tiles = [_fit(picture, tile_size, tile_size)]
    if rows:
        fine = _fit(picture, rows * tile_size, columns * tile_size, enlarge=False)
        for y in range(0, rows * tile_size, tile_size):
            for x in range(0, columns * tile_size, tile_size):
                tiles.append(fine[y : y + tile_size, x : x + tile_size])
    return tiles


def _fit(
    picture: NDArray[np.uint8], height: int, width: int, enlarge: bool = True
) -> NDArray[np.uint8]:
    scale = min(height / picture.shape[0], width / picture.shape[1])
    if not enlarge:
        scale = min(scale, 1.0)
    size = (
        max(1, round(picture.shape[1] * scale)),
        max(1, round(picture.shape[0] * scale)),
    )
    if size == picture.shape[1::-1]:
        return picture
    resized = Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized)


class RSVLMImagesKwargs(ImagesKwargs, total=False):  # type: ignore[call-arg, misc]
    """Options of one call."""

    sensor: str | None
    max_tiles: int | None


class RSVLMImageProcessor(BaseImageProcessor):  # type: ignore[misc]  # untyped base
    """Pictures to normalised tiles, each with the id of its sensor."""

    model_input_names = ["pixel_values", "sensor_ids"]  # noqa: RUF012
    valid_kwargs = RSVLMImagesKwargs

    def __init__(
        self,
        tile_size: int = 336,
        patch_size: int = 14,
        max_tiles: int = 4,
        factor: int = 4,
        mean: Sequence[float] = (0.485, 0.456, 0.406),
        std: Sequence[float] = (0.229, 0.224, 0.225),
        sensor: str = "optical",
        **kwargs: Any,
    ) -> None:
        """Set sizes in px, the normalisation of RGB in 0-1, the default sensor."""
        super().__init__(**kwargs)
        self.tile_size, self.patch_size = tile_size, patch_size
        self.max_tiles, self.factor, self.sensor = max_tiles, factor, sensor
        self.mean, self.std = list(mean), list(std)
        self.size = {"height": tile_size, "width": tile_size}

    @property
    def tokens_per_tile(self) -> int:
        """Image tokens N of one tile."""
        return (self.tile_size // self.patch_size // self.factor) ** 2

    def count_tiles(self, height: int, width: int, max_tiles: int | None = None) -> int:
        """Return the number of tiles of a picture of that size, overview included."""
        most = self.max_tiles if max_tiles is None else max_tiles
        rows, columns = layout(height, width, self.tile_size, most)
        return 1 + rows * columns

    def normalise(self, tile: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return a tile as float of shape (3, tile_size, tile_size), filled up."""
        out = np.zeros((3, self.tile_size, self.tile_size), np.float32)
        scaled = tile.astype(np.float32) / 255
        scaled -= np.array(self.mean, np.float32)
        scaled /= np.array(self.std, np.float32)
        out[:, : tile.shape[0], : tile.shape[1]] = scaled.transpose(2, 0, 1)
        return out

    def __call__(self, images: Any, **kwargs: Any) -> BatchFeature:
        """Same as :meth:`preprocess`."""
        return self.preprocess(images, **kwargs)

    def preprocess(
        self,
        images: Any,
        return_tensors: str | None = None,
        sensor: str | None = None,
        max_tiles: int | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Return tiles, their sensors, and how many belong to each picture.

        The sensor is, in this order: the argument, the picture's own ``sensor`` tag
        (a PNG text chunk survives an HTTP request), the default.

        Args:
            images: Picture or pictures: PIL, or uint8 RGB of shape (H, W, 3).
            return_tensors: ``"pt"`` for torch tensors.
            sensor: Sensor of all pictures.
            max_tiles: Most fine tiles a picture, instead of the default.
            **kwargs: Ignored.

        Returns:
            ``pixel_values`` (tiles, 3, S, S), ``sensor_ids`` (tiles,), ``num_tiles``.
        """
        most = self.max_tiles if max_tiles is None else max_tiles
        tiles: list[NDArray[np.float32]] = []
        sensor_ids: list[int] = []
        counts: list[int] = []
        for image in make_flat_list_of_images(self.fetch_images(images)):
            tag = getattr(image, "info", {}).get("sensor")
            kind = SENSOR_IDS.get(sensor or tag or self.sensor, 0)
            if isinstance(image, Image.Image):
                image = np.asarray(image.convert("RGB"))
            parts = to_tiles(np.asarray(image), self.tile_size, most)
            tiles += [self.normalise(part) for part in parts]
            sensor_ids += [kind] * len(parts)
            counts.append(len(parts))
        return BatchFeature(
            {
                "pixel_values": np.stack(tiles),
                "sensor_ids": np.array(sensor_ids),
                "num_tiles": counts,
            },
            tensor_type=return_tensors,
        )


class RSVLMProcessorKwargs(  # type: ignore[call-arg]
    ProcessingKwargs,  # type: ignore[misc]
    total=False,
):
    """Defaults of a call of the processor."""

    images_kwargs: RSVLMImagesKwargs
    _defaults = {"text_kwargs": {"padding": False}}  # noqa: RUF012


class RSVLMProcessor(ProcessorMixin):  # type: ignore[misc]  # untyped base
    """Tokenizer and image processor; expands each image to its placeholders."""

    attributes = ["image_processor", "tokenizer"]  # noqa: RUF012
    image_processor_class = "AutoImageProcessor"
    tokenizer_class = "AutoTokenizer"
    valid_processor_kwargs = RSVLMProcessorKwargs
    unused_input_names = ["num_tiles"]  # noqa: RUF012

    def __init__(
        self,
        image_processor: RSVLMImageProcessor,
        tokenizer: Any,
        chat_template: str | None = None,
        image_token: str = "<image>",
        **kwargs: Any,
    ) -> None:
        """Join the two; ``image_token`` must be one special token."""
        self.image_token = image_token
        self.image_token_id = tokenizer.convert_tokens_to_ids(image_token)
        super().__init__(
            image_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE
        )

    def replace_image_token(
        self, image_inputs: Any, image_idx: int, **kwargs: Any
    ) -> str:
        """Return the placeholders of one image."""
        tiles = int(image_inputs["num_tiles"][image_idx])
        count = tiles * self.image_processor.tokens_per_tile
        return cast(str, self.image_token * count)

    def _get_num_multimodal_tokens(
        self, image_sizes: Sequence[tuple[int, int]] | None = None, **kwargs: Any
    ) -> MultiModalData:
        if image_sizes is None:
            return MultiModalData()
        processor = self.image_processor
        tiles = [
            processor.count_tiles(height, width, kwargs.get("max_tiles"))
            for height, width in image_sizes
        ]
        return MultiModalData(
            num_image_tokens=[n * processor.tokens_per_tile for n in tiles],
            num_image_patches=tiles,
        )
