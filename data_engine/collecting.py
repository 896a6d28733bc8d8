"""First half of a build: records are read, looked at and kept without their images.

A piece of work is a chunk of records. Where a source has parts the process that does the
piece reads them itself; the records of all other sources are read by the process that
leads the build, one after the other, and handed over.
"""

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from rsvlm.data_engine.captions_sensors import NAMED
from rsvlm.data_engine.filters import Dropped, Filters, Sieve
from rsvlm.data_engine.filters.prints import THUMB, Print, signs_of
from rsvlm.data_engine.phrases import canonical_name
from rsvlm.data_engine.recipes import Shape, Taken
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import Parts
from rsvlm.data_engine.spool import (
    Chunk,
    read_json,
    write_image,
    write_json,
    write_records,
)
from rsvlm.data_engine.writer import image_path

#: Records of a chunk, of a source without parts; so many images are held at a time.
CHUNK = 64
#: Endings of what is kept of a chunk: its records, and what was seen of them. The second
#: comes last: it marks that the chunk is done.
RECORDS, SEEN = "records.jsonl", "seen.json"


@dataclass(frozen=True, slots=True)
class Limit:
    """How many images of a source and split are taken, spread over all of them."""

    count: int
    seed: int

    def chosen(self, total: int, place: str, count: int | None = None) -> list[int]:
        """Return which of so many are taken, in order.

        Args:
            total: How many there are.
            place: Two places are chosen from independently of each other.
            count: How many, where it is not the limit itself.

        >>> Limit(3, 0).chosen(3, "a"), len(Limit(3, 0).chosen(100, "a"))
        ([0, 1, 2], 3)
        """
        count = min(total, self.count if count is None else count)
        start = Random(f"{self.seed}/limit/{place}").random()
        return [int((i + start) * total / count) for i in range(count)]


@dataclass(frozen=True, slots=True)
class Some:
    """Some records of a part: all of them, or so many that are spread over it."""

    part: int
    count: int | None = None


@dataclass(frozen=True)
class Collect:
    """Reads or takes the records of a chunk, writes their images, keeps the rest."""

    out: Path
    chunk: Chunk
    shape: Shape
    filters: Filters | None
    limit: Limit | None
    records: tuple[Record, ...] = ()
    parts: Parts | None = None
    root: Path = Path()
    some: tuple[Some, ...] = ()

    def __call__(self) -> tuple[str, Split, int]:
        """Do it; return source, split and number of images."""
        sieve = Sieve(self.filters) if self.filters else None
        kept: list[Record] = []
        for raw in self._raw():
            for record in self.shape.shaped(raw):
                if sieve:
                    record = sieve.mended(record, self.chunk.split, is_counted=True)
                    sieve.look(record, self.chunk.split)
                write_image(self.out, image_path(record), record.image)
                if self.limit and record.partner:  # it may not be chosen itself
                    partner = record.partner
                    write_image(self.out, image_path(partner), partner.image)
                kept.append(_without_image(record))
        write_records(self.chunk.path(self.out, RECORDS), kept)
        write_json(self.chunk.path(self.out, SEEN), _seen(kept, sieve))
        return self.shape.name, self.chunk.split, len(kept)

    def _raw(self) -> Iterator[Record]:
        yield from self.records
        for some in self.some if self.parts else ():
            assert self.parts is not None
            found = self.parts.read(self.root, self.chunk.split, some.part)
            if some.count is None or self.limit is None:
                yield from found
                continue
            records = list(found)
            place = f"{self.shape.name}/{self.chunk.split}/{some.part}"
            for index in self.limit.chosen(len(records), place, some.count):
                yield records[index]


def collects(
    source: Taken,
    number: int,
    split: Split,
    out: Path,
    filters: Filters | None,
    limit: Limit | None,
) -> Iterator[Collect]:
    """Yield the pieces of work of a source and split that are not done yet.

    Args:
        source: The source.
        number: Its number in the recipe.
        split: The split.
        out: Folder of the build.
        filters: What is looked at.
        limit: How many images are taken; None: all.
    """
    plain = Collect(out, Chunk(split, number, 0), source.shape, filters, limit)
    parts = source.source.parts
    for index, group in enumerate(_groups(source, split, limit)):
        chunk = Chunk(split, number, index)
        if chunk.path(out, SEEN).is_file():
            continue
        if parts:
            yield replace(
                plain, chunk=chunk, parts=parts, root=source.root, some=tuple(group)
            )
        else:
            yield replace(plain, chunk=chunk, records=tuple(group))


def _groups(source: Taken, split: Split, limit: Limit | None) -> Iterator[list[Any]]:
    place = f"{source.name}/{split}"
    parts = source.source.parts
    if parts:
        total = parts.count(source.root, split)
        some = [Some(part) for part in range(total)]
        if limit:
            chosen = limit.chosen(total, place)
            each, more = divmod(limit.count, max(len(chosen), 1))
            some = [Some(p, each + (i < more)) for i, p in enumerate(chosen)]
        yield from _packed(iter(some), parts.together)
        return
    records = source.source.read(source.root, split)
    if limit:
        total = sum(1 for _ in source.source.read(source.root, split))
        taken = set(limit.chosen(total, place))
        records = (r for index, r in enumerate(records) if index in taken)
    yield from _packed(records, CHUNK)


def _packed(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while group := list(islice(items, size)):
        yield group


# --- what was seen ----------------------------------------------------------------


def _without_image(record: Record) -> Record:
    """Return a record whose images are known by their hashes alone."""
    partner = record.partner and _without_image(record.partner)
    digest = sha256(record.image).hexdigest()
    return replace(record, image=b"", digest=digest, partner=partner)


def classes_of(record: Record) -> list[str]:
    """Return the canonical object and land-cover classes that an image shows."""
    names = {canonical_name(target.label) for target in record.targets}
    names |= {name for name, share in record.cover.items() if share >= NAMED}
    return sorted(names)


def _seen(records: Sequence[Record], sieve: Sieve | None) -> dict[str, Any]:
    seen: dict[str, Any] = {
        "images": {record.name: classes_of(record) for record in records},
        "pieces": any(record.is_piece for record in records),
    }
    if sieve:
        gone = Counter((d.filter, d.source, d.split) for d in sieve.dropped.values())
        seen["prints"] = [_row(item) for item in sieve.seen()]
        seen["dropped"] = [
            (d.split, d.source, d.name, d.filter, d.reason)
            for d in sieve.dropped.values()
        ]
        counts = sieve.counts - gone
        seen["counts"] = [(*key, count) for key, count in sorted(counts.items())]
    return seen


def take_in(sieve: Sieve, seen: dict[str, Any]) -> None:
    """Hand over to a sieve what another one saw of a chunk."""
    sieve.take(
        map(_print, seen["prints"]),
        (Dropped(*fields) for fields in seen["dropped"]),
        {(name, source, split): n for name, source, split, n in seen["counts"]},
    )


def read_seen(chunk: Chunk, out: Path) -> dict[str, Any]:
    """Return what was seen of a chunk."""
    seen: dict[str, Any] = read_json(chunk.path(out, SEEN))
    return seen


def _row(item: Print) -> dict[str, Any]:
    vector = item.vector
    return {
        "key": item.key,
        "sensor": item.sensor,
        "sha256": item.sha256,
        "thumb": b64encode(item.thumb.tobytes()).decode(),
        "bounds": item.bounds,
        "vector": None if vector is None else vector.astype(float).tolist(),
    }


def _print(row: dict[str, Any]) -> Print:
    thumb = np.frombuffer(b64decode(row["thumb"]), np.uint8).reshape(THUMB, THUMB)
    west, south, east, north = row["bounds"] or (0.0, 0.0, 0.0, 0.0)
    vector = row["vector"]
    split, source, name = row["key"]
    return Print(
        split=split,
        source=source,
        name=name,
        sensor=row["sensor"],
        sha256=row["sha256"],
        signs=signs_of(thumb),
        thumb=thumb,
        bounds=(west, south, east, north) if row["bounds"] else None,
        is_blank=False,
        vector=None if vector is None else np.array(vector, np.float32),
    )
