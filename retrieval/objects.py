"""ObjectIndex: the objects of one raster, found once at full resolution and kept.

A question about a large image gets a minute, and so a reduced picture of it. Whoever has
longer lets every window be looked at in advance (``rsvlm scan``); afterwards counts,
places and presence of everything that the finder knows need no window at all, outlines
only those that hold something. Candidates are kept down to those that nobody would count,
so that each purpose has its own cut, as when the window itself is looked at.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from rsvlm.cache import write_json
from rsvlm.errors import SettingsError
from rsvlm.findings import Finder, Findings, Purpose
from rsvlm.geometry import HBB, Region
from rsvlm.labels import is_visible
from rsvlm.raster import Raster
from rsvlm.retrieval.tiles import is_blank
from rsvlm.retrieval.tiles_store import (
    cannot_keep,
    content_key,
    place_of,
    read_record,
    reserved,
)
from rsvlm.zoom import Plan, plan_search

#: Least confidence of a candidate that is kept.
LEAST = 0.03
#: Windows of a scan at most: a gigapixel at 0.3 m has 4,000.
MOST_WINDOWS = 1_000_000
#: Layout of the folder.
SCHEMA = "rsvlm.objects/1"
#: File that tells what a folder was made from and for.
RECORD = "objects.json"

#: Called with the windows done so far and their number.
Progress = Callable[[int, int], None]
#: Label, confidence, box in raster pixels.
Candidate = tuple[str, float, HBB]


@runtime_checkable
class ScanFinder(Finder, Protocol):
    """A finder whose candidates can be kept; the region head of rsvlm is one."""

    @property
    def revision(self) -> str:
        """What changes when it would find something else."""
        ...

    def cut(self, purpose: Purpose) -> float:
        """Return the least confidence of what is taken for a purpose."""
        ...

    def loosened(self, least: float) -> Finder:
        """Return a finder that reports every candidate from a confidence on."""
        ...


class ObjectIndex:
    """Candidates in the windows of a raster; open it by :meth:`open` or :meth:`known`.

    Attributes:
        plan: The windows, which cover the raster.
        found: Number of a window -> its candidates, best first.
        has_changed: Whether the file has changed since it was last scanned.

    .. versionadded:: 0.3
    """

    def __init__(
        self,
        raster: Raster,
        finder: ScanFinder,
        plan: Plan,
        found: dict[int, list[Candidate]],
        file: IO[bytes] | None = None,
        has_changed: bool = False,
    ) -> None:
        """Join the parts; ``file`` is open for appending while a scan goes on."""
        self.raster, self.finder, self.plan = raster, finder, plan
        self.found, self.has_changed, self._file = found, has_changed, file

    @classmethod
    @contextmanager
    def open(cls, raster: Raster, finder: ScanFinder) -> Iterator["ObjectIndex"]:
        """Open the index of a raster for :meth:`build`; other processes wait.

        What the file held before, or another finder found, is forgotten.

        Yields:
            The index, as empty or full as it was left.

        Raises:
            SettingsError: If the raster is radar, in which nothing is found.
            TileStoreError: If the cache has no room for it, or cannot be written.
        """
        if raster.sensor == "sar":
            raise SettingsError(
                f"{raster.name!r} is a radar image; objects are found in optical ones "
                "alone. Leave it out, or name its sensor with --sensor."
            )
        folder, record, plan = _folder(raster), *_record(raster, finder)
        with reserved(folder):
            kept = read_record(folder / RECORD)
            changed = kept is not None and kept["content"] != record["content"]
            try:
                if kept != record:
                    shutil.rmtree(folder)
                    folder.mkdir()
                    write_json(folder / RECORD, record)
                found = _read(folder)
                _write(folder, found)  # without what an interrupted line left
                file = (folder / "windows.jsonl").open("ab")
            except OSError as error:
                raise cannot_keep(folder, error) from error
            with file:
                yield cls(raster, finder, plan, found, file, changed)

    @classmethod
    def known(cls, raster: Raster, finder: ScanFinder) -> "ObjectIndex | None":
        """Return the index of a raster if all of it was scanned, as it is now."""
        folder = _folder(raster)
        kept = read_record(folder / RECORD)
        if kept is None:
            return None
        record, plan = _record(raster, finder)
        if kept != record:
            return None
        index = cls(raster, finder, plan, _read(folder))
        return index if index.is_complete else None

    def __len__(self) -> int:
        return len(self.plan.windows)

    @property
    def is_complete(self) -> bool:
        """Whether every window was looked at."""
        return len(self.found) == len(self)

    @property
    def windows(self) -> tuple[HBB, ...]:
        """The windows, raster pixels."""
        return self.plan.windows

    def build(self, on_progress: Progress | None = None) -> None:
        """Look at the windows that nobody has looked at yet.

        May be interrupted at any time: each window is kept when it is done.

        Raises:
            TileStoreError: If a window cannot be kept.
            ImageError: If the raster cannot be decoded.
        """
        assert self._file is not None, "opened for reading alone"
        for number in range(len(self)):
            if number in self.found:
                continue
            found = self.look(self.raster, number)
            try:
                self._file.write(_line(number, found))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError as error:
                raise cannot_keep(Path(self._file.name).parent, error) from error
            self.found[number] = found
            if on_progress is not None:
                on_progress(len(self.found), len(self))

    def look(self, raster: Raster, number: int) -> list[Candidate]:
        """Return the candidates of a window, best first, read now."""
        window = self.windows[number]
        names = [n for n in self.finder.labels if is_visible(n, raster.gsd)]
        view = raster.view(window, *self.plan.size(window))
        if not names or is_blank(view):
            return []
        regions = self.finder.loosened(LEAST).find(view, names).regions
        return [(r.label, r.confidence, r.shape.hbb) for r in regions]

    def find(
        self, labels: Sequence[str], purpose: Purpose, image: int
    ) -> list[Findings]:
        """Return what each window holds, boxes in raster pixels.

        Args:
            labels: What is looked for, of the labels of the finder.
            purpose: Which of the cuts of the finder holds.
            image: Index of the raster among those of the question.
        """
        cut, wanted = self.finder.cut(purpose), set(labels)
        findings = []
        for number in range(len(self)):
            own = [item for item in self.found[number] if item[0] in wanted]
            taken = tuple(
                Region(box, label, sure, image)
                for label, sure, box in own
                if sure >= cut
            )
            best = max((sure for _, sure, _ in own), default=0.0)
            missed = sum(sure for _, sure, _ in own if sure < cut)
            findings.append(Findings(taken, best, missed))
        return findings


def _folder(raster: Raster) -> Path:
    return place_of("objects", raster, raster.sensor)


def _record(raster: Raster, finder: ScanFinder) -> tuple[dict[str, Any], Plan]:
    """Return what must stand in the folder of a raster, and the windows."""
    plan = plan_search(raster, finder.side, budget=MOST_WINDOWS)
    record = {
        "schema": SCHEMA,
        "content": content_key(raster),
        "rendering": raster.renderings()[0],
        "finder": finder.revision,
        "windows": len(plan.windows),
    }
    return record, plan


def _line(number: int, found: Sequence[Candidate]) -> bytes:
    items = [
        [label, round(sure, 4), *(round(v, 1) for v in (b.x0, b.y0, b.x1, b.y1))]
        for label, sure, b in found
    ]
    return json.dumps([number, items]).encode() + b"\n"


def _write(folder: Path, found: dict[int, list[Candidate]]) -> None:
    draft = folder / "windows.part"
    draft.write_bytes(b"".join(_line(n, items) for n, items in found.items()))
    os.replace(draft, folder / "windows.jsonl")


def _read(folder: Path) -> dict[int, list[Candidate]]:
    """Return what was kept; a line that was cut off is left out."""
    found: dict[int, list[Candidate]] = {}
    try:
        lines = (folder / "windows.jsonl").read_bytes().splitlines()
    except OSError:
        return found
    for line in lines:
        try:
            number, items = json.loads(line)
            found[int(number)] = [
                (str(label), float(sure), HBB(*map(float, box)))
                for label, sure, *box in items
            ]
        except (ValueError, TypeError):
            continue
    return found
