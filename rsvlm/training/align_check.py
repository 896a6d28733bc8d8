"""What aligned encoders give on held-out pictures, measured during training."""

from pathlib import Path

import numpy as np

from rsvlm.models.aligned import AlignedEncoder
from rsvlm.training.align_data import SENSORS, AlignRecipe, Sets, Shot


def check(
    encoder: AlignedEncoder, val: Sets, recipe: AlignRecipe, data: Path
) -> dict[str, float]:
    """Return what held-out pictures give: retrieval among pairs, captions chosen.

    Args:
        encoder: What to judge.
        val: Held-out records.
        recipe: Settings.
        data: Folder of the pictures.

    Returns:
        ``o2s@1`` ... ``s2o@10``: share of windows whose partner is among the first k;
        ``optical_text``, ``sar_text``: share of pictures whose own caption is the
        nearest of all different ones; the same by source where there are several.
    """
    found: dict[str, float] = {}
    windows = grid_shots(val, recipe.pair_window, recipe.check_pictures)
    if windows and encoder.sensors >= set(SENSORS):
        sides = [
            encoder.vectors([shot.pixels(data) for shot in side], sensor)
            for sensor, side in zip(SENSORS, zip(*windows, strict=True), strict=True)
        ]
        scores = sides[0] @ sides[1].T
        for name, matrix in (("o2s", scores), ("s2o", scores.T)):
            ranks = (matrix > np.diag(matrix)[:, None]).sum(axis=1)
            for k in (1, 5, 10):
                found[f"{name}@{k}"] = round(float((ranks < k).mean()), 4)
    for sensor, items in val.captioned.items():
        if sensor not in encoder.sensors or not items:
            continue
        stride = max(1, len(items) // recipe.check_pictures)
        some = items[::stride]
        keys = sorted({item.key for item in some})
        texts = {item.key: item.texts[0] for item in some}
        known = encoder.encode_text([texts[key] for key in keys])
        pictures = [Shot(item.ref).pixels(data) for item in some]
        best = (encoder.vectors(pictures, sensor) @ known.T).argmax(axis=1)
        right = [keys[int(i)] == item.key for i, item in zip(best, some, strict=True)]
        found[f"{sensor}_text"] = round(float(np.mean(right)), 4)
        sources = sorted({item.source for item in some})
        for source in sources if len(sources) > 1 else ():
            of_it = [r for r, i in zip(right, some, strict=True) if i.source == source]
            found[f"{sensor}_text {source}"] = round(float(np.mean(of_it)), 4)
    return found


def grid_shots(sets: Sets, side: int, most: int) -> list[tuple[Shot, Shot]]:
    """Return windows of pairs on a fixed grid, as they are, evenly thinned to ``most``."""
    shots = []
    for pair in sets.pairs:
        width, height = pair.optical.width, pair.optical.height
        w, h = min(side, width), min(side, height)
        for y in range(0, height - h + 1, h):
            for x in range(0, width - w + 1, w):
                window = (x, y, x + w, y + h)
                shots.append((Shot(pair.optical, window), Shot(pair.sar, window)))
    return shots[:: -(-len(shots) // most)] if shots else []
