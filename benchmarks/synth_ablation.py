"""Do drawn and pasted pictures help? Trained with and without, tested on real images.

Run: ``python benchmarks/synth_ablation.py DATA OUT``, DATA the folder of the data sets.
For each seed some real training pictures of VHR-10 are drawn by lot, and a region head
learns from scratch on frozen features: from these alone, and from these with as many
pictures of each kind below; objects that are pasted come from the same real pictures.
All rows take the same number of steps. Measured is mAP50 on the VHR-10 pictures that are
kept for validation. Of every picture two square pieces are shown, each around one of its
objects: small views make a step cheap. What is done already in OUT is not done again.

Printed for each row: the mean over seeds, its difference to "real" with a 95 % interval
(bootstrap over pictures, the same ones for both rows), and the precision of each class.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from PIL import Image

from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.phrases import canonical_name
from rsvlm.data_engine.records import Record, Split
from rsvlm.data_engine.sources import pasted, synth, vhr10
from rsvlm.data_engine.writer import image_path
from rsvlm.labels import OBJECTS
from rsvlm.models.finder import RegionFinder
from rsvlm.samples import Target, read_samples, stamped
from rsvlm.training.calibrate import Judged, judge, mean_precision
from rsvlm.training.region_recipe import RegionRecipe
from rsvlm.training.regions import train_regions

#: The candidates of one picture, as JSON: the fields of :class:`Judged`.
Row = dict[str, list[Any]]

#: Row -> kinds of pictures that are added to the real ones.
ROWS: dict[str, tuple[str, ...]] = {
    "real": (),
    "drawn": ("drawn",),
    "pasted": ("pasted",),
    "both": ("drawn", "pasted"),
}
#: A small head and small views: a row takes minutes on one core. Each epoch turns the
#: pictures at random; the validation pictures choose nothing.
SETTINGS = {
    "val": "none.jsonl",
    "long_side": 224,
    "variants": 1,
    "batch": 2,
    "learning_rate": 1e-3,
    "width": 96,
    "embedding": 48,
}
#: Side of a piece, px; pieces of a picture; least share of an object that lies in it.
PIECE, PIECES, SEEN = 400, 2, 0.3
#: Draws the pieces: the same for all rows and seeds.
SALT = 43
#: Draws of the bootstrap.
DRAWS = 2000


def chosen(data: Path, seed: int, count: int) -> list[Record]:
    """Return some real training pictures."""
    records = list(vhr10.read(data / vhr10.NAME, "train"))
    order = np.random.default_rng([41, seed]).permutation(len(records))
    return [records[index] for index in sorted(order[:count].tolist())]


def added(kind: str, data: Path, real: Sequence[Record], seed: int) -> Iterator[Record]:
    """Yield made pictures of a kind."""
    if kind == "drawn":
        first, count = synth.SCENES["train"]
        kept = count // 4 * seed % count
        for index in range(first + kept, first + count):
            yield synth.optical_record(index)
    else:
        grounds = pasted.grounds_of(data, "train", real)
        yield from pasted.pictures(pasted.cuts_of(real), grounds, "train")


def pieces(record: Record, salt: int) -> Iterator[Record]:
    """Yield square parts of a picture, each around one of its objects."""
    rng = np.random.default_rng([salt, *record.name.encode()])
    shown = [t for t in record.targets if canonical_name(t.label) in OBJECTS]
    with Image.open(BytesIO(record.image)) as image:
        picture = image.convert("RGB")
    side = min(PIECE, *picture.size)
    for number in range(PIECES if shown else 0):
        x0, y0, x1, y1 = shown[int(rng.integers(len(shown)))].hbb
        x, y = (
            int(np.clip(middle + side * rng.uniform(-0.75, -0.25), 0, most - side))
            for middle, most in zip(
                ((x0 + x1) / 2, (y0 + y1) / 2), picture.size, strict=True
            )
        )
        data = BytesIO()
        picture.crop((x, y, x + side, y + side)).save(data, "JPEG", quality=95)
        inside = (_inside(target, x, y, side) for target in record.targets)
        yield replace(
            record,
            image=data.getvalue(),
            name=f"{Path(record.name).stem}-{number}.jpg",
            width=side,
            height=side,
            targets=tuple(target for target in inside if target),
        )


def _inside(target: Target, x: int, y: int, side: int) -> Target | None:
    """Return what of an object lies in a piece; None if too little."""
    rings = [np.reshape(ring, (-1, 2)) for ring in target.polygons]
    parts = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings]
    whole = shapely.union_all(parts) if parts else shapely.box(*target.hbb)
    seen = shapely.intersection(whole, shapely.box(x, y, x + side, y + side))
    if not whole.area or seen.area < SEEN * whole.area:
        return None
    moved = shapely.transform(seen, lambda points: points - (x, y))
    outlines = [p for p in shapely.get_parts(moved) if p.geom_type == "Polygon"]
    return Target(
        label=target.label,
        hbb=moved.bounds,
        polygons=tuple(
            tuple(float(v) for point in p.exterior.coords[:-1] for v in point)
            for p in outlines
        ),
    )


def write(records: Iterable[Record], split: Split, folder: Path, name: str) -> Path:
    """Write the detection samples of records and their images."""
    path = folder / f"{name}.jsonl"
    if path.is_file():
        return path
    lines = []
    for record in (one for whole in records for one in pieces(whole, SALT)):
        image = folder / image_path(record)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(record.image)
        found = (s for s in compose(record, split) if s.task == "detect")
        lines += [stamped(sample) for sample in islice(found, 1)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def prepare(row: str, given: argparse.Namespace, seed: int, folder: Path) -> None:
    """Write what a row is trained on."""
    folder.mkdir(parents=True, exist_ok=True)
    write(vhr10.read(given.data / vhr10.NAME, "val"), "val", folder, "val")
    (folder / str(SETTINGS["val"])).write_text("", encoding="utf-8")
    real = chosen(given.data, seed, given.pictures)
    parts = [write(real, "train", folder, "real-part")]
    for kind in ROWS[row]:
        some = islice(added(kind, given.data, real, seed), given.pictures)
        parts.append(write(some, "train", folder, f"{kind}-part"))
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    (folder / f"{row}.jsonl").write_text(text, encoding="utf-8")


def train(row: str, given: argparse.Namespace, seed: int, folder: Path) -> Path:
    """Train the head of a row; return its run."""
    count = sum(1 for _ in read_samples(folder / f"{row}.jsonl"))
    recipe = RegionRecipe.model_validate(
        {"train": f"{row}.jsonl", "seed": seed, **SETTINGS}
    )
    epochs = round(given.steps / -(-count // recipe.batch))
    recipe = recipe.model_copy(update={"epochs": epochs})
    run: Path = given.out / f"seed-{seed}" / row
    train_regions(recipe, folder, run, given.out / "features", _say)
    return run


def measure(run: Path, folder: Path) -> list[Row]:
    """Return the judged candidates of each validation picture, kept beside the run."""
    path = run / "judged.json"
    if not path.is_file():
        finder = RegionFinder.load(run)
        samples = [s for s in read_samples(folder / "val.jsonl") if s.task == "detect"]
        rows = [_row(judge(finder, [sample], folder)) for sample in samples]
        path.write_text(json.dumps(rows) + "\n", encoding="utf-8")
    found: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _row(judged: Judged) -> Row:
    return {
        field.name: getattr(judged, field.name).tolist() for field in fields(judged)
    }


def together(rows: Sequence[Row]) -> Judged:
    """Return the candidates of pictures, a row each, as one."""
    objects = np.array([row["objects"][0] for row in rows], np.int64)
    pairs = [
        np.array(row["pairs"], np.int64) + number * objects.shape[1]
        for number, row in enumerate(rows)
    ]
    scores, right = (
        np.concatenate([np.array(row[name], float) for row in rows])
        for name in ("scores", "right")
    )
    return Judged(scores, right, np.concatenate(pairs), objects)


def of_class(judged: Judged, kind: int) -> float:
    """Return the average precision of one class."""
    alone = np.zeros_like(judged.objects)
    alone[:, kind] = judged.objects[:, kind]
    return mean_precision(replace(judged, objects=alone))


def report(found: dict[str, list[list[Row]]]) -> None:
    """Print the table of all rows; ``found`` holds judged pictures by row and seed."""
    rng = np.random.default_rng(0)
    # Pieces of one picture succeed and fail together.
    count = len(next(iter(found.values()))[0]) // PIECES
    lots = [rng.integers(0, count, count).tolist() for _ in range(DRAWS)]
    lots.insert(0, list(range(count)))
    lots = [[PIECES * i + n for i in lot for n in range(PIECES)] for lot in lots]

    def means(seeds: Sequence[Sequence[Row]]) -> list[float]:
        return [
            float(
                np.mean([mean_precision(together([s[i] for i in lot])) for s in seeds])
            )
            for lot in lots
        ]

    known = {row: means(seeds) for row, seeds in found.items()}
    print("row      seeds  mAP50   of each seed        to real   95 % interval")
    for row, values in known.items():
        each = " ".join(f"{mean_precision(together(s)):.3f}" for s in found[row])
        gaps = np.array(values) - np.array(known.get("real", values))
        low, high = np.percentile(gaps[1:], (2.5, 97.5))
        print(
            f"{row:8} {len(found[row]):5}  {values[0]:.3f}   {each:18}  "
            f"{gaps[0]:+.3f}   [{low:+.3f}, {high:+.3f}]"
        )
    print(f"{'':18} objects  " + "  ".join(f"{row:>7}" for row in found))
    for kind, label in enumerate(OBJECTS):
        pairs = {row: [together(s) for s in seeds] for row, seeds in found.items()}
        total = int(next(iter(pairs.values()))[0].totals[kind])
        values = [
            float(np.mean([of_class(j, kind) for j in some])) for some in pairs.values()
        ]
        print(f"{label:18} {total:7}  " + "  ".join(f"{v:7.3f}" for v in values))


def _say(line: str) -> None:
    print(line, flush=True)


def main() -> None:
    """Train and measure what is not done yet, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the data sets")
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--pictures", type=int, default=80, help="of each kind")
    parser.add_argument("--steps", type=int, default=1440)
    given = parser.parse_args()
    found: dict[str, list[list[Row]]] = {}
    for seed in given.seeds:
        folder = given.out / f"seed-{seed}" / "data"
        for row in given.rows:
            if not (given.out / f"seed-{seed}" / row / "judged.json").is_file():
                _say(f"seed {seed}, {row}")
                prepare(row, given, seed, folder)
                train(row, given, seed, folder)
            judged = measure(given.out / f"seed-{seed}" / row, folder)
            found.setdefault(row, []).append(judged)
            _say(f"seed {seed}, {row}: mAP50 {mean_precision(together(judged)):.3f}")
    report(found)


if __name__ == "__main__":
    main()
