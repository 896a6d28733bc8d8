"""Whether a model was trained on the images that it is to be measured on.

A checkpoint folder holds ``train-images.txt``: the SHA-256 of every image that it was
trained on, one a line, as :mod:`rsvlm.training.images` writes it. Equal means the same
file: a picture that was encoded anew or cut out of another is not recognised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from rsvlm.errors import SettingsError
from rsvlm.samples import ImageRef, Sample
from rsvlm.training.images import FILE, read_train_images


@dataclass(frozen=True)
class Overlap:
    """What is known of training images among the samples of a benchmark.

    Attributes:
        known: Whether the checkpoint says what it was trained on.
        images: Number of different images of the samples.
        leaked: Paths of those that the model was trained on.
        unchecked: Images without a hash whose file is missing too.
        samples: Ids of the samples that show a leaked image.
    """

    known: bool
    images: int
    leaked: tuple[str, ...] = ()
    unchecked: int = 0
    samples: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """What stands beside a score, in one sentence; None: nothing to say."""
        if not self.known:
            return (
                f"The checkpoint has no {FILE}, so it is not known whether it was "
                "trained on these images."
            )
        if self.leaked:
            return (
                f"The model was trained on {len(self.leaked)} of {self.images} images "
                f"({len(self.samples)} samples); the score is no measure of unseen data."
            )
        if self.unchecked:
            return (
                f"{self.unchecked} of {self.images} images could not be read, so it is "
                "not known whether the model was trained on them."
            )
        return None


def check(samples: Sequence[Sample], folder: Path, checkpoint: Path | None) -> Overlap:
    """Look for training images of a checkpoint among samples.

    Args:
        samples: What is to be asked.
        folder: Folder that the paths of images start from; files are read only where
            the record has no hash.
        checkpoint: Folder of the checkpoint; None for a model that says nothing of its
            training, such as a remote one.

    Raises:
        ParseError: If the checkpoint's list is damaged.
    """
    images = {image.path: image for sample in samples for image in sample.images}
    trained = read_train_images(checkpoint) if checkpoint is not None else None
    if trained is None:
        return Overlap(False, len(images))
    leaked, unchecked = dict.fromkeys(images, False), 0
    for path, image in images.items():
        digest = _digest(image, folder)
        unchecked += digest is None
        leaked[path] = digest in trained
    return Overlap(
        known=True,
        images=len(images),
        leaked=tuple(path for path, is_leaked in leaked.items() if is_leaked),
        unchecked=unchecked,
        samples=tuple(
            sample.id
            for sample in samples
            if any(leaked[image.path] for image in sample.images)
        ),
    )


def enforce(overlap: Overlap, benchmark: str, allow: bool = False) -> str | None:
    """Refuse a benchmark that the model was trained on, or return what marks it.

    Args:
        overlap: What :func:`check` found.
        benchmark: Its name, for the message.
        allow: Mark instead of refuse.

    Returns:
        The sentence for ``run.json`` and the report; None where all is well.

    Raises:
        SettingsError: If training images are among the samples and that is not allowed.
    """
    if overlap.leaked and not allow:
        shown = ", ".join(overlap.leaked[:3]) + (", ..." if overlap.leaked[3:] else "")
        raise SettingsError(
            f"The model was trained on {len(overlap.leaked)} of {overlap.images} images "
            f"of {benchmark} ({shown}). Measure it on other images, or mark the "
            "scores with --allow-leak."
        )
    return overlap.note


def _digest(image: ImageRef, folder: Path) -> str | None:
    if image.sha256 is not None:
        return image.sha256.lower()
    try:
        with (folder / image.path).open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
