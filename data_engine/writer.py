"""Makes samples of one record: wordings drawn by name, images with hash and sensor.

The generators are seeded by image and kind of question, so that adding a kind or an
image changes no other sample.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import Any

from rsvlm.data_engine.phrases import pick, words_for
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.wordings import WORDINGS
from rsvlm.samples import ImageRef, MaskRle, Sample, Target, Turn


def image_path(record: Record) -> str:
    """Return where the image lies in a built folder, relative to it."""
    return f"images/{record.source}/{record.name}"


def image_ref(record: Record) -> ImageRef:
    """Return what a sample says about the image of a record."""
    return ImageRef(
        path=image_path(record),
        width=record.width,
        height=record.height,
        sensor=record.sensor,
        gsd_m=record.gsd_m,
        sha256=record.digest or sha256(record.image).hexdigest(),
        crs=record.crs,
        transform=record.transform,
        bounds_lonlat=record.bounds_lonlat,
    )


@dataclass(frozen=True, slots=True)
class Writer:
    """Makes samples of one record."""

    record: Record
    split: Split
    seed: int

    def rng(self, kind: str) -> Random:
        """Return the generator of a kind of question."""
        return Random(f"{self.seed}/{self.record.source}/{self.record.name}/{kind}")

    def template(self, kind: str, rng: Random) -> str:
        """Return one of the wordings of a kind."""
        return pick(rng, WORDINGS[self.split][kind])

    def noun(self, label: str, rng: Random) -> str:
        """Return the canonical name half of the time, else any word for it."""
        return label if rng.random() < 0.5 else pick(rng, words_for(label))

    def sample(
        self,
        kind: str,
        task: str,
        question: str,
        answers: Sequence[str] = (),
        targets: tuple[Target, ...] = (),
        about: str = "",
        *,
        choices: Sequence[str] = (),
        of: str | None = None,
        with_partner: bool = False,
        mask: MaskRle | None = None,
        **meta: Any,
    ) -> Sample:
        """Return a sample; the first answer is the assistant's turn.

        Args:
            kind: Kind of question, for ``meta`` and the id.
            task: Task of the sample.
            question: The user's turn; none where it is empty.
            answers: Accepted answers.
            targets: Objects meant.
            about: The class that is asked for.
            choices: The classes of a question with options, in order.
            of: Type of the sample.
            with_partner: Show the image of the other sensor too.
            mask: Mask of the answer.
            meta: Further entries.
        """
        record = self.record
        turns = [Turn(role="user", text=question)] if question else []
        turns += [Turn(role="assistant", text=text) for text in answers[:1]]
        stem = record.name.rsplit(".", 1)[0]
        suffix = f"-{about.replace(' ', '-')}" if about else ""
        shown = [record]
        if with_partner and record.partner:
            shown.append(record.partner)
        return Sample(
            id=f"{record.source}/{stem}/{kind}{suffix}",
            images=tuple(map(image_ref, shown)),
            task=task,
            conversation=tuple(turns),
            targets=targets,
            answers=tuple(answers),
            options=tuple(choices),
            mask=mask,
            type=of,
            source=record.source,
            licence=record.licence,
            split=self.split,
            meta={"kind": kind}
            | ({"label": about} if about else {})
            | dict(record.meta)
            | meta,
        )


def draw_absent(
    rng: Random, absent: Sequence[str], frequency: Mapping[str, int], count: int
) -> list[str]:
    """Draw absent classes without repetition, in proportion to their frequency."""
    left, drawn = list(absent), list[str]()
    for _ in range(min(count, len(left))):
        # A class that the split never shows stays possible.
        weights = [
            frequency.get(name, 0) + (0.5 if frequency else 1.0) for name in left
        ]
        mark = rng.random() * sum(weights)
        index = 0
        while index < len(left) - 1 and mark >= weights[index]:
            mark -= weights[index]
            index += 1
        drawn.append(left.pop(index))
    return drawn
