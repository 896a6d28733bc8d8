"""Turns pictures that belong to passages into vectors, for search by image."""

from pathlib import Path

from rsvlm.embedding import Embedder, Vectors
from rsvlm.errors import SettingsError
from rsvlm.raster import Raster
from rsvlm.retrieval.sources_files import Look

#: Longest side of a picture as the encoder sees it, px.
SIDE = 448


def looker(embedder: Embedder | None) -> tuple[Look, str]:
    """Return what encodes a picture file, and the name of its vectors.

    Raises:
        SettingsError: If the checkpoint has no aligned encoders.
    """
    if embedder is None:
        raise SettingsError(
            "This checkpoint has no encoders that align pictures and texts. "
            "Give one that was trained with rsvlm train align, such as tiny."
        )

    def look(path: Path) -> Vectors:
        with Raster.open(path) as raster:
            vector: Vectors = embedder.encode_image([raster.preview(SIDE)])[0]
            return vector

    return look, picture_space(embedder)


def picture_space(embedder: Embedder) -> str:
    """Return the name that tells the vectors of one embedder from those of others."""
    return f"{embedder.name}/{embedder.revision}"
