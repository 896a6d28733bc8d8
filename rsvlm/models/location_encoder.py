"""Location encoder: a place on the Earth to a vector.

Source:
    GeoCLIP, https://arxiv.org/abs/2309.16020: the Equal Earth projection
    (https://doi.org/10.1080/13658816.2018.1504949) and random Fourier features at three
    scales. Aligned with satellite images as GeoCLOSP does.
"""

import math
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from rsvlm import assets
from rsvlm.errors import CheckpointError

#: Coefficients of the Equal Earth projection, and what makes its coordinates
#: degree-like.
_A = (1.340264, -0.081106, 0.000893, 0.003796)
_SCALE = 66.50336 / 180
#: Fourier features, hidden width and output width of the published weights.
_FEATURES, _HIDDEN, WIDTH = 256, 1024, 512


def equal_earth(lonlat: Tensor) -> Tensor:
    """Project longitude and latitude in degrees, shape (B, 2), to about [-1, 1]."""
    longitude, latitude = torch.deg2rad(lonlat).unbind(-1)
    a1, a2, a3, a4 = _A
    theta = torch.asin(math.sqrt(3) / 2 * torch.sin(latitude))
    slope = 9 * a4 * theta**8 + 7 * a3 * theta**6 + 3 * a2 * theta**2 + a1
    x = 2 * math.sqrt(3) * longitude * torch.cos(theta) / (3 * slope)
    y = a4 * theta**9 + a3 * theta**7 + a2 * theta**3 + a1 * theta
    return torch.stack([x, y], -1) * _SCALE


class _Fourier(nn.Module):
    """Cosines and sines of a fixed random projection."""

    b: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("b", torch.zeros(_FEATURES, 2))

    def forward(self, points: Tensor) -> Tensor:
        angles = 2 * math.pi * points @ self.b.T
        return torch.cat([angles.cos(), angles.sin()], -1)


class _Scale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.capsule = nn.Sequential(
            _Fourier(),
            nn.Linear(2 * _FEATURES, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(),
        )
        self.head = nn.Sequential(nn.Linear(_HIDDEN, WIDTH))

    def forward(self, points: Tensor) -> Tensor:
        return cast(Tensor, self.head(self.capsule(points)))


class LocationEncoder(nn.Module):
    """Sum of three networks, each at a scale of its own.

    .. versionadded:: 0.1
    """

    width = WIDTH

    def __init__(self) -> None:
        """Build the layers with the names of the published weights."""
        super().__init__()
        for number in range(3):
            self.add_module(f"LocEnc{number}", _Scale())

    @classmethod
    def of(cls, asset: str = "geoclip-location") -> "LocationEncoder":
        """Return the encoder of an asset, frozen.

        Raises:
            AssetError: If it cannot be fetched.
            CheckpointError: If the file holds other weights.
        """
        (path,) = assets.fetch(asset).rglob("*.pth")
        return cls.load(path)

    @classmethod
    def load(cls, path: Path) -> "LocationEncoder":
        """Return the encoder of a file of weights; see :meth:`of`."""
        encoder = cls()
        try:
            encoder.load_state_dict(torch.load(path, weights_only=True))
        except (RuntimeError, OSError, ValueError) as error:
            raise CheckpointError(
                f"{path} holds no weights of a location encoder: "
                f"{' '.join(str(error).split())[:200]}. Fetch the asset again."
            ) from error
        return encoder.requires_grad_(False).eval()

    def forward(self, lonlat: Tensor) -> Tensor:
        """Return vectors of places.

        Args:
            lonlat: Longitude and latitude in degrees, WGS 84, shape (B, 2).

        Returns:
            Shape (B, 512).
        """
        points = equal_earth(lonlat)
        parts = [scale(points) for scale in self.children()]
        return torch.stack(parts).sum(0)
