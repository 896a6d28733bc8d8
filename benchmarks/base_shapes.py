"""All stages of ``base`` on random weights of the true shapes: time and peak memory.

Run: ``python benchmarks/base_shapes.py [--small] [--out DIR]``. It writes a language model
of the shape of Qwen2.5-1.5B (bfloat16, in several files, with a tokenizer of a few words
and Qwen's special tokens) and a ViT-L-14 of open_clip; then the recipes ``base`` run on
smoke data: one step of align, tune, regions and outlines, export, one question. Each stage is a
process of its own, as a user would start it, and its line says how long it took and how
much memory it held at most. What it learns is nothing. ``--small`` takes small shapes of
the same families.

True shapes need 16 GB of disk and, without a GPU, 16 GiB of memory by the arithmetic of
docs/base.md; a stage that is done in DIR is not done again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rsvlm.assets import cache_folder
from rsvlm.models.bases import base_folder
from rsvlm.samples import read_samples, stamped

#: Special tokens of Qwen2.5 that matter here, behind the words of the tokenizer.
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_pad|>")
#: Most bytes of a file of weights.
PART = 1 << 30
QUESTION = "How many storage tanks are there?"


@dataclass(frozen=True)
class Shapes:
    """What is built, and settings of the recipes that depend on it."""

    arch: str
    language: dict[str, int]
    changes: dict[str, dict[str, str]] = field(default_factory=dict)


QWEN = {
    "vocab_size": 151936, "hidden_size": 1536, "intermediate_size": 8960,
    "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
    "max_position_embeddings": 32768, "max_window_layers": 28,
}  # fmt: skip
TRUE = Shapes("ViT-L-14-quickgelu", QWEN)
SMALL = Shapes(
    "ViT-S-16-alt",
    QWEN | {"vocab_size": 4096, "hidden_size": 256, "intermediate_size": 512,
            "num_hidden_layers": 4, "num_attention_heads": 4},
    {
        "align": {"layers": "[6, 9, 12]", "first_block": "8"},
        "tune": {"layers": "[6, 9, 12]", "tile_size": "224"},
        "regions": {"layers": "[6, 9, 12]", "first_block": "8", "long_side": "224"},
    },
)  # fmt: skip
#: What makes a run of a recipe one step. Tiles beside the overview are left out: on a CPU
#: activations are in float32 and would take twice what docs/base.md says.
ONE_STEP = {
    "align": {"steps": "1", "batch": "2", "micro_batch": "1", "check_pictures": "2",
              "covers": "[]"},
    "tune": {"epochs": "0.01", "batch": "1", "warm_steps": "1", "warm_batch": "2",
             "check_pictures": "1", "max_tiles": "0", "mix": "{}"},
    "regions": {"train": "one.jsonl", "val": "none.jsonl", "epochs": "1", "batch": "1",
                "mosaics": "0", "empty": "0", "long_side": "336"},
    "outlines": {"train": "one.jsonl", "val": "none.jsonl", "epochs": "1", "batch": "1"},
}  # fmt: skip


def write_tokenizer(folder: Path) -> None:
    """Write ``tokenizer.json``: bytes, and Qwen's special tokens behind them."""
    from tokenizers import (
        AddedToken,
        Tokenizer,
        decoders,
        models,
        normalizers,
        pre_tokenizers,
    )

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = {letter: number for number, letter in enumerate(letters)}
    bpe = Tokenizer(models.BPE(words, []))
    bpe.normalizer = normalizers.NFC()
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.add_special_tokens(
        [AddedToken(n, special=True, normalized=False) for n in SPECIAL]
    )
    bpe.save(str(folder / "tokenizer.json"))


def write_language(shapes: Shapes, folder: Path) -> None:
    """Write a language model in files of at most ``PART`` bytes, one after another."""
    import torch
    from safetensors.torch import save_file
    from transformers import Qwen2Config, Qwen2ForCausalLM

    folder.mkdir()
    config = Qwen2Config(**shapes.language, tie_word_embeddings=True, dtype="bfloat16")
    with torch.device("meta"):
        model = Qwen2ForCausalLM(config)
    sizes = {n: w.shape for n, w in model.named_parameters() if n != "lm_head.weight"}
    torch.manual_seed(0)
    places: dict[str, str] = {}
    part: dict[str, torch.Tensor] = {}
    for number, (name, size) in enumerate(sizes.items(), start=1):
        weight = torch.empty(size, dtype=torch.bfloat16)
        part[name] = weight.fill_(1) if "norm" in name else weight.normal_(0, 0.02)
        if sum(w.nbytes for w in part.values()) > PART or number == len(sizes):
            file = f"model-{number:05}.safetensors"
            save_file(part, folder / file)
            places |= dict.fromkeys(part, file)
            part = {}
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    config.save_pretrained(folder)
    write_tokenizer(folder)


def write_encoder(shapes: Shapes, file: Path) -> None:
    """Write the state dict of a CLIP, in bfloat16."""
    import open_clip
    import torch

    model = open_clip.create_model(shapes.arch, precision="bf16")
    torch.save(model.state_dict(), file)


def parts(shapes: Shapes, out: Path) -> None:
    """Write the parts that a user would download."""
    shutil.rmtree(out / "models" / "language", ignore_errors=True)
    write_language(shapes, out / "models" / "language")
    write_encoder(shapes, out / "models" / "encoder.pt")


def data(out: Path) -> None:
    """Write smoke data, and files for one step of regions."""
    folder = out / "data"
    command("data", "build", "smoke", "--out", str(folder))
    some = [s for s in read_samples(folder / "train.jsonl") if s.task == "detect"]
    (folder / "one.jsonl").write_text(f"{stamped(some[0])}\n", encoding="utf-8")
    (folder / "none.jsonl").write_text("", encoding="utf-8")


def command(*arguments: str) -> str:
    """Run rsvlm and return what it prints.

    Raises:
        SystemExit: If it fails.
    """
    done = subprocess.run(
        [sys.executable, "-m", "rsvlm.app", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"rsvlm {' '.join(arguments[:2])} failed")
    return done.stdout


def train(stage: str, shapes: Shapes, out: Path) -> None:
    """Run one step of a recipe."""
    encoder = f"{shapes.arch}:{out / 'models' / 'encoder.pt'}"
    named = {
        "align": {"encoders": json_table({"optical": encoder, "sar": encoder})},
        "tune": {"encoder": encoder, "language_model": str(out / "models" / "language"),
                 "aligned": str(out / "align" / "checkpoint")},
        "regions": {"encoder": encoder},
        "outlines": {"start": str(out / "regions")},
    }  # fmt: skip
    changes = ONE_STEP[stage] | shapes.changes.get(stage, {}) | named[stage]
    if stage in ("align", "regions"):
        changes["text_encoder"] = str(out / "models" / "text")
    given = [f"--set={key}={value}" for key, value in changes.items()]
    command(
        "train", stage, "base", *given, "--data", str(out / "data"),
        "--out", str(out / stage), "--cache", str(out / "features"),
    )  # fmt: skip


def json_table(table: dict[str, str]) -> str:
    """Return an inline table of TOML."""
    return "{" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in table.items()) + "}"


def export(out: Path) -> None:
    """Join the region head and export."""
    for name in ("regions.json", "regions.safetensors", "outlines.safetensors"):
        shutil.copyfile(out / "outlines" / name, out / "tune" / "checkpoint" / name)
    shutil.rmtree(out / "served", ignore_errors=True)
    command("export", str(out / "tune" / "checkpoint"), "--out", str(out / "served"))


def ask(out: Path) -> None:
    """Ask the exported folder one question; say what the answer holds."""
    shown = next(read_samples(out / "data" / "one.jsonl"))
    image = out / "data" / shown.images[0].path
    arguments = ("--model", str(out / "served"), "--zoom", "none", "--json")
    answer = json.loads(command("ask", str(image), QUESTION, *arguments))
    print(f"  count {answer['count']}, {answer['timing_ms']['total']} ms")
    command("ask", str(image), "Describe this image.", *arguments)


STAGES: dict[str, Callable[[Shapes, Path], object]] = {
    "parts": parts,
    "data": lambda shapes, out: data(out),
    "align": lambda shapes, out: train("align", shapes, out),
    "tune": lambda shapes, out: train("tune", shapes, out),
    "regions": lambda shapes, out: train("regions", shapes, out),
    "outlines": lambda shapes, out: train("outlines", shapes, out),
    "export": lambda shapes, out: export(out),
    "ask": lambda shapes, out: ask(out),
}


def measured(run: Sequence[str]) -> tuple[float, float]:
    """Run a process; return its seconds, and GiB of the largest process in it."""
    started = time.monotonic()
    child = subprocess.Popen(run, env=os.environ | {"PYTHONWARNINGS": "ignore"})
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"{run[-1]} failed; its output is above")
    # Its own and that of what it waited for, whichever is more; in KiB on Linux.
    return time.monotonic() - started, usage.ru_maxrss / (1 << 20)


def main() -> None:
    """Run the stages, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="small shapes")
    parser.add_argument("--out", type=Path, help="scratch folder; kept if it is given")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        STAGES[given.stage](SMALL if given.small else TRUE, given.out)
        return
    out = (given.out or Path(tempfile.mkdtemp(prefix="base-"))).resolve()
    (out / "models").mkdir(parents=True, exist_ok=True)
    if not (out / "models" / "text").is_symlink():
        (out / "models" / "text").symlink_to(base_folder("all-minilm-l6-v2"))
    # What is converted from random weights must not stay in the cache of the user.
    (out / "cache").mkdir(exist_ok=True)
    if not (out / "cache" / "assets").exists():
        (out / "cache" / "assets").symlink_to(cache_folder() / "assets")
    os.environ["RSVLM_CACHE"] = str(out / "cache")
    try:
        run_all(out, given.small)
    finally:
        if not given.out:
            shutil.rmtree(out)


def run_all(out: Path, small: bool) -> None:
    """Run every stage in a process of its own and print its line."""
    own: list[Any] = [sys.executable, __file__, "--out", str(out)]
    own += ["--small"] if small else []
    print(f"{'stage':10} {'s':>7} {'GiB':>6}", flush=True)
    for stage in STAGES:
        mark = out / f"{stage}.json"
        if not mark.is_file():
            seconds, peak = measured([*own, "--stage", stage])
            mark.write_text(json.dumps({"s": seconds, "gib": peak}))
        found = json.loads(mark.read_text())
        print(f"{stage:10} {found['s']:7.1f} {found['gib']:6.2f}", flush=True)


if __name__ == "__main__":
    main()
