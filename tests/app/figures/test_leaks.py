"""Training pictures among the measured ones: by file, by look, by place."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from rsvlm.app.figures.leaks import Leaks, find_leaks
from rsvlm.app.figures.report import leaks_text
from rsvlm.samples import read_samples
from rsvlm.training.images import write_train_images


def say(line: str) -> None:
    """Say nothing."""


def trained(toy: Any, *images: dict[str, Any]) -> None:
    """Write a training split beside the benchmark, and enter it into the list."""
    lines = [line(number, image) for number, image in enumerate(images)]
    (toy.own / "train.jsonl").write_text("".join(lines))
    samples = read_samples(toy.own / "train.jsonl")
    write_train_images(toy.checkpoint, samples, toy.own)


def line(number: int, image: dict[str, Any]) -> str:
    """Return a record of one picture as a line."""
    fields = {
        "schema": "rsvlm.sample/1", "id": f"train-{number}", "task": "caption",
        "images": [{"width": 64, "height": 64} | image], "source": "made",
        "licence": "none", "split": "train",
    }  # fmt: skip
    return json.dumps(fields) + "\n"


def scene(path: Path, west: float, north: float, seed: int) -> None:
    """Write a picture of 64 px on 0.064 degrees."""
    pixels = np.random.default_rng(seed).integers(0, 255, (3, 64, 64), dtype=np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=3, dtype="uint8",
        crs="EPSG:4326", transform=from_origin(west, north, 0.001, 0.001),
    ) as file:  # fmt: skip
        file.write(pixels)


def test_a_turned_copy_is_found_by_its_look(toy: Any) -> None:
    with Image.open(toy.own / "2.png") as image:
        image.transpose(Image.Transpose.ROTATE_90).save(toy.own / "copy.jpg")
    trained(toy, {"path": "copy.jpg"})
    leaks = find_leaks(["made"], toy.checkpoint, toy.request, say)
    (leak,) = leaks.leaks
    assert (leaks.listed, leaks.found, leaks.placed) == (2, 1, 0)
    assert leak.same_file == ()
    assert [pair[:2] for pair in leak.same_look] == [("2.png", "copy.jpg")]
    text = leaks_text(leaks)
    assert "| made | 3 | 0 | 1 | no place known |" in text
    assert "2.png (training: copy.jpg, 1.00)" in text


def test_pictures_that_are_not_listed_do_not_count(toy: Any) -> None:
    with Image.open(toy.own / "2.png") as image:
        image.save(toy.own / "copy.jpg")
    (toy.own / "train.jsonl").write_text(line(0, {"path": "copy.jpg"}))
    (leak,) = find_leaks(["made"], toy.checkpoint, toy.request, say).leaks
    assert (leak.images, leak.same_look) == (3, ())


def test_common_ground_is_found_by_place(toy: Any) -> None:
    scene(toy.own / "seen.tif", 10.0, 50.0, seed=1)
    scene(toy.own / "beside.tif", 10.03, 50.0, seed=2)
    scene(toy.own / "far.tif", 11.0, 50.0, seed=3)
    samples = (toy.own / "made.jsonl").read_text()
    for number, name in enumerate(("beside.tif", "far.tif")):
        samples = samples.replace(f"{number}.png", name)
    (toy.own / "made.jsonl").write_text(samples)
    trained(toy, {"path": "seen.tif"})
    leaks = find_leaks(["made"], toy.checkpoint, toy.request, say)
    (leak,) = leaks.leaks
    assert leaks.placed == 1
    assert leak.with_place == 2
    ((test, train, share),) = leak.same_place
    assert (test, train) == ("beside.tif", "seen.tif")
    assert 0.5 < share < 0.56  # 34 of 64 columns
    assert "1 of 2 with a place" in leaks_text(leaks)


def test_a_checkpoint_without_a_list_says_nothing(toy: Any) -> None:
    (toy.checkpoint / "train-images.txt").unlink()
    leaks = find_leaks(["made"], toy.checkpoint, toy.request, say)
    assert leaks == Leaks()
    assert "not known" in leaks_text(leaks)


def test_a_benchmark_that_is_not_there_is_told(toy: Any, tmp_path: Path) -> None:
    request = replace(toy.request, data=str(tmp_path / "elsewhere"))
    leaks = find_leaks(["rsicd", "made"], toy.checkpoint, request, say)
    assert "There are no samples of rsicd" in leaks.leaks[0].note
    assert "| rsicd | not compared: There are no samples" in leaks_text(leaks)
    assert leaks.leaks[1].images == 3
