"""Radar beside the smoke data, and aligned encoders, made by code."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from rsvlm.samples import ImageRef, Sample, Turn, read_samples

if TYPE_CHECKING:
    from rsvlm.training.tune_recipe import TuneRecipe

SIDE = 48
#: A layer of the SAR encoder that "train align" changed.
LAYER = "encoder.layer.1.mlp.fc1"


def radar(path: str, task: str, question: str, answer: str) -> Sample:
    return Sample(
        id=f"{path}/{task}",
        images=(ImageRef(path=path, width=SIDE, height=SIDE, sensor="sar"),),
        task=task,
        conversation=(
            Turn(role="user", text=question), Turn(role="assistant", text=answer),
        ),
        answers=(answer,), source="radar", licence="CC0-1.0", split="train",
        meta={"kind": "cover"},
    )  # fmt: skip


@pytest.fixture(scope="session")
def radar_data(smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke data with five radar pictures, one of them a GeoTIFF in dB, and a pair."""
    import rasterio

    data = tmp_path_factory.mktemp("radar") / "data"
    shutil.copytree(smoke_data, data)
    rng = np.random.default_rng(0)
    lines = []
    for index in range(4):
        name = "storage tank" if index % 2 else "river or lake"
        amplitude = rng.rayleigh(90 if index % 2 else 25, (SIDE, SIDE))
        gray = amplitude.clip(0, 255).astype(np.uint8)
        path = f"images/radar-{index}.png"
        Image.fromarray(gray).save(data / path)
        lines += [
            radar(path, "classify", "Which scene is it?", name),
            radar(path, "vqa", "Is there water?", "no" if index % 2 else "yes"),
        ]
    decibel = rng.normal((-9, -16), 2, (SIDE, SIDE, 2)).astype(np.float32)
    with rasterio.open(
        data / "images/radar-4.tif", "w", driver="GTiff", width=SIDE, height=SIDE,
        count=2, dtype="float32", nodata=float("nan"), crs="EPSG:32611",
        transform=rasterio.Affine(10, 0, 400000, 0, -10, 3700000),
    ) as file:  # fmt: skip
        file.write(decibel.transpose(2, 0, 1))
        file.descriptions = ("VV", "VH")
    lines.append(radar("images/radar-4.tif", "vqa", "Is there water?", "no"))
    known = next(read_samples(data / "train.jsonl"))
    pair = known.model_copy(
        update={"images": (known.images[0], lines[0].images[0]), "task": "retrieve"}
    )
    text = "".join(s.model_dump_json(by_alias=True) + "\n" for s in [*lines, pair])
    for name in ("train.jsonl", "val.jsonl"):
        (data / name).write_text((data / name).read_text() + text)
    return data


@pytest.fixture(scope="session")
def aligned(encoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of aligned encoders: SAR differs from its trunk by a low-rank update."""
    import torch
    from safetensors.torch import load_file, save_file

    from rsvlm.models.aligned_files import AlignSettings, save_settings

    folder = tmp_path_factory.mktemp("aligned")
    shape = load_file(encoder_folder / "model.safetensors")[f"{LAYER}.weight"].shape
    random = torch.Generator().manual_seed(5)
    tensors = {
        f"sar_encoder.{LAYER}.lora_A.weight": (2, shape[1]),
        f"sar_encoder.{LAYER}.lora_B.weight": (shape[0], 2),
    }
    save_file(
        {n: torch.randn(s, generator=random).bfloat16() for n, s in tensors.items()},
        folder / "align.safetensors",
    )
    both = dict.fromkeys(("optical", "sar"), str(encoder_folder))
    settings = AlignSettings(
        encoders=both, layers=(4,), size=56, width=8, lora={"sar": 1.5}
    )
    save_settings(settings, folder)
    (folder / "train-images.txt").write_text("ab" * 32 + "\n")
    return folder


@pytest.fixture(scope="session")
def radar_recipe(tune_recipe: "TuneRecipe", tuned: Path, aligned: Path) -> "TuneRecipe":
    """A recipe that adds a projector for SAR to a finished checkpoint."""
    update = {
        "start": str(tuned / "checkpoint"), "aligned": str(aligned),
        "parts": ("sar_projector",), "steps": 4, "questions": {"classify": 1, "vqa": 1},
    }  # fmt: skip
    return tune_recipe.model_copy(update=update)
