"""The list of images that a checkpoint was trained on: ``train-images.txt``.

One SHA-256 a line, sorted, each once. Images that a checkpoint was chosen or calibrated
by belong to it too. The evaluation reads it to keep a model from being measured on what
it has seen.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from rsvlm.errors import ParseError
from rsvlm.samples import Sample
from rsvlm.training.features import picture_hash

FILE = "train-images.txt"

_SHA256 = re.compile(r"[0-9a-f]{64}")


def write_train_images(
    checkpoint: Path, samples: Iterable[Sample], folder: Path
) -> Path:
    """Add the images of samples to the list of a checkpoint.

    A checkpoint may be trained in stages, so what the list holds stays.

    Args:
        checkpoint: Folder of the checkpoint.
        samples: What it is trained on.
        folder: Folder that the paths of images start from; a file is read only where
            the record has no hash.

    Returns:
        The list.

    Raises:
        ParseError: If there is a list that is damaged.
        ImageError: If an image without a hash is missing.
    """
    images = {image.path: image for sample in samples for image in sample.images}
    digests = set(read_train_images(checkpoint) or ())
    for image in images.values():
        digests.add(picture_hash(image, folder).lower())
    path = checkpoint / FILE
    draft = path.with_name(f".{path.name}.part")
    draft.write_text("".join(f"{d}\n" for d in sorted(digests)), encoding="ascii")
    os.replace(draft, path)
    return path


def read_train_images(checkpoint: Path) -> frozenset[str] | None:
    """Return the hashes that a checkpoint lists; None where it has no list.

    Raises:
        ParseError: If a line is no SHA-256; names the line.
    """
    path = checkpoint / FILE
    if not path.is_file():
        return None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not _SHA256.fullmatch(line):
            raise ParseError(
                f"{path.name}, line {number}: {line[:80]!r} is no SHA-256 in lower "
                "case. Copy the checkpoint folder again."
            )
    return frozenset(lines)
