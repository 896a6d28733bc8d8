"""Features of a frozen encoder, computed once and kept on disk.

A frozen encoder says the same every time; keeping what it says makes an epoch of a
small head twenty times cheaper. One safetensors file an entry, read by mapping.
"""

import hashlib
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from rsvlm.samples import ImageRef
from rsvlm.training.reading import image_bytes


def picture_hash(ref: ImageRef, folder: Path) -> str:
    """Return the SHA-256 of a picture, from its record or else from its file.

    Raises:
        ImageError: If the record has none and the file cannot be read.
    """
    if ref.sha256 is not None:
        return ref.sha256
    return hashlib.sha256(image_bytes(folder / ref.path)).hexdigest()


class FeatureCache:
    """A folder of tensors by key; writes are atomic, so a killed run loses nothing."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Use a sub-folder of its own for each ``identity`` (encoder, sizes, ...)."""
        self.folder = folder / hashlib.sha256(identity.encode()).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str) -> Path:
        """Return the file of a key."""
        return self.folder / f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.st"

    def __contains__(self, key: str) -> bool:
        return self.path(key).is_file()

    def get(self, key: str) -> dict[str, Tensor]:
        """Return what was put under a key."""
        return load_file(self.path(key))

    def put(self, key: str, tensors: Mapping[str, Tensor]) -> None:
        """Keep tensors under a key."""
        path = self.path(key)
        draft = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        save_file({name: t.contiguous() for name, t in tensors.items()}, draft)
        os.replace(draft, path)
