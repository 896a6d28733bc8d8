"""From patch features to the space that pictures and texts share."""

from torch import Tensor, nn


class AlignHead(nn.Module):
    """Patches to vectors of the text space, and their weighted mean.

    Every patch gets a vector in the space of the text encoder and a weight; the
    picture's vector is their weighted mean. So the same weights serve search among
    pictures (the mean) and maps of a description inside one (the patches).

    Source:
        Attention pooling without a query token: https://arxiv.org/abs/1802.04712;
        contrastive dense prediction: MaskCLIP, https://arxiv.org/abs/2112.01071.

    .. versionadded:: 0.1
    """

    def __init__(self, vision_dim: int, text_dim: int, width: int = 512) -> None:
        """Build the layers.

        Args:
            vision_dim: Width of the patch features.
            text_dim: Width D of the shared space.
            width: Width of the hidden layer.
        """
        super().__init__()
        self.norm = nn.LayerNorm(vision_dim)
        self.hidden = nn.Linear(vision_dim, width)
        self.out = nn.Linear(width, text_dim)
        self.weight = nn.Linear(width, 1)

    def patches(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the vectors and weights of patches.

        Args:
            features: Shape (B, N, D_vision).

        Returns:
            Vectors, not of unit length, shape (B, N, D), and weights that sum to 1
            over the N patches, shape (B, N, 1).
        """
        hidden = nn.functional.gelu(self.hidden(self.norm(features)))
        return self.out(hidden), self.weight(hidden).softmax(dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """Return one unit vector a picture, shape (B, D), of features (B, N, D_v)."""
        vectors, weights = self.patches(features)
        pooled: Tensor = nn.functional.normalize(
            (vectors * weights).float().sum(1), dim=-1
        )
        return pooled


class DenseHead(nn.Module):
    """One unit vector of the text space for every patch: maps of what covers the ground.

    .. versionadded:: 0.1
    """

    def __init__(self, vision_dim: int, text_dim: int) -> None:
        """Build the layers; see :class:`AlignHead`."""
        super().__init__()
        self.norm = nn.LayerNorm(vision_dim)
        self.out = nn.Linear(vision_dim, text_dim)

    def forward(self, features: Tensor) -> Tensor:
        """Return unit vectors, shape (B, N, D), of features (B, N, D_vision)."""
        vectors = self.out(self.norm(features)).float()
        return nn.functional.normalize(vectors, dim=-1)
