"""Encodes the pictures of ``rsvlm train tune``, many at a time, once.

Where a GPU encodes, worker processes load and cut pictures ahead of it, and threads
write what it says; the order of the pictures, and so what a batch holds, is fixed.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from rsvlm.models.encoder import MICRO_BATCH, encode
from rsvlm.models.processing import RSVLMImageProcessor
from rsvlm.training.run import loader_workers
from rsvlm.training.tune_data import Eye, TuneData

#: Tiles that pass through an encoder together on a GPU.
GPU_BATCH = 256
#: Files that wait to be written, at most: they hold the features of their pictures.
MOST_WAITING = 512

Tiles = list[NDArray[np.uint8]]
#: A picture and its variant.
Place = tuple[int, int]


class _Cut(Dataset[tuple[Place, Tiles]]):
    """Pictures as tiles."""

    def __init__(self, data: TuneData, places: Sequence[Place]) -> None:
        self._data, self._places = data, places

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> tuple[Place, Tiles]:
        return self._places[row], self._data.cut(*self._places[row])


def encode_all(data: TuneData, progress: Callable[[int, int], None]) -> None:
    """Encode what is not in the caches yet.

    Args:
        data: The pictures.
        progress: Called with variants done and variants in all.
    """
    every = [(i, v) for i, count in enumerate(data.variants) for v in range(count)]
    todo = [place for place in every if not _is_kept(data, place)]
    done = len(every) - len(todo)
    progress(done, len(every))
    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(4) as pool:
        for eye, places, tiles in _groups(data, todo):
            features = encode_tiles(eye, tiles, data)
            for place, part in zip(places, _split(features, tiles), strict=True):
                key = data.key(*place)
                pending.append(pool.submit(eye.cache.put, key, {"tokens": part}))
                done += 1
                progress(done, len(every))
            while len(pending) > MOST_WAITING:
                pending.popleft().result()
        for future in pending:
            future.result()


def _is_kept(data: TuneData, place: Place) -> bool:
    return data.key(*place) in data.eyes[data.routes[place[0]]].cache


def _groups(
    data: TuneData, todo: Sequence[Place]
) -> Iterator[tuple[Eye, list[Place], list[Tiles]]]:
    """Yield pictures that one encoder sees together."""
    workers = loader_workers()
    # Arrays come through a pipe; tensors would fill the shared memory of a container.
    loader = DataLoader(
        _Cut(data, todo), batch_size=None, num_workers=workers, collate_fn=_same
    )
    waiting: dict[str, list[tuple[Place, Tiles]]] = {}
    for place, tiles in loader:
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


def _same(item: Any) -> Any:
    return item


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
        Shape (tiles, N, D), bfloat16, in memory.
    """
    every = [tile for tiles in pictures for tile in tiles]
    like = next(eye.encoder.parameters())
    size = GPU_BATCH if like.device.type == "cuda" else MICRO_BATCH
    parts = []
    for start in range(0, len(every), size):
        pixels = normalised(every[start : start + size], data.processor, like.device)
        found = encode(eye.encoder, pixels.to(like.dtype), data.recipe.layers)
        parts.append(found.to(torch.bfloat16).cpu())
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
