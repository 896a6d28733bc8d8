"""Trained on one sensor or both, tested on one or both: EarthMind's ablation in small.

Run: ``python benchmarks/sensor_ablation.py DATA OUT``, DATA built by ``rsvlm data build
sensors``. Three pairs of heads are trained on the same frozen trunk, with the texts of the
optical pieces, of the radar pieces, or of both; a sensor that was not trained is seen by
the head of the other. Then ``rsvlm eval run -b san-antonio-cover --model encoder:...``
asks each of them for the main land cover of pieces of San Antonio as optical image, as
radar image and as both.

Source:
    The table: EarthMind, https://arxiv.org/abs/2506.01667, trained on RGB, SAR, both.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from rsvlm.models.aligned import ALIGN_FILE, read_settings, save_aligned
from rsvlm.models.checkpoint import load_tensors
from rsvlm.training.align import AlignRecipe, train_align

#: Rows of the table -> terms of the loss.
ROWS = {
    "RGB": {"optical_text": 1.0},
    "SAR": {"sar_text": 1.0},
    "both": {"optical_text": 1.0, "sar_text": 1.0, "paired": 1.0},
}
#: Row -> the sensor whose head serves the other sensor as well.
LENT = {"RGB": ("optical", "sar"), "SAR": ("sar", "optical")}


def train(row: str, data: Path, out: Path, steps: int) -> Path:
    """Train the heads of a row; return the checkpoint."""
    recipe = AlignRecipe.model_validate(
        {
            "terms": ROWS[row],
            "learn": {"optical": "head", "sar": "head"},
            "size": 168,
            "steps": steps,
            "check_every": steps,
            "mix": {"weights": {"sar_acd": 0.0}},
        }
    )
    folder = train_align(recipe, data, out / row, out / "features", print)
    if row in LENT:
        known, other = LENT[row]
        tensors = load_tensors(folder / ALIGN_FILE)
        lent = {
            name.replace(f"{known}_head.", f"{other}_head.", 1): tensor.clone()
            for name, tensor in tensors.items()
            if name.startswith(f"{known}_head.")
        }
        save_aligned(read_settings(folder), tensors | lent, folder)
    return folder


def main() -> None:
    """Train the rows and measure each of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of rsvlm data build sensors")
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    for row in ROWS:
        folder = train(row, given.data, given.out, given.steps)
        run = given.out / f"{row}-eval"
        subprocess.run(
            [
                sys.executable, "-m", "rsvlm.app", "eval", "run",
                "-b", "san-antonio-cover", "--model", f"encoder:{folder}",
                "--out", str(run),
            ],
            check=True,
        )  # fmt: skip
        print(f"trained on {row}: {run}")


if __name__ == "__main__":
    main()
