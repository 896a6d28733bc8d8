"""Encodes the pictures of ``rsvlm train tune``: many at a time, once, or as shown.

Pictures are loaded and cut ahead of the encoder, and threads write what it says of
kept variants; the order of the pictures, and so what a batch holds, is fixed.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from rsvlm.models.encoder import MICRO_BATCH, encode
from rsvlm.models.processing import RSVLMImageProcessor
from rsvlm.training.loader import loaded
from rsvlm.training.tune_data import Eye, Look, Tiles, TuneData, turn_patches

#: Tiles that pass through an encoder together on a GPU.
GPU_BATCH = 256
#: Files that wait to be written, at most: they hold the features of their pictures.
MOST_WAITING = 512

#: A picture and its variant.
Place = tuple[int, int]


class _Cut(Dataset[tuple[Place, Tiles]]):
    """Pictures as tiles."""

    def __init__(self, data: TuneData, places: Sequence[Place]) -> None:
        self._data, self._places = data, places

    def __getitem__(self, row: int) -> tuple[Place, Tiles]:
        return self._places[row], self._data.cut(*self._places[row])


def encode_all(
    data: TuneData, indices: Iterable[int], progress: Callable[[int, int], None]
) -> None:
    """Encode the kept variants of pictures that are not in the caches yet.

    Args:
        data: The pictures.
        indices: Which of them.
        progress: Called with variants done and variants in all.
    """
    every = [(i, v) for i in indices for v in range(data.variants[i])]
    todo = [place for place in every if not _is_kept(data, place)]
    done = len(every) - len(todo)
    progress(done, len(every))
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(4) as pool:
        for eye, places, tiles in _groups(data, todo):
            features = encode_tiles(eye, tiles, data).cpu()
            for place, part in zip(places, _split(features, tiles), strict=True):
                key = data.key(*place)
                pending.append(pool.submit(eye.cache.put, key, {"tokens": part}))
                done += 1
                progress(done, len(every))
            while len(pending) > MOST_WAITING:
                pending.popleft().result()
        for future in pending:
            future.result()


def seen(
    data: TuneData,
    looks: Sequence[Look],
    parts: Sequence[Tensor | Tiles],
    device: torch.device,
) -> Tensor:
    """Return the patch features of looks, shape (tiles, N, D).

    Args:
        data: Whose pictures are looked at.
        looks: How they are shown.
        parts: Kept features of each, or its tiles, which are encoded now.
        device: Where they are wanted.
    """
    found: dict[int, Tensor] = {}
    for sensor, eye in data.eyes.items():
        rows, tiles = [], []
        for row, (look, part) in enumerate(zip(looks, parts, strict=True)):
            if not isinstance(part, Tensor) and data.routes[look.index] == sensor:
                rows.append(row)
                tiles.append(part)
        if tiles:
            encoded = _split(encode_tiles(eye, tiles, data), tiles)
            found |= zip(rows, encoded, strict=True)
    features = []
    for row, (look, part) in enumerate(zip(looks, parts, strict=True)):
        one = part if isinstance(part, Tensor) else found[row]
        one = one.to(device, non_blocking=True)
        turned = look.quarter or look.mirror
        features.append(turn_patches(one, look.quarter, look.mirror) if turned else one)
    return torch.cat(features)


def _is_kept(data: TuneData, place: Place) -> bool:
    return data.key(*place) in data.eyes[data.routes[place[0]]].cache


def _groups(
    data: TuneData, todo: Sequence[Place]
) -> Iterator[tuple[Eye, list[Place], list[Tiles]]]:
    """Yield pictures that one encoder sees together."""
    waiting: dict[str, list[tuple[Place, Tiles]]] = {}
    for place, tiles in loaded(_Cut(data, todo), range(len(todo))):
        sensor = data.routes[place[0]]
        group = waiting.setdefault(sensor, [])
        group.append((place, tiles))
        full = GPU_BATCH if _device(data.eyes[sensor].encoder).type == "cuda" else 1
        if sum(len(tiles) for _, tiles in group) >= full:
            yield data.eyes[sensor], [p for p, _ in group], [t for _, t in group]
            waiting[sensor] = []
    for sensor, group in waiting.items():
        if group:
            yield data.eyes[sensor], [p for p, _ in group], [t for _, t in group]


def _device(module: nn.Module) -> torch.device:
    return next(module.parameters()).device


@torch.no_grad()
def encode_tiles(eye: Eye, pictures: Sequence[Tiles], data: TuneData) -> Tensor:
    """Return the features of all tiles of some pictures.

    Args:
        eye: Who sees them.
        pictures: Tiles of each picture, shape (h, w, 3) each.
        data: Says how tiles are normalised and which layers are taken.

    Returns:
        Shape (tiles, N, D), bfloat16, where the encoder is.
    """
    every = [tile for tiles in pictures for tile in tiles]
    like = next(eye.encoder.parameters())
    size = GPU_BATCH if like.device.type == "cuda" else MICRO_BATCH
    parts = []
    for start in range(0, len(every), size):
        pixels = normalised(every[start : start + size], data.processor, like.device)
        found = encode(eye.encoder, pixels.to(like.dtype), data.recipe.layers)
        parts.append(found.to(torch.bfloat16))
    return torch.cat(parts)


def normalised(
    tiles: Tiles, processor: RSVLMImageProcessor, device: torch.device
) -> Tensor:
    """Return what the processor makes of tiles, computed on a device.

    Args:
        tiles: Each of shape (h, w, 3).
        processor: Its mean and deviation are used.
        device: Where.

    Returns:
        Shape (tiles, 3, S, S), float32; what is added is the mean colour.
    """
    side = processor.tile_size
    whole = np.zeros((len(tiles), side, side, 3), np.uint8)
    inside = np.zeros((len(tiles), side, side, 1), np.bool_)
    for row, tile in enumerate(tiles):
        height, width = tile.shape[:2]
        whole[row, :height, :width] = tile
        inside[row, :height, :width] = True
    mean, std = (
        torch.tensor(v, device=device) for v in (processor.mean, processor.std)
    )
    pixels = (torch.from_numpy(whole).to(device).float() / 255 - mean) / std
    filled = torch.where(torch.from_numpy(inside).to(device), pixels, 0.0)
    return filled.permute(0, 3, 1, 2).contiguous()


def _split(features: Tensor, pictures: Sequence[Tiles]) -> list[Tensor]:
    """Return the features of each picture."""
    return list(torch.split(features, [len(tiles) for tiles in pictures]))
