"""Drawn scenes with small objects, so that zoom-in chains can be tried dry.

Objects of :mod:`rsvlm.data_engine.sources.synthetic` lie in a larger ground of the same
split. Nothing learnt here is about the Earth.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from rsvlm.data_engine.canvases import Piece, piece_of, scatter
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import synthetic

NAME = "synthetic_chains"
LICENCE = synthetic.LICENCE

#: Pictures: split -> how many.
COUNTS: dict[Split, int] = {"train": 8, "val": 4, "test": 4}
#: Side of a scene and of its picture, px.
SCENE, SIDE = 600, 192


def read(root: Path, split: Split) -> Iterator[Record]:
    """Yield the drawn scenes of a split.

    Args:
        root: Not used; there are no files.
        split: Whose objects and grounds are drawn.

    Yields:
        The records.
    """
    pieces, grounds = [], []
    for record in synthetic.read(root, split):
        with Image.open(BytesIO(record.image)) as image:
            pixels = np.asarray(image.convert("RGB"))
        if not record.targets:
            grounds.append(pixels)
        found = (
            piece_of(pixels, record.targets, i) for i in range(len(record.targets))
        )
        pieces += [piece for piece in found if piece is not None]
    for index in range(COUNTS[split]):
        rng = np.random.default_rng((17, ("train", "val", "test").index(split), index))
        chosen: list[Piece] = [pieces[i] for i in rng.permutation(len(pieces))[:3]]
        ground = grounds[int(rng.integers(len(grounds)))]
        canvas = scatter(ground, SCENE, chosen, rng)
        picture, targets = canvas.render((0, 0, SCENE, SCENE), SIDE)
        data = BytesIO()
        Image.fromarray(picture).save(data, format="PNG")
        yield Record(
            image=data.getvalue(),
            name=f"{split}-{index}.png",
            width=SIDE,
            height=SIDE,
            source=NAME,
            licence=LICENCE,
            targets=targets,
            objects=synthetic.OBJECTS,
            chain=True,
        )
