"""Optical and SAR encoders that share one space with texts."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from rsvlm.embedding import Vectors, zero_shot
from rsvlm.errors import CheckpointError
from rsvlm.models.align_head import AlignHead, DenseHead
from rsvlm.models.aligned_files import (
    ALIGN_FILE,
    SETTINGS_FILE,
    AlignSettings,
    encoder_state,
    fill,
    load_encoder,
    part_of,
    read_settings,
    save_aligned,
    save_settings,
)
from rsvlm.models.checkpoint import load_tensors
from rsvlm.models.encoder import (
    NORMALISATION,
    encode_pictures,
    feature_width,
    patch_size,
)
from rsvlm.models.text_encoder import TextEncoder
from rsvlm.render import View

__all__ = [
    "ALIGN_FILE",
    "SETTINGS_FILE",
    "AlignSettings",
    "AlignedEncoder",
    "encoded_side",
    "encoder_state",
    "load_encoder",
    "normalised_squares",
    "read_settings",
    "save_aligned",
    "save_settings",
    "squares",
]

#: Sensor of a view -> which of the two encoders sees it.
ROUTES = {"optical": "optical", "multispectral": "optical", "sar": "sar"}
#: Factor on inner products of patches and classes of land cover before a softmax.
COVER_SCALE = 20.0
#: Patches a side that every picture gets.
FEWEST_PATCHES = 8


class AlignedEncoder:
    """Views and texts to unit vectors of one space; an ``Embedder``.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        settings: AlignSettings,
        encoders: dict[str, nn.Module],
        heads: dict[str, AlignHead],
        text: TextEncoder,
        scale: float,
        dense: dict[str, DenseHead] | None = None,
        name: str = "aligned",
        revision: str = "",
    ) -> None:
        """Join the parts; encoders may be shared with a local engine."""
        self.settings, self.encoders, self.text = settings, encoders, text
        self.heads = {sensor: head.eval() for sensor, head in heads.items()}
        self.dense = {sensor: head.eval() for sensor, head in (dense or {}).items()}
        self.scale, self.name, self.revision = scale, name, revision
        self.sensors = frozenset(encoders)
        self.width = text.width
        self.device = torch.device("cpu")

    def to(self, device: torch.device | str) -> "AlignedEncoder":
        """Move encoders and heads; vectors and maps come back as arrays."""
        self.device = torch.device(device)
        for part in (self.encoders, self.heads, self.dense):
            for module in part.values():
                module.to(self.device)
        return self

    @classmethod
    def load(
        cls, folder: Path, encoders: dict[str, nn.Module] | None = None
    ) -> "AlignedEncoder":
        """Load the aligned encoders of a checkpoint folder.

        Args:
            folder: Folder with ``align.json`` and ``align.safetensors``.
            encoders: Sensor -> encoder, where they are loaded already.

        Raises:
            CheckpointError: If files are missing, damaged or do not fit.
            AssetError: If a frozen part cannot be fetched.
        """
        settings = read_settings(folder)
        tensors = load_tensors(folder / ALIGN_FILE)
        text = TextEncoder.of(settings.text_encoder)
        words = part_of(tensors, "text_encoder.")
        if words:  # it was trained as well
            fill(text.model, words, folder)
        towers = dict(encoders or {})
        for sensor in settings.encoders:
            if sensor not in towers:
                towers[sensor] = load_encoder(folder, sensor)
        heads, dense = {}, {}
        for sensor, tower in towers.items():
            width = feature_width(tower, settings.layers)
            heads[sensor] = AlignHead(width, text.width, settings.width)
            fill(heads[sensor], part_of(tensors, f"{sensor}_head."), folder)
            if weights := part_of(tensors, f"{sensor}_dense."):
                dense[sensor] = DenseHead(width, text.width)
                fill(dense[sensor], weights, folder)
        scale = float(tensors.get("log_scale", torch.tensor(3.0)).float().exp())
        files = (folder / name for name in (SETTINGS_FILE, ALIGN_FILE))
        content = b"".join(path.read_bytes() for path in files)
        digest = hashlib.sha256(content).hexdigest()[:12]
        name = f"rsvlm-{folder.resolve().name}"
        return cls(settings, towers, heads, text, scale, dense, name, digest)

    @torch.no_grad()
    def encode_image(self, views: Sequence[View]) -> Vectors:
        """Return unit vectors of pictures, shape (B, D), each by its sensor's encoder.

        Raises:
            CheckpointError: If there is no encoder for the sensor of a view.
        """
        out = np.zeros((len(views), self.width), np.float32)
        for sensor in sorted({self._route(view) for view in views}):
            rows = [i for i, view in enumerate(views) if self._route(view) == sensor]
            out[rows] = self.vectors([views[i].pixels for i in rows], sensor)
        return out

    @torch.no_grad()
    def vectors(self, pictures: Sequence[NDArray[np.uint8]], sensor: str) -> Vectors:
        """Return unit vectors of RGB pictures of one sensor, shape (B, D)."""
        out = np.zeros((len(pictures), self.width), np.float32)
        sides = [self._side(picture) for picture in pictures]
        for side in sorted(set(sides)):
            rows = [i for i, other in enumerate(sides) if other == side]
            features = self._features([pictures[i] for i in rows], sensor, side)
            out[rows] = self.heads[sensor](features).cpu().numpy()
        return out

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts, shape (B, D)."""
        return np.asarray(self.text.encode(texts).numpy(), np.float32)

    @torch.no_grad()
    def patch_features(self, picture: NDArray[np.uint8], sensor: str) -> Tensor:
        """Return the patch features of one RGB picture, shape (N, D_vision)."""
        return self._features([picture], sensor, self._side(picture))[0].cpu()

    @property
    def covers(self) -> tuple[str, ...]:
        """Classes of land cover that :meth:`cover_maps` tells apart."""
        return self.settings.covers

    @property
    def places(self) -> tuple[str, ...]:
        """Kinds of places that :meth:`place_scores` tells apart."""
        return tuple(self.settings.places)

    @property
    def window_m(self) -> float | None:
        """Side of the windows of the training on the ground, m."""
        return self.settings.window_m

    @property
    def side(self) -> int:
        """Side of a view that the encoders make use of, px."""
        return self.settings.size

    def choose(self, view: View, options: Sequence[str]) -> Vectors:
        """Return the probability that a view shows each of the options, shape (C,)."""
        chances: Vectors = zero_shot(self, [view], options)[0]
        return chances

    def place_scores(self, views: Sequence[View]) -> Vectors:
        """Return the probability that a view is of each place, shape (B, P).

        What is left to 1 goes to the scenes that are none of them.
        """
        groups = [*self.settings.places.values()]
        groups += [(text,) for text in self.settings.background]
        classes = np.stack([self.encode_text(list(g)).mean(0) for g in groups])
        scores = torch.from_numpy(self.encode_image(views) @ classes.T)
        chances = (self.scale * scores).softmax(1)[:, : len(self.places)]
        return np.asarray(chances.numpy(), np.float32)

    @torch.no_grad()
    def cover_maps(self, view: View) -> Vectors:
        """Return the probability of each class of land cover at each patch.

        Args:
            view: A picture; it is resized to a square of whole patches.

        Returns:
            Shape (K, S, S), K the classes of :attr:`covers`.

        Raises:
            CheckpointError: If no dense head was trained for the sensor of the view.
        """
        sensor = self._route(view)
        if sensor not in self.dense:
            raise CheckpointError(
                f"The encoders {self.name} draw no maps of land cover for {sensor} "
                "images. Train them with 'covers' in the recipe."
            )
        features = self.patch_features(view.pixels, sensor)
        vectors = self.dense[sensor](features.to(self.device)).cpu()  # (N, D)
        side = round(len(vectors) ** 0.5)
        scores = COVER_SCALE * self.text.encode(self.covers) @ vectors.T
        return np.asarray(scores.softmax(0).reshape(-1, side, side).numpy(), np.float32)

    def _route(self, view: View) -> str:
        sensor = ROUTES.get(view.sensor, "optical")
        if sensor not in self.encoders:
            raise CheckpointError(
                f"The encoders {self.name} were not aligned with {sensor} images, only "
                f"with {', '.join(sorted(self.encoders))}. Give a checkpoint that was."
            )
        return sensor

    def _side(self, picture: NDArray[np.uint8]) -> int:
        height, width = picture.shape[:2]
        patch = patch_size(next(iter(self.encoders.values())))
        return encoded_side(width, height, self.settings.size, patch)

    def _features(
        self, pictures: Sequence[NDArray[np.uint8]], sensor: str, side: int
    ) -> Tensor:
        encoder = self.encoders[sensor]
        family = str(encoder.config.model_type)  # type: ignore[union-attr]
        pixels = normalised_squares(squares(pictures, side), family, self.device)
        return encode_pictures(encoder, pixels, self.settings.layers).float()


def encoded_side(width: int, height: int, size: int, patch: int) -> int:
    """Return the side at which a picture is encoded, px: it is not enlarged in vain.

    >>> encoded_side(1000, 700, 196, 14), encoded_side(100, 60, 196, 14)
    (196, 112)

    Args:
        width: Of the picture, px.
        height: Of the picture, px.
        size: Largest side, px.
        patch: Side of a patch, px.
    """
    least = min(FEWEST_PATCHES * patch, size)
    return max(least, min(-(-max(width, height) // patch) * patch, size))


def squares(pictures: Sequence[NDArray[np.uint8]], size: int) -> NDArray[np.uint8]:
    """Return pictures resized to a square.

    The aspect is not kept: tiles are square, and a chip's shape says nothing about
    what it shows.

    Args:
        pictures: RGB, each of shape (H, W, 3).
        size: Side in px of what the encoder sees.

    Returns:
        RGB, shape (B, size, size, 3).
    """
    out = np.empty((len(pictures), size, size, 3), np.uint8)
    for slot, picture in zip(out, pictures, strict=True):
        resized: Any = picture
        if picture.shape[:2] != (size, size):
            image = Image.fromarray(np.ascontiguousarray(picture))
            resized = image.resize((size, size), Image.Resampling.BILINEAR)
        slot[:] = resized
    return out


def normalised_squares(
    pictures: NDArray[np.uint8], family: str, device: torch.device | str = "cpu"
) -> Tensor:
    """Return squares as an aligned encoder wants them.

    Args:
        pictures: RGB, shape (B, S, S, 3).
        family: A key of ``NORMALISATION``.
        device: Where to normalise them.

    Returns:
        Normalised, shape (B, 3, S, S).
    """
    mean, std = (torch.tensor(v, device=device) for v in NORMALISATION[family])
    pixels = torch.from_numpy(pictures).to(device).float() / 255
    return ((pixels - mean) / std).permute(0, 3, 1, 2).contiguous()
