"""The ``run.json`` of an archive: what was indexed last, by what."""

import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rsvlm.cache import write_json
from rsvlm.retrieval.archive import Archive
from rsvlm.retrieval.archive_build import Built
from rsvlm.retrieval.archive_files import Entry
from rsvlm.training.run import revision


def write_run(
    archive: Archive, entries: Sequence[Entry], started: float, built: Built | None
) -> None:
    """Write ``run.json``; ``built`` is None while the run goes on."""
    record: dict[str, Any] = {
        "config": archive.about,
        "inputs": {str(e.path): _size(Path(e.path)) for e in entries},
        "revision": revision(),
        "packages": {name: version(name) for name in ("rsvlm", "torch", "rasterio")},
        "start": _utc(started),
        "end": None if built is None else _utc(time.time()),
        "failed": {} if built is None else built.failed,
    }
    write_json(archive.folder / "run.json", record)


def _size(path: Path) -> int | None:
    """Return the size of a file in bytes; None where there is none."""
    return path.stat().st_size if path.is_file() else None


def _utc(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
