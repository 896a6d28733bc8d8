"""Filters of a build: what is left out, why, and how much of it.

Images are first looked at one by one, then compared. Of two images that show the same,
the one stays that counts more: an evaluation set before the test split, that before
validation, that before training; within a split the one that comes first.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from rsvlm.data_engine.filters import twins
from rsvlm.data_engine.filters.geometry import mend
from rsvlm.data_engine.filters.prints import Print, look, print_of
from rsvlm.data_engine.records import Record
from rsvlm.errors import ImageError, SettingsError
from rsvlm.samples import read_samples

if TYPE_CHECKING:
    from rsvlm.embedding import Embedder
    from rsvlm.render import View

#: Images encoded at once.
BATCH = 16
#: Split of the images of evaluation sets, which always stay.
AGAINST = "against"


class Filters(BaseModel):
    """Which filters a build applies: the table ``[filters]`` of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    blank: bool = Field(True, description="leave out images that show nothing")
    geometry: bool = Field(True, description="clip or leave out broken objects")
    exact: bool = Field(True, description="leave out copies of a file")
    within: bool = Field(
        True, description="leave out copies within a split too, not leaks alone"
    )
    near: float | None = Field(
        0.95, gt=0, le=1, description="correlation of thumbnails of near copies"
    )
    place: float | None = Field(
        0.02, gt=0, le=1, description="share of ground in common with another split"
    )
    embedding: float | None = Field(
        None, gt=0, le=1, description="cosine of near copies, by the encoders"
    )
    agreement: float | None = Field(
        None, gt=-1, lt=1, description="least cosine of a caption and its image"
    )
    encoder: str = Field("tiny", description="checkpoint with aligned encoders")
    against: tuple[str, ...] = Field(
        (), description="JSONL files of evaluation sets that must stay unseen"
    )


@dataclass(frozen=True, slots=True)
class Dropped:
    """One image that was left out.

    Attributes:
        split: Its split.
        source: Its source.
        name: Its name.
        filter: What left it out: ``blank``, ``unreadable``, ``duplicate`` or ``leak``.
        reason: How, such as ``near 0.98``.
        twin: ``split/source/name`` of the image that stayed, "" without one.
    """

    split: str
    source: str
    name: str
    filter: str
    reason: str
    twin: str = ""


@dataclass
class Sieve:
    """Looks at every record of a build, then says which stay.

    Several may look at a part each; one of them then takes in what the others found.

    Attributes:
        counts: (filter, source, split) -> images, objects or captions.
        dropped: Key of an image -> why it was left out.
    """

    settings: Filters
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    dropped: dict[tuple[str, str, str], Dropped] = field(default_factory=dict)
    _prints: list[Print] = field(default_factory=list)
    _waiting: list[tuple[int, "View"]] = field(default_factory=list)
    _encoder: "Embedder | None" = None

    def mended(self, record: Record, split: str, is_counted: bool = False) -> Record:
        """Return a record without broken objects and without captions that do not fit.

        Args:
            record: The record.
            split: Its split.
            is_counted: Add to the counts; a record is read twice.
        """
        if self.settings.geometry:
            record, notes = mend(record)
            if is_counted:
                for note, count in notes.items():
                    self.counts[note, record.source, split] += count
        return record

    def look(self, record: Record, split: str) -> None:
        """Keep what is needed to compare an image with others."""
        key = (split, record.source, record.name)
        try:
            view, bounds = look(record.image, record.name, record.sensor)
        except ImageError as error:
            self._drop(Dropped(*key, "unreadable", str(error)))
            return
        place = record.bounds_lonlat or bounds
        kept = print_of(record.image, view, place, *key)
        if kept.is_blank and self.settings.blank:
            self._drop(Dropped(*key, "blank", "one colour"))
            return
        self._add(kept, view)

    def look_at_evaluation(self, folder: Path) -> None:
        """Keep the images of the evaluation sets; paths are relative to the folder.

        Raises:
            SettingsError: If a file or one of its images is missing.
            ParseError: If a file is not valid.
        """
        for name in self.settings.against:
            path = folder / name
            if not path.is_file():
                raise SettingsError(
                    f"There is no {name!r} in {str(folder)!r}, which filters.against "
                    "names. Name JSONL files of samples."
                )
            refs = {i.path: i for s in read_samples(path) for i in s.images}
            for ref in refs.values():
                try:
                    data = (path.parent / ref.path).read_bytes()
                    view, bounds = look(data, ref.path, ref.sensor)
                except (OSError, ImageError) as error:
                    raise SettingsError(
                        f"{name}: the image {ref.path!r} cannot be read ({error}). "
                        "Leaks towards a set are found by its images."
                    ) from None
                place = ref.bounds_lonlat or bounds
                self._add(print_of(data, view, place, AGAINST, name, ref.path), view)

    def seen(self) -> list[Print]:
        """Return what was kept of the images, in the order that they were looked at."""
        self._encode()
        return self._prints

    def take(
        self,
        prints: Iterable[Print],
        dropped: Iterable[Dropped],
        counts: Mapping[tuple[str, str, str], int],
    ) -> None:
        """Take in what another one found in images that come after those of this one.

        Args:
            prints: What it kept of them.
            dropped: What it left out.
            counts: Its counts, but for the images that it left out.
        """
        self._prints += prints
        for item in dropped:
            self._drop(item)
        self.counts.update(counts)

    def decide(self) -> None:
        """Compare all images and leave out those that another stands for."""
        self._encode()
        twin: dict[int, list[tuple[int, str]]] = {}
        for i, j, reason in self._pairs():
            twin.setdefault(j, []).append((i, reason))
        gone = set[int]()
        for j in sorted(twin):
            staying = [(i, reason) for i, reason in twin[j] if i not in gone]
            item = self._prints[j]
            if not staying or item.split == AGAINST:
                continue
            # A leak is the graver fault: it is named where both are found.
            leaks = [
                pair for pair in staying if self._prints[pair[0]].split != item.split
            ]
            if not leaks and not self.settings.within:
                continue
            gone.add(j)
            i, reason = (leaks or staying)[0]
            kind = "leak" if leaks else "duplicate"
            other = "/".join(self._prints[i].key)
            self._drop(Dropped(*item.key, kind, reason, other))

    def stays(self, record: Record, split: str) -> bool:
        """Whether a record is not left out."""
        return (split, record.source, record.name) not in self.dropped

    def paired(self, record: Record, split: str) -> Record:
        """Return a record without its partner where that was left out."""
        if record.partner and not self.stays(record.partner, split):
            return replace(record, partner=None)
        return record

    def agreeing(self, record: Record, split: str) -> Record:
        """Return a record without the captions that do not fit its image."""
        least = self.settings.agreement
        if least is None or not record.captions:
            return record
        view, _ = look(record.image, record.name, record.sensor)
        encoder = self._encoders()
        scores = encoder.encode_text(record.captions) @ encoder.encode_image([view])[0]
        kept = tuple(
            caption
            for caption, score in zip(record.captions, scores, strict=True)
            if score >= least
        )
        left = len(record.captions) - len(kept)
        self.counts["caption left out", record.source, split] += left
        return replace(record, captions=kept)

    def report(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return filter -> source -> split -> number, for ``run.json``."""
        tree: dict[str, dict[str, dict[str, int]]] = {}
        for (name, source, split), count in sorted(self.counts.items()):
            if count:
                tree.setdefault(name, {}).setdefault(source, {})[split] = count
        return tree

    def leaks(self) -> dict[str, int]:
        """Return the number of images compared, and of those left out as a leak."""
        found = sum(item.filter == "leak" for item in self.dropped.values())
        return {"images": len(self._prints), "left out": found}

    def _pairs(self) -> Iterator[tuple[int, int, str]]:
        if not self._prints:
            return
        chosen = self.settings
        if chosen.exact:
            for i, j in twins.same_bytes(self._prints):
                yield i, j, "equal file"
        ways = (
            ("near", chosen.near, twins.same_look),
            ("embedding", chosen.embedding, twins.same_vector),
            ("place", chosen.place, twins.same_place),
        )
        for name, least, find in ways:
            if least is not None:
                for i, j, score in find(self._prints, least):
                    # Open sea looks alike everywhere; known places tell it apart.
                    if not twins.are_apart(self._prints[i], self._prints[j]):
                        yield i, j, f"{name} {score:.2f}"

    def _add(self, kept: Print, view: "View") -> None:
        self._prints.append(kept)
        if self.settings.embedding is not None:
            self._waiting.append((len(self._prints) - 1, view))
            if len(self._waiting) >= BATCH:
                self._encode()

    def _encode(self) -> None:
        if not self._waiting:
            return
        vectors = self._encoders().encode_image([view for _, view in self._waiting])
        for (index, _), vector in zip(self._waiting, vectors, strict=True):
            self._prints[index] = replace(
                self._prints[index], vector=np.asarray(vector)
            )
        self._waiting.clear()

    def _encoders(self) -> "Embedder":
        if self._encoder is None:
            self._encoder = _loaded(self.settings.encoder)
        return self._encoder

    def _drop(self, item: Dropped) -> None:
        self.dropped[item.split, item.source, item.name] = item
        self.counts[item.filter, item.source, item.split] += 1


@lru_cache(maxsize=1)
def _loaded(name: str) -> "Embedder":
    """Return the encoders of a checkpoint; a process loads them once."""
    import torch

    from rsvlm.models.aligned import AlignedEncoder
    from rsvlm.models.checkpoint import find_checkpoint

    # Sums depend on how many threads share them: a vector must not.
    torch.set_num_threads(1)
    return AlignedEncoder.load(find_checkpoint(name))


def dropped_rows(dropped: Iterable[Dropped]) -> Sequence[Mapping[str, str]]:
    """Return what was left out as rows of a file, by key."""
    return [
        {
            "split": item.split,
            "source": item.source,
            "name": item.name,
            "filter": item.filter,
            "reason": item.reason,
            "twin": item.twin,
        }
        for item in sorted(dropped, key=lambda d: (d.split, d.source, d.name))
    ]
