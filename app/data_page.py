"""The page of ``rsvlm data show``: samples with their regions, and a build's statistics.

One file, no script, nothing fetched. What is shown is drawn evenly from sources and
tasks by a hash of the id, so that the page is the same every time.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rsvlm.data_engine.statistics import (
    GSDS,
    SIZES,
    Statistics,
    in_order,
)
from rsvlm.errors import SettingsError
from rsvlm.eval import page
from rsvlm.eval.pictures import picture
from rsvlm.samples import SPLITS, Sample, read_samples, read_shard

#: Longest side of a picture, px.
SIDE = 320
#: Longest text of a card, letters, and most rows of a table of numbers.
MOST_LETTERS, MOST_ROWS = 400, 14
_BAR = (
    '<div style="background:var(--c1);height:11px;border-radius:2px;'
    'min-width:1px;width:{:.1f}px"></div>'
)


@dataclass(frozen=True)
class Chosen:
    """Which samples are shown.

    Attributes:
        limit: Most samples.
        task: Only those of a task.
        source: Only those of a source.
        part: Only those whose id holds this text.
    """

    limit: int
    task: str | None = None
    source: str | None = None
    part: str | None = None

    def fits(self, sample: Sample) -> bool:
        """Whether a sample may be shown."""
        return (
            self.task in (None, sample.task)
            and self.source in (None, sample.source)
            and (self.part is None or self.part in sample.id)
        )


def show(path: Path, out: Path, chosen: Chosen) -> None:
    """Write the page.

    Args:
        path: JSONL file, tar shard, or folder of a build.
        out: HTML file to write.
        chosen: Which samples are shown.

    Raises:
        SettingsError: If there are no samples, or none fits.
        ParseError: If a file is not valid.
    """
    numbers = Statistics()
    held: dict[tuple[str, str], list[tuple[str, Sample]]] = defaultdict(list)
    for sample in _samples(path):
        numbers.add(sample)
        if chosen.fits(sample):
            rank = sha256(sample.id.encode()).hexdigest()
            best = held[sample.source, sample.task]
            best.append((rank, sample))
            if len(best) > 2 * chosen.limit:
                best[:] = sorted(best, key=lambda pair: pair[0])[: chosen.limit]
    shown = _evenly(held, chosen.limit)
    if not shown:
        raise SettingsError(
            f"None of the {numbers.samples} samples of {path.name!r} fits. "
            "Take out --task, --source or --id, or name another file."
        )
    with _images(path, shown) as folder:
        cards = "".join(_card(sample, folder) for sample in shown)
    body = (
        _statistics(numbers, _run(path))
        + page.heading(f"{len(shown)} of {numbers.samples} samples", anchor="samples")
        + f'<div class="cards">{cards}</div>'
    )
    lead = f"{numbers.samples} samples of {len(numbers.images)} images"
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.part")
    draft.write_text(
        page.page(f"rsvlm data: {path.name}", body, lead), encoding="utf-8"
    )
    os.replace(draft, out)


def _samples(path: Path) -> Iterator[Sample]:
    if path.is_dir():
        files = [path / f"{split}.jsonl" for split in SPLITS]
        files = [f for f in files if f.is_file()] or sorted(path.glob("*.jsonl"))
    else:
        files = [path] if path.is_file() else []
    if not files:
        raise SettingsError(
            f"There are no samples at {str(path)!r}. Name a JSONL file, a tar shard or "
            "a folder that rsvlm data build has written."
        )
    for file in files:
        if file.suffix == ".tar":
            for group in read_shard(file):
                yield from group.samples
        else:
            yield from read_samples(file)


@contextmanager
def _images(path: Path, shown: list[Sample]) -> Iterator[Path]:
    """Give the folder that the images of samples lie in; those of a shard are unpacked."""
    if path.suffix != ".tar":
        yield path if path.is_dir() else path.parent
        return
    wanted = {image.path for sample in shown for image in sample.images}
    with TemporaryDirectory() as scratch:
        root = Path(scratch).resolve()
        for group in read_shard(path):
            for name in wanted & set(group.files):
                target = (root / name).resolve()
                # A shard of strangers must not write outside of the folder.
                if target.is_relative_to(root):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(group.files[name])
        yield root


def _evenly(
    held: Mapping[tuple[str, str], list[tuple[str, Sample]]], limit: int
) -> list[Sample]:
    """Return samples, as many of every source and task as there is room for."""
    ranked = {
        key: [s for _, s in sorted(pairs, key=lambda pair: pair[0])]
        for key, pairs in sorted(held.items())
    }
    chosen: dict[tuple[str, str], int] = dict.fromkeys(ranked, 0)
    left = limit
    while left and any(chosen[key] < len(ranked[key]) for key in ranked):
        for key, samples in ranked.items():
            if left and chosen[key] < len(samples):
                chosen[key] += 1
                left -= 1
    return [sample for key in ranked for sample in ranked[key][: chosen[key]]]


def _card(sample: Sample, folder: Path) -> str:
    lines = [picture(sample, None, folder, SIDE)]
    for image in sample.images[1:]:  # regions are those of the first
        other = {"images": (image,), "targets": (), "mask": None, "roi": None}
        lines.append(picture(sample.model_copy(update=other), None, folder, SIDE))
    for turn in sample.conversation:
        name = "Q" if turn.role == "user" else "A"
        lines.append(f"<p><b>{name}</b> {page.escape(_short(turn.text))}</p>")
    said = sample.conversation[-1].text if sample.conversation else ""
    others = [answer for answer in sample.answers if answer != said]
    if others:
        lines.append(f'<p class="dim">{page.escape(_short("; ".join(others)))}</p>')
    if sample.task in ("ground", "detect", "segment"):
        what = f"{len(sample.targets)} objects" if not sample.mask else "a mask"
        lines.append(f'<p class="dim">marked: {what}</p>')
    facts = [sample.task, str(sample.meta.get("kind", "")), sample.split]
    facts += [sample.images[0].sensor]
    if sample.images[0].gsd_m:
        facts.append(f"{sample.images[0].gsd_m:.2g} m/px")
    lines.append(f'<p class="score">{page.escape(" · ".join(filter(None, facts)))}</p>')
    lines.append(f'<p class="file">{page.escape(sample.id)}</p>')
    return f'<div class="card">{"".join(lines)}</div>'


def _short(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} ..."


def _statistics(numbers: Statistics, run: Mapping[str, Any]) -> str:
    parts = [
        ("Tasks", "samples", numbers.tasks),
        ("Kinds of question", "samples", numbers.kinds),
        ("Sources", "samples", numbers.sources),
        ("Splits", "samples", numbers.splits),
        ("Classes", "objects", numbers.classes),
        ("Sizes of objects", "objects", in_order(numbers.sizes, SIZES, "px")),
        ("Sensors", "images", numbers.sensors),
        ("Ground sampling distance", "images", in_order(numbers.gsds, GSDS, "m/px")),
        ("Short answers", "samples", numbers.answers),
        ("Licences", "samples", numbers.licences),
    ]
    tables = "".join(_numbers(*part) for part in parts if part[2])
    facts = {
        "Images on a map": f"{numbers.placed} of {len(numbers.images)}",
        "Words asked": f"{numbers.words['user']:,}",
        "Words answered": f"{numbers.words['assistant']:,}",
        "Recipe": run.get("recipe", {}).get("name"),
        "Seed": run.get("seed"),
        "Use": run.get("use"),
    }
    if leaks := run.get("leaks"):
        facts["Leaks between splits"] = (
            f"{leaks['left out']} left out of {leaks['images']:,} images"
        )
    if rates := run.get("rewrites"):
        facts["Rewrites kept"] = f"{rates['kept']:,} of {rates['texts']:,} texts"
    body = page.heading("What is in it", anchor="statistics")
    body += page.fields(facts) + f'<div class="charts">{tables}</div>'
    return body + _left_out(run.get("filters"))


def _numbers(title: str, unit: str, counts: Mapping[str, int]) -> str:
    rows = list(counts.items())
    if isinstance(counts, Counter):  # groups of sizes come in their own order
        rows.sort(key=lambda row: (-row[1], row[0]))
    top = max(count for _, count in rows)
    lines = "".join(
        f'<tr><td>{page.escape(_short(name))}</td><td class="num">{count:,}</td>'
        f"<td>{_BAR.format(160 * count / top)}</td></tr>"
        for name, count in rows[:MOST_ROWS]
    )
    if len(rows) > MOST_ROWS:
        rest = sum(count for _, count in rows[MOST_ROWS:])
        lines += (
            f'<tr><td class="dim">{len(rows) - MOST_ROWS} others</td>'
            f'<td class="num">{rest:,}</td><td></td></tr>'
        )
    return (
        f'<div>{page.heading(title, 3)}<div class="wide"><table><thead><tr><th></th>'
        f'<th class="num">{page.escape(unit)}</th><th></th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div></div>"
    )


def _left_out(filters: Mapping[str, Mapping[str, Mapping[str, int]]] | None) -> str:
    if filters is None:
        return ""
    rows = [
        (name, source, split, count)
        for name, sources in filters.items()
        for source, splits in sources.items()
        for split, count in splits.items()
    ]
    body = page.heading("What the filters left out or mended", anchor="filters")
    if not rows:
        return body + "<p>Nothing.</p>"
    return body + page.table(
        ("filter", "source", "split", "number"), rows, numeric=frozenset({3})
    )


def _run(path: Path) -> Mapping[str, Any]:
    """Return what a build says of itself, empty where there is nothing readable."""
    folder = path if path.is_dir() else path.parent
    try:
        fields = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}
