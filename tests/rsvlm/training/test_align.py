"""``rsvlm train align`` on tiny models and the synthetic pairs."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from rsvlm.data_engine import gazetteer
from rsvlm.data_engine.compose import compose
from rsvlm.data_engine.landcover import CLASSES
from rsvlm.data_engine.records import Split
from rsvlm.data_engine.shards import write_shards
from rsvlm.data_engine.sources import optical_sar
from rsvlm.data_engine.writer import image_path
from rsvlm.errors import CheckpointError, SettingsError
from rsvlm.models.aligned import ALIGN_FILE, AlignedEncoder
from rsvlm.models.location_encoder import LocationEncoder
from rsvlm.samples import ImageRef, Sample, read_samples
from rsvlm.training.align import AlignRecipe, train_align
from rsvlm.training.align_data import (
    Pair,
    Sets,
    captioned,
    draw_places,
    draw_step,
    pairs_of,
)
from rsvlm.training.run import load_recipe
from tests.rsvlm.training.launching import train_in_two


class Stop(Exception):
    """The kill of a run."""


@pytest.fixture(scope="session")
def align_recipe(encoder_folder: Path, text_folder: Path) -> AlignRecipe:
    """The recipe ``smoke`` on the tiny models."""
    update = {
        "encoders": dict.fromkeys(("optical", "sar"), str(encoder_folder)),
        "text_encoder": str(text_folder),
        "layers": (2, 4),
        "size": 56,
    }
    return load_recipe(AlignRecipe, "smoke", "align").model_copy(update=update)


@pytest.fixture(scope="session")
def aligned_run(
    align_recipe: AlignRecipe,
    smoke_data: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("align")
    train_align(align_recipe, smoke_data, out, out / "features")
    return out


def log(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_run_leaves_encoders_that_load(
    aligned_run: Path, align_recipe: AlignRecipe, smoke_data: Path
) -> None:
    folder = aligned_run / "checkpoint"
    encoder = AlignedEncoder.load(folder)
    assert encoder.sensors == {"optical", "sar"}
    assert encoder.encode_text(["water"]).shape == (1, 32)
    tensors = load_file(folder / ALIGN_FILE)
    assert any(".lora_A." in name for name in tensors)
    assert not any(name.startswith("optical_encoder") for name in tensors)
    moved = [v for k, v in tensors.items() if k.endswith("lora_B.weight")]
    assert any(v.abs().max() > 0 for v in moved)  # they start at zero
    held_out = [line["held_out"] for line in log(aligned_run) if "held_out" in line]
    assert {"o2s@1", "s2o@10", "optical_text", "sar_text"} <= held_out[-1].keys()
    run = json.loads((aligned_run / "run.json").read_text())
    assert run["recipe"]["learn"] == {"optical": "head", "sar": "lora"}
    assert run["end"]
    images = (folder / "train-images.txt").read_text().splitlines()
    known = {
        r.sha256
        for s in Sets(list(read_samples(smoke_data / "train.jsonl"))).pairs
        for r in (s.sar,)
    }
    assert known <= set(images)


def test_an_interrupted_run_ends_like_any_other(
    aligned_run: Path, align_recipe: AlignRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if line.startswith("step 4/4"):
            raise Stop

    with pytest.raises(Stop):
        train_align(align_recipe, smoke_data, tmp_path, tmp_path / "f", stop)
    assert not json.loads((tmp_path / "run.json").read_text())["end"]
    train_align(align_recipe, smoke_data, tmp_path, tmp_path / "f")
    one, two = (
        load_file(p / "checkpoint" / ALIGN_FILE) for p in (aligned_run, tmp_path)
    )
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)
    other = align_recipe.model_copy(update={"batch": 3})
    with pytest.raises(SettingsError, match="another 'batch'"):
        train_align(other, smoke_data, tmp_path, tmp_path / "f")


@pytest.mark.parametrize("micro", [0, 2])
def test_small_graphs_train_like_large_ones(
    align_recipe: AlignRecipe,
    aligned_run: Path,
    smoke_data: Path,
    tmp_path: Path,
    micro: int,
) -> None:
    recipe = align_recipe.model_copy(update={"micro_batch": micro})
    train_align(recipe, smoke_data, tmp_path, aligned_run / "features")
    one, two = (
        load_file(p / "checkpoint" / ALIGN_FILE) for p in (aligned_run, tmp_path)
    )
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=0.02), name


def test_two_processes_train_like_one(
    align_recipe: AlignRecipe, aligned_run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    train_in_two("align", align_recipe, smoke_data, out)
    spent = [line["images_per_s"] for line in log(out) if "loss" in line]
    assert len(spent) == 1  # one of the two writes the log
    one, two = (load_file(p / "checkpoint" / ALIGN_FILE) for p in (aligned_run, out))
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        assert torch.allclose(tensor, two[name], atol=0.02), name


def test_shards_teach_the_same_as_files(
    align_recipe: AlignRecipe, aligned_run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    for split in ("train", "val"):
        samples = read_samples(smoke_data / f"{split}.jsonl")
        write_shards(samples, smoke_data, tmp_path / "data", split, 1)
    update = {"train": ("train-*.tar",), "val": ("val-*.tar",)}
    recipe = align_recipe.model_copy(update=update)
    out = train_align(recipe, tmp_path / "data", tmp_path / "out", tmp_path / "f")
    one, two = (
        load_file(folder / ALIGN_FILE) for folder in (aligned_run / "checkpoint", out)
    )
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert any("wait_share" in line for line in log(tmp_path / "out"))


def test_terms_and_parts_are_switched_one_by_one(
    align_recipe: AlignRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    for number, (terms, learn) in enumerate(
        (
            ({"paired": 1.0}, {"optical": "lora", "sar": "all"}),
            ({"sar_text": 1.0}, {"sar": "head"}),
            ({"optical_text": 1.0}, {"optical": "head", "text": "all"}),
        )
    ):
        update = {"terms": terms, "learn": learn, "steps": 1}
        recipe = align_recipe.model_copy(update=update)
        out = tmp_path / str(number)
        train_align(recipe, smoke_data, out, tmp_path / "features")
        tensors = load_file(out / "checkpoint" / ALIGN_FILE)
        for sensor in ("optical", "sar"):
            trained = any(name.startswith(f"{sensor}_encoder.") for name in tensors)
            assert trained == (learn.get(sensor) in ("lora", "all"))
        text = any(name.startswith("text_encoder.") for name in tensors)
        assert text == ("text" in learn)
        AlignedEncoder.load(out / "checkpoint")


def test_a_run_begins_where_another_ended(
    align_recipe: AlignRecipe, aligned_run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    start = str(aligned_run / "checkpoint")
    # The trunk that was trained is kept as it is, and only heads go on.
    recipe = align_recipe.model_copy(
        update={"start": start, "learn": {"sar": "head"}, "steps": 1}
    )
    train_align(recipe, smoke_data, tmp_path / "a", tmp_path / "features")
    old = load_file(aligned_run / "checkpoint" / ALIGN_FILE)
    new = load_file(tmp_path / "a/checkpoint" / ALIGN_FILE)
    moved = {name for name, tensor in old.items() if not torch.equal(tensor, new[name])}
    assert "sar_head.hidden.weight" in moved
    assert {name.split(".")[0] for name in moved} <= {
        "sar_head",
        "log_scale",
        "log_scale_pair",
    }
    before = AlignedEncoder.load(aligned_run / "checkpoint")
    after = AlignedEncoder.load(tmp_path / "a/checkpoint")
    picture = np.full((40, 40, 3), 90, np.uint8)
    assert torch.allclose(
        before.patch_features(picture, "sar"), after.patch_features(picture, "sar")
    )
    wrong = align_recipe.model_copy(update={"start": start, "width": 16})
    with pytest.raises(CheckpointError, match="does not fit the recipe"):
        train_align(wrong, smoke_data, tmp_path / "b", tmp_path / "features")


def test_covers_are_learned_after_the_encoders(
    align_recipe: AlignRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    labels = ("water", "vegetation")
    recipe = align_recipe.model_copy(update={"covers": labels, "steps": 1})
    train_align(recipe, smoke_data, tmp_path, tmp_path / "features")
    encoder = AlignedEncoder.load(tmp_path / "checkpoint")
    assert encoder.covers == labels
    assert {"optical", "sar"} == set(encoder.dense)
    assert "held_out_covers" in log(tmp_path)[-1]
    recipe = align_recipe.model_copy(update={"covers": ("snow",), "steps": 1})
    with pytest.raises(SettingsError, match="no mask of snow"):
        train_align(recipe, smoke_data, tmp_path / "b", tmp_path / "features")


def test_a_term_without_data_is_refused(
    align_recipe: AlignRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    lines = (smoke_data / "train.jsonl").read_text().splitlines()
    optical = [line for line in lines if '"sar"' not in line]
    (tmp_path / "train.jsonl").write_text("\n".join(optical))
    (tmp_path / "val.jsonl").write_text("\n".join(optical))
    with pytest.raises(SettingsError, match="'sar_text' needs SAR pictures"):
        train_align(align_recipe, tmp_path, tmp_path / "out", tmp_path / "f")
    recipe = align_recipe.model_copy(update={"size": 50})
    with pytest.raises(SettingsError, match="no multiple of the patch"):
        train_align(recipe, smoke_data, tmp_path / "out2", tmp_path / "f")


def sample(
    task: str, *sensors: str, answers: tuple[str, ...] = (), width: int = 64
) -> Sample:
    images = tuple(
        ImageRef(path=f"{s}-{i}.png", width=width + 8 * i * (width == 65), height=64,
                 sensor=s)
        for i, s in enumerate(sensors)
    )  # fmt: skip
    return Sample(
        id="a", images=images, task=task, answers=answers, source="s", licence="l",
        split="train",
    )  # fmt: skip


def test_equal_sets_of_captions_have_one_key() -> None:
    keys: dict[tuple[str, ...], int] = {}
    found = captioned(
        [
            sample("caption", "sar", answers=("a", "b")),
            sample("caption", "sar", answers=("b", "a")),
            sample("caption", "sar", answers=("c",)),
            sample("caption", "optical", answers=("c",)),
            sample("vqa", "sar", answers=("c",)),
        ],
        "sar",
        keys,
    )
    assert [item.key for item in found] == [0, 0, 1]
    (optical,) = captioned(
        [sample("caption", "multispectral", answers=("c",))], "optical", keys
    )
    assert optical.key == 1  # one text, whichever sensor saw it


def test_pairs_must_lie_on_one_grid() -> None:
    assert len(pairs_of([sample("retrieve", "optical", "sar")])) == 1
    assert not pairs_of([sample("retrieve", "optical", "optical")])
    with pytest.raises(SettingsError, match="not on one grid: 65 x 64 and 73 x 64"):
        pairs_of([sample("retrieve", "optical", "sar", width=65)])


@given(st.integers(20, 90), st.integers(20, 90), st.integers(8, 40), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_windows_of_a_step_do_not_overlap(
    width: int, height: int, side: int, seed: int
) -> None:
    refs = [
        ImageRef(path=f"{s}.png", width=width, height=height, sensor=s)
        for s in ("optical", "sar")
    ]
    pair = Pair(refs[0], refs[1])
    places = draw_places([pair], 99, side, 1 + seed % 3, np.random.default_rng(seed))
    seen = np.zeros((height, width), int)
    for place in places:
        first, second = place.shots
        assert first.window == second.window
        assert (first.quarter, first.mirror) == (second.quarter, second.mirror)
        assert first.window is not None
        x0, y0, x1, y1 = first.window
        seen[y0:y1, x0:x1] += 1
    assert seen.max() == 1


def test_a_step_is_drawn_from_its_number_alone(
    align_recipe: AlignRecipe, smoke_data: Path
) -> None:
    train = Sets(list(read_samples(smoke_data / "train.jsonl")))
    one, two, other = (draw_step(align_recipe, train, n)[0] for n in (3, 3, 4))
    assert one == two != other
    shot = one["sar"].items[0]
    assert np.array_equal(shot.pixels(smoke_data), shot.pixels(smoke_data))
    parts = [one["sar"].part(rank, 3).items for rank in range(3)]
    assert sum(parts, ()) == one["sar"].items


def test_places_on_the_earth_are_a_term_of_their_own(
    align_recipe: AlignRecipe,
    smoke_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = align_recipe.model_copy(
        update={"terms": {"paired": 1.0, "location": 1.0}, "steps": 1}
    )
    lines = []
    for number, sample in enumerate(read_samples(smoke_data / "train.jsonl")):
        if sample.task == "retrieve":
            place = {"lonlat": [-118.0 + number / 100, 34.0]}
            sample = sample.model_copy(update={"meta": sample.meta | place})
        lines.append(sample.model_dump_json(by_alias=True))
    data = tmp_path / "data"
    data.mkdir()
    (data / "images").symlink_to(smoke_data / "images")
    for name in ("train.jsonl", "val.jsonl"):
        (data / name).write_text("\n".join(lines))
    torch.manual_seed(0)
    random = LocationEncoder()
    monkeypatch.setattr(LocationEncoder, "of", lambda: random)
    train_align(recipe, data, tmp_path / "a", tmp_path / "f")
    one = load_file(tmp_path / "a/checkpoint" / ALIGN_FILE)
    recipe = recipe.model_copy(update={"terms": {"paired": 1.0}})
    train_align(recipe, data, tmp_path / "b", tmp_path / "f")
    two = load_file(tmp_path / "b/checkpoint" / ALIGN_FILE)
    assert not torch.equal(one["sar_head.out.weight"], two["sar_head.out.weight"])
    assert "location_head.weight" in one
    recipe = recipe.model_copy(update={"terms": {"location": 1.0}})
    with pytest.raises(SettingsError, match="'location' needs pairs whose place"):
        train_align(recipe, smoke_data, tmp_path / "c", tmp_path / "f")


def test_real_pairs_are_aligned_end_to_end(
    align_recipe: AlignRecipe,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Three real Sentinel-2 and Sentinel-1 tiles: built, aligned, with maps of cover."""
    monkeypatch.setattr(gazetteer, "airports", lambda: ())  # needs no network
    data = tmp_path / "data"
    splits: tuple[tuple[Split, int], ...] = (("train", 2), ("val", 1))
    for split, count in splits:
        samples: list[Sample] = []
        # A tile gives its pair and 16 pieces, each to both sensors.
        records = optical_sar.read(data_folder / "optical_sar", split)
        for record in islice(records, 34 * count):
            path = data / image_path(record)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(record.image)
            samples += compose(record, split)
        text = "".join(s.model_dump_json(by_alias=True) + "\n" for s in samples)
        (data / f"{split}.jsonl").write_text(text)
    recipe = align_recipe.model_copy(
        update={"steps": 2, "check_pictures": 8, "pair_window": 256, "covers": CLASSES}
    )
    said: list[str] = []
    train_align(recipe, data, tmp_path / "out", tmp_path / "features", said.append)
    encoder = AlignedEncoder.load(tmp_path / "out/checkpoint")
    assert encoder.window_m == pytest.approx(256 * 8.3, rel=0.01)
    assert set(encoder.settings.gsd_m) == {"optical", "sar"}
    held_out = [
        line["held_out"] for line in log(tmp_path / "out") if "held_out" in line
    ]
    assert held_out[-1].keys() >= {"o2s@1", "s2o@10", "sar_text"}
    assert any(line.startswith("sar cover: ") for line in said)
