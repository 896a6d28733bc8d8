"""Vectors of the images of samples: opened as an assistant opens them, encoded once.

Samples come one by one, encoders want several pictures at a time: images of the samples
that follow are taken along.
"""

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

import numpy as np

from rsvlm.embedding import Embedder, Vectors
from rsvlm.errors import RsvlmError
from rsvlm.eval.vector_cache import VectorCache, vector_key
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.samples import ImageRef, Sample

#: Images encoded together.
BATCH = 8
#: Samples behind the present one that are searched for images to take along.
LOOK_AHEAD = 64


class PictureVectors:
    """Unit vectors of images, kept for the run and, where there is a cache, for good."""

    def __init__(
        self, embedder: Embedder, cache: VectorCache | None = None, stamp: str = ""
    ) -> None:
        """Start with nothing known.

        Args:
            embedder: The encoders.
            cache: Where vectors outlive the run.
            stamp: What tells the encoders from others besides name and revision.
        """
        self.embedder, self.cache = embedder, cache
        self.stamp = f"{embedder.name} {embedder.revision} {stamp}"
        self._known: dict[tuple[Path, str, str], Vectors] = {}

    def of(
        self, sample: Sample, folder: Path, following: Iterable[Sample] = ()
    ) -> Vectors:
        """Return the vectors of a sample's images, shape (number of images, D).

        Args:
            sample: A sample with one image or several.
            folder: Folder that the paths of images start from.
            following: Samples that will be asked for next.

        Raises:
            ImageError: If an image of the sample cannot be opened.
            CheckpointError: If the encoders do not take its sensor.
        """
        missing = [ref for ref in sample.images if not self._knows(ref, folder)]
        if missing:
            self._encode(missing, self._along(missing, folder, following), folder)
        return np.stack([self._known[_key(ref, folder)] for ref in sample.images])

    def _knows(self, ref: ImageRef, folder: Path) -> bool:
        return _key(ref, folder) in self._known

    def _along(
        self, missing: list[ImageRef], folder: Path, following: Iterable[Sample]
    ) -> list[ImageRef]:
        """Return images of the same sensors that fill up the batch."""
        taken = {_key(ref, folder): ref for ref in missing}
        sensors = {ref.sensor for ref in missing}
        for other in islice(following, LOOK_AHEAD):
            for ref in other.images:
                if len(taken) >= BATCH:
                    break
                if ref.sensor in sensors and not self._knows(ref, folder):
                    taken.setdefault(_key(ref, folder), ref)
        return list(taken.values())[len({_key(ref, folder) for ref in missing}) :]

    def _encode(
        self, wanted: list[ImageRef], along: list[ImageRef], folder: Path
    ) -> None:
        views = {_key(ref, folder): _view(ref, folder) for ref in wanted}
        for ref in along:
            try:
                views[_key(ref, folder)] = _view(ref, folder)
            except RsvlmError:
                continue  # it will be told when its own sample is asked
        names = {place: vector_key(view, self.stamp) for place, view in views.items()}
        stored = self.cache.get(names.values()) if self.cache is not None else {}
        new = {names[p]: view for p, view in views.items() if names[p] not in stored}
        if new:
            vectors = self.embedder.encode_image(list(new.values()))
            made = dict(zip(new, vectors, strict=True))
            if self.cache is not None:
                self.cache.put(made)
            stored |= made
        self._known |= {place: stored[name] for place, name in names.items()}


def _key(ref: ImageRef, folder: Path) -> tuple[Path, str, str]:
    return folder, ref.path, ref.sensor


def _view(ref: ImageRef, folder: Path) -> View:
    with Raster.open(folder / ref.path, sensor=ref.sensor) as raster:
        return raster.preview()
