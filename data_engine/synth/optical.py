"""Draws a scene as an optical sensor sees it: texture, shadows, things, haze, blur."""

from math import cos, sin, tan

import numpy as np
from numpy.typing import NDArray

from rsvlm.data_engine.synth.drawing import blurred, coverage, swept
from rsvlm.data_engine.synth.noise import blobs, clouds, shifted
from rsvlm.data_engine.synth.scene import GROUND, Part, Scene

#: Light that is left in a shadow: blue of the sky more than red.
SHADE = np.array((0.40, 0.43, 0.50), np.float32)
#: Light scattered by the air.
HAZE = np.array((150, 164, 182), np.float32)
#: Details whose box is smaller, square px, cannot be seen.
LEAST_PX = 0.3
#: Width of a tree's crown, m.
CROWN_M = 6.5


def render(scene: Scene, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return the picture of a scene, RGB, shape (side, side, 3).

    Args:
        scene: What is there.
        rng: Draws texture, haze and noise.
    """
    picture = scene.tint * _texture(scene, rng)[..., None]
    picture += _hues(scene, rng)
    picture *= _shadows(scene)
    for thing in scene.things:
        for part in (Part(thing.ring, thing.colour), *thing.parts):
            _draw(picture, part, scene.side)
    grain = rng.standard_normal(picture.shape[:2], np.float32)[..., None]
    picture = blurred(picture, float(rng.uniform(0.45, 0.8)))
    haze = float(rng.uniform(0.0, 0.16))
    picture = picture * (1 - haze) + HAZE * haze
    picture = _developed(picture, rng)
    picture += grain * float(rng.uniform(1.0, 4.0))
    return picture.clip(0, 255).round().astype(np.uint8)


def _developed(
    picture: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return a picture in the tones of one of many cameras and publishers.

    The ranges are those of the training images of NWPU VHR-10: they are darker, duller
    and of more contrast than colours of the ground are.
    """
    light, warmth = float(rng.uniform(0.5, 1.1)), float(rng.uniform(-0.05, 0.05))
    vivid, contrast = float(rng.uniform(0.5, 1.0)), float(rng.uniform(1.0, 1.6))
    gray = picture.mean(-1, keepdims=True)
    picture = gray + vivid * (picture - gray)
    middle = float(gray.mean())
    picture = light * (middle + contrast * (picture - middle))
    tones: NDArray[np.float32] = picture * np.array(
        (1 + warmth, 1, 1 - warmth), np.float32
    )
    return tones


def _texture(scene: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return factors of the brightness, shape (side, side)."""
    side = scene.side
    patches = np.array([m.patches for m in GROUND.values()], np.float32)[scene.ground]
    grain = np.array([m.grain for m in GROUND.values()], np.float32)[scene.ground]
    factors = 1 + patches * clouds(rng, side, 1.4) + grain * clouds(rng, side, 0.4)
    woods = scene.where("forest")
    if woods.any():
        crowns = blobs(rng, side, CROWN_M / scene.gsd_m)
        reach = max(1.0, CROWN_M / scene.gsd_m / 4)
        # Crowns are bright towards the sun and dark on the other side.
        lit = crowns - shifted(crowns, -reach * cos(scene.sun), -reach * sin(scene.sun))
        factors[woods] += (0.20 * lit + 0.12 * crowns)[woods]
    water = scene.where("water")
    if water.any():
        factors[water] += (0.03 * blobs(rng, side, 5 / scene.gsd_m))[water]
    return factors.clip(0.25, 1.9).astype(np.float32)


def _hues(scene: Scene, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return what dry and lush patches add to the colour, shape (side, side, 3)."""
    plants = scene.where("grass", "dry grass", "crop", "forest")
    if not plants.any():
        return np.zeros((1, 1, 3), np.float32)
    dry = clouds(rng, scene.side, 1.2) * plants
    hues: NDArray[np.float32] = dry[..., None] * np.array((9, 3, 1), np.float32)
    return hues


def _shadows(scene: Scene) -> NDArray[np.float32]:
    """Return the light that reaches the ground, shape (side, side, 3)."""
    dark = np.zeros((scene.side, scene.side), np.float32)
    for thing in scene.things:
        reach = thing.height_m / tan(scene.sun_height) / scene.gsd_m
        if reach < 0.5:
            continue
        rings = swept(thing.ring, reach * cos(scene.sun), reach * sin(scene.sun))
        if found := coverage(*rings, side=scene.side):
            rows, columns, shares = found
            np.maximum(dark[rows, columns], shares, out=dark[rows, columns])
    return 1 - dark[..., None] * (1 - SHADE)


def _draw(picture: NDArray[np.float32], part: Part, side: int) -> None:
    xs, ys = [x for x, _ in part.ring], [y for _, y in part.ring]
    if (max(xs) - min(xs)) * (max(ys) - min(ys)) < LEAST_PX:
        return
    if found := coverage(part.ring, side=side):
        rows, columns, shares = found
        there = picture[rows, columns]
        there += shares[..., None] * (np.array(part.colour, np.float32) - there)
