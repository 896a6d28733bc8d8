"""Does training wait for its data? The loader alone, and beside the step that it feeds.

Run: ``OMP_NUM_THREADS=2 python benchmarks/loader.py DATA``, DATA built by ``rsvlm data
build aligned`` or packed from it into shards (``--train 'shards/train-*.tar'``). At the
sizes of a recipe of ``rsvlm train tune`` it prints

- samples/s of the loader alone: questions drawn, packed and tokenised; and the same with
  the pictures decoded, resized at random and cut into tiles;
- the share of a batch that is padding, with samples of alike length together and with
  samples put together by chance;
- samples/s of training steps that show every picture anew and of steps that read kept
  features, with the share of the time that a step waits for its data.
"""

import argparse
import json
import tempfile
import time
from itertools import chain
from pathlib import Path

import numpy as np
from torch import nn

from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer
from rsvlm.models.processing import RSVLMImageProcessor
from rsvlm.training.conversations import pictures
from rsvlm.training.features import FeatureCache
from rsvlm.training.loader import WINDOW, Windows
from rsvlm.training.mix import Order
from rsvlm.training.reading import find_files, read_split
from rsvlm.training.run import load_recipe
from rsvlm.training.tune import train_tune
from rsvlm.training.tune_data import Eye, TuneData
from rsvlm.training.tune_recipe import TuneRecipe
from rsvlm.training.tune_steps import Drawer, steps_ahead


def loader_alone(recipe: TuneRecipe, data: Path, cache: Path) -> None:
    """Print what the loader does in a second, and how much of its batches is padding."""
    files = find_files(data, {"train": recipe.train})["train"]
    started = time.perf_counter()
    samples = read_split(data, files)
    spent = time.perf_counter() - started
    print(f"read {len(samples)} samples: {len(samples) / spent:.0f}/s")
    found = [p for p in pictures(samples) if p.asks(recipe.questions)]
    processor = RSVLMImageProcessor(
        tile_size=recipe.tile_size, max_tiles=recipe.max_tiles, factor=recipe.factor
    )
    store = FeatureCache(cache, "none")  # no encoder is asked
    eyes = {sensor: Eye(nn.Identity(), store) for sensor in ("optical", "sar")}
    tuned = TuneData(found, data, eyes, processor, recipe, train=True)
    order = Order([p.source for p in found], recipe.mix, recipe.seed)
    tokenizer = base_tokenizer(base_folder(recipe.language_model))
    windows = Windows(WINDOW * recipe.batch, WINDOW)
    count = len(windows.positions(0))

    started = time.perf_counter()
    batches = Drawer(tuned, tokenizer, order, windows)[0]
    spent = time.perf_counter() - started
    print(f"questions drawn and tokenised: {count / spent:.1f} samples/s")
    filled = [(batch.inputs["segments"] >= 0).sum(1).tolist() for batch in batches]
    mixed = np.random.default_rng(0).permutation(list(chain(*filled)))
    chance = np.split(mixed, len(filled))
    for name, rows in (("alike lengths together", filled), ("by chance", chance)):
        whole = sum(len(row) * max(row) for row in rows)
        print(f"padding, {name}: {100 * (1 - sum(map(sum, rows)) / whole):.1f} %")

    started = time.perf_counter()
    tiles = sum(
        len(part)
        for batch in steps_ahead(tuned, tokenizer, order, windows)
        for part in batch.parts
    )
    spent = time.perf_counter() - started
    print(
        f"the same, decoded, resized and cut: {count / spent:.1f} samples/s, "
        f"{tiles / spent:.1f} tiles/s"
    )


def steps(recipe: TuneRecipe, data: Path, out: Path, cache: Path) -> None:
    """Print what training steps do in a second, and how long they wait."""
    train_tune(recipe, data, out, cache)
    lines = [json.loads(text) for text in (out / "log.jsonl").open(encoding="utf-8")]
    last = [line for line in lines if "wait_share" in line][-1]
    print(
        f"{last['images_per_s']} samples/s, {last['tokens_per_s']} tokens/s, "
        f"waits for data {100 * last['wait_share']:.2f} % of the time"
    )


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of rsvlm data build aligned")
    parser.add_argument("--recipe", default="tiny-gpu", help="of rsvlm train tune")
    parser.add_argument("--train", help="files of the split, in place of the recipe's")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    update = {
        "batch": given.batch, "steps": given.steps, "check_every": given.steps,
        "check_pictures": 5, "warm_steps": 0,
    }  # fmt: skip
    if given.train:
        update["train"] = given.train
    recipe = load_recipe(TuneRecipe, given.recipe, "tune", update)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        kinds = (("shown anew", 0), ("kept features", 1))
        for number, (name, variants) in enumerate(kinds):
            varied = {"variants": variants, "variants_of": {}}
            one = recipe.model_copy(update=varied)
            if not number:
                loader_alone(one, given.data, out)
            print(f"training, {name}: ", end="", flush=True)
            steps(one, given.data, out / str(number), out / "features")


if __name__ == "__main__":
    main()
