"""Writes the samples of a converter, whole or not at all.

Paths in the file are relative to the folder that holds it, as everywhere: an image that
stays where it was unpacked is reached with ``../``.
"""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.convert.table import CONVERTERS
from rsvlm.samples import Sample


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes:
        path: The file.
        sha256: Its hash, for ``data.sha256`` of a benchmark.
        counts: (split, task) -> samples.
        images: Distinct images.
    """

    path: Path
    sha256: str
    counts: dict[tuple[str, str], int]
    images: int

    def __str__(self) -> str:
        parts = ", ".join(
            f"{split} {task} {count}"
            for (split, task), count in sorted(self.counts.items())
        )
        total = sum(self.counts.values())
        return f"{self.path.name}: {total} samples of {self.images} images ({parts})"


def write(
    name: str, root: Path, out: Path, say: Callable[[str], None] = lambda line: None
) -> Path:
    """Convert a data set to ``<name>.jsonl`` in a folder.

    Args:
        name: Name of a converter.
        root: Folder that holds the data set as it was unpacked.
        out: Folder to write to.
        say: Called with the counts.

    Returns:
        The file; read by ``read_samples``.

    Raises:
        UnknownNameError: If there is no such converter.
        SettingsError: If a folder is none.
        ParseError: If the data set does not hold what its layout requires; nothing is
            written then.
    """
    report = convert(name, root, out)
    say(f"{report}; sha256 {report.sha256}")
    return report.path


def convert(name: str, root: Path, out: Path) -> Report:
    """Convert a data set and say what was written; see :func:`write`."""
    if name not in CONVERTERS:
        raise UnknownNameError("converter", name, CONVERTERS)
    if not root.is_dir():
        raise SettingsError(
            f"{str(root)!r} is no folder. Name the folder that holds the data set "
            "as it was unpacked (--root)."
        )
    converter = CONVERTERS[name]
    root, out = root.resolve(), out.resolve()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise SettingsError(
            f"{str(out)!r} is a file. Name a folder to write to with --out."
        ) from None
    if converter.pictures is not None:
        for path, data in converter.pictures(root):
            _replace(out / path, data)
        prefix = ""
    else:
        prefix = _prefix(root, out)
    return _write(converter.convert(root), out / f"{name}.jsonl", prefix)


def _write(samples: Iterator[Sample], path: Path, prefix: str) -> Report:
    counts: Counter[tuple[str, str]] = Counter()
    ids, images, digest = set[str](), set[str](), sha256()
    draft = path.with_name(f".{path.name}.part")
    try:
        with draft.open("wb") as file:
            for sample in samples:
                if sample.id in ids:
                    raise ParseError(
                        f"{sample.source}: two samples have the id {sample.id!r}. "
                        "Remove one of the entries."
                    )
                ids.add(sample.id)
                images.update(image.path for image in sample.images)
                counts[sample.split, sample.task] += 1
                line = _line(sample, prefix)
                digest.update(line)
                file.write(line)
        if not ids:
            raise ParseError(
                f"The data set holds no sample for {path.name!r}. "
                "Name the folder that holds it as it was unpacked (--root)."
            )
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    return Report(path, digest.hexdigest(), dict(counts), len(images))


def _prefix(root: Path, out: Path) -> str:
    """Return what leads from the folder of the file to that of the images."""
    try:
        relative = Path(os.path.relpath(root, out)).as_posix()
    except ValueError:  # two drives of Windows
        raise SettingsError(
            f"{str(out)!r} is on another drive than the images. "
            "Name a folder on the same drive with --out."
        ) from None
    return "" if relative == "." else f"{relative}/"


def _line(sample: Sample, prefix: str) -> bytes:
    fields = sample.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    for image in fields["images"]:
        image["path"] = prefix + image["path"]
    text = json.dumps(
        {"schema": sample.schema_} | fields, ensure_ascii=False, separators=(",", ":")
    )
    # Half a surrogate pair of a broken file cannot be written as UTF-8.
    return text.encode("utf-8", errors="replace") + b"\n"


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(data)
    os.replace(draft, path)
