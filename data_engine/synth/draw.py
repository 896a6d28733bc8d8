"""A scene by its number: the same on every machine, and independent of all others."""

from collections.abc import Sequence

import numpy as np

from rsvlm.data_engine.synth.layouts import LAYOUTS
from rsvlm.data_engine.synth.scene import Builder, Scene

#: Sides of the scenes, px.
SIDES = (320, 384, 448)


def draw(
    index: int,
    salt: int = 0,
    kinds: Sequence[str] = tuple(LAYOUTS),
    finest_m: float = 0.0,
) -> Scene:
    """Return the scene of a number; layouts take turns.

    Args:
        index: Number of the scene, from 0.
        salt: Another salt gives other scenes.
        kinds: Keys of the layouts.
        finest_m: Least size of a pixel, m.
    """
    rng = np.random.default_rng((salt, index))
    kind = kinds[index % len(kinds)]
    layout, low, high = LAYOUTS[kind]
    low, high = max(low, finest_m), max(high, 1.5 * finest_m)
    gsd_m = round(float(np.exp(rng.uniform(np.log(low), np.log(high)))), 2)
    side, angle = int(rng.choice(SIDES)), float(rng.uniform(0, 2 * np.pi))
    builder = Builder(rng, side, gsd_m, angle)
    layout(builder)
    # Scenes of one salt stay apart from those of the next.
    return builder.finish(kind, index + 20_000 * salt)
