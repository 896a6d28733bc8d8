"""Looks through a file of samples and tells every fault with its line.

What pydantic cannot see: ids that occur twice, objects outside of their image, masks of
another size, answers that are no option, images that are missing or not those of the
hash.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from rsvlm.errors import ParseError, SettingsError
from rsvlm.formats.images import size_of
from rsvlm.samples import (
    ImageRef,
    MaskRle,
    Sample,
    Target,
    content_hash,
    read_shard,
)

#: How far a label may reach over the edge of its image, px: rounding, no more.
EDGE = 1.0


@dataclass
class Counts:
    """What was looked through.

    Attributes:
        samples: Valid ones and others.
        faults: Number of faults.
        tasks: Task -> samples.
        splits: Split -> samples.
        images: Different images.
    """

    samples: int = 0
    faults: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    splits: Counter[str] = field(default_factory=Counter)
    images: int = 0


def validate(path: Path, counts: Counts, check_images: bool = True) -> Iterator[str]:
    """Yield every fault of a file, ``place: field: reason``.

    Args:
        path: JSONL file or tar shard of samples.
        counts: Filled while the faults are yielded.
        check_images: Open every image once and compare size and hash.

    Raises:
        SettingsError: If there is no such file.
    """
    if not path.is_file():
        raise SettingsError(
            f"There is no file {path.name!r} in {str(path.parent)!r}. Name a JSONL file "
            "or a tar shard of samples."
        )
    looker = _Looker(path, counts, check_images)
    lines = looker.shard() if path.suffix == ".tar" else looker.lines()
    for fault in lines:
        counts.faults += 1
        yield fault
    counts.images = len(looker.images)


class _Looker:
    def __init__(self, path: Path, counts: Counts, check_images: bool) -> None:
        self.path, self.counts, self.check_images = path, counts, check_images
        self.ids: dict[str, str] = {}
        self.images: dict[str, ImageRef] = {}
        self.relevant: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield from self._line(line, f"{self.path.name}:{number}")
        yield from self._end()

    def shard(self) -> Iterator[str]:
        try:
            for group in read_shard(self.path):
                for number, sample in enumerate(group.samples):
                    where = f"{self.path.name}:{sample.id}[{number}]"
                    self.counts.samples += 1
                    yield from self._sample(sample, where, group.files)
        except ParseError as error:
            yield f"{self.path.name}: {error}"
        yield from self._end()

    def _line(self, line: bytes, where: str) -> Iterator[str]:
        self.counts.samples += 1
        try:
            sample = Sample.model_validate_json(line)
        except ValidationError as error:
            for fault in error.errors():
                place = ".".join(map(str, fault["loc"])) or "the line"
                yield f"{where}: {place}: {fault['msg']}"
            return
        yield from self._sample(sample, where, None)

    def _sample(self, sample: Sample, where: str, files: object) -> Iterator[str]:
        self.counts.tasks[sample.task] += 1
        self.counts.splits[sample.split] += 1
        first = self.ids.setdefault(sample.id, where)
        if first != where:
            yield f"{where}: id: {sample.id!r} stands in {first} too"
        for fault in faults_of(sample):
            yield f"{where}: {fault}"
        for name in sample.relevant:
            self.relevant.setdefault(name, where)
        for number, image in enumerate(sample.images):
            for fault in self._image(image, files):
                yield f"{where}: images.{number}: {fault}"

    def _image(self, image: ImageRef, files: object) -> Iterator[str]:
        known = self.images.setdefault(image.path, image)
        if known is not image:
            if known != image:
                yield f"{image.path!r} is described otherwise above"
            return
        if not self.check_images:
            return
        if isinstance(files, dict):
            yield from _compared(image, files.get(image.path))
            return
        path = self.path.parent / image.path
        if not path.is_file():
            yield f"there is no {image.path!r} in the folder of the file"
            return
        try:
            size = size_of(path, image.path)
        except ParseError as error:
            yield str(error)
            return
        if size != (image.width, image.height):
            stated = f"{image.width} x {image.height}"
            yield f"{image.path!r} has {size[0]} x {size[1]} px, not {stated}"
        if image.sha256:
            yield from _compared(image, path.read_bytes())

    def _end(self) -> Iterator[str]:
        for name, where in self.relevant.items():
            if name not in self.ids:
                yield f"{where}: relevant: there is no sample {name!r}"


def _compared(image: ImageRef, data: bytes | None) -> Iterator[str]:
    if data is None:
        yield f"the shard has no {image.path!r}"
    elif image.sha256 and sha256(data).hexdigest() != image.sha256.lower():
        yield f"{image.path!r} has another SHA-256 than stated"


def faults_of(sample: Sample) -> Iterator[str]:
    """Yield what is wrong with a sample that its schema allows: ``field: reason``."""
    image = sample.images[0]
    for number, target in enumerate(sample.targets):
        for fault in target_faults(target, image.width, image.height):
            yield f"targets.{number}: {fault}"
    if sample.mask is not None:
        yield from map("mask: {}".format, _mask_faults(sample.mask, image))
    roles = [turn.role for turn in sample.conversation]
    wanted = [("user", "assistant")[i % 2] for i in range(len(roles))]
    if roles != wanted:
        yield f"conversation: turns are {', '.join(roles)}; users ask first, in turn"
    for number, turn in enumerate(sample.conversation):
        if not turn.text.strip():
            yield f"conversation.{number}: the text is empty"
    yield from _option_faults(sample)
    if sample.sha256 and sample.sha256 != content_hash(sample):
        yield "sha256: is not that of the record; it was changed"


def target_faults(target: Target, width: int, height: int) -> Iterator[str]:
    """Yield what is wrong with an object of an image of so many pixels."""
    x0, y0, x1, y1 = target.hbb
    shown = f"the box {x0:g} {y0:g} {x1:g} {y1:g}"
    if not all(map(math.isfinite, target.hbb)):
        yield f"{shown} has no finite corners"
    elif not (x0 < x1 and y0 < y1):
        yield f"{shown} is empty"
    elif min(x0, y0) < -EDGE or x1 > width + EDGE or y1 > height + EDGE:
        yield f"{shown} leaves the image of {width} x {height} px"
    for ring in target.polygons:
        if len(ring) < 6 or len(ring) % 2:
            yield f"a ring has {len(ring)} numbers"
        elif not all(map(math.isfinite, ring)):
            yield "a ring has no finite corners"


def _mask_faults(mask: MaskRle, image: ImageRef) -> Iterator[str]:
    from rsvlm.geometry import HBB, Mask
    from rsvlm.outputs import RunLengths

    rows, columns = mask.size
    if (rows, columns) != (image.height, image.width):
        yield f"is {columns} x {rows} px, the image {image.width} x {image.height}"
        return
    try:
        RunLengths(Mask(mask.counts, (rows, columns), HBB(0, 0, columns, rows)))
    except (ParseError, ValueError, IndexError):
        yield "its runs do not fill the image"


def _option_faults(sample: Sample) -> Iterator[str]:
    if not sample.options:
        return
    letters = [chr(ord("A") + number) for number in range(len(sample.options))]
    allowed = {text.strip().lower() for text in (*sample.options, *letters)}
    for answer in sample.answers:
        if answer.strip().lower() not in allowed:
            yield f"answers: {answer!r:.60} is none of the options"
