"""``rsvlm train outlines``: what it shows, that it learns, and that it goes on."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rsvlm.errors import CheckpointError, SettingsError
from rsvlm.geometry import HBB
from rsvlm.models.finder import RegionFinder
from rsvlm.models.outline_head import MARGIN, SIDE, frame_of
from rsvlm.models.region_files import read_settings, save_settings
from rsvlm.samples import read_samples
from rsvlm.training.augment import Item
from rsvlm.training.calibrate import judge
from rsvlm.training.calibrate_masks import fit_mask_cut
from rsvlm.training.mosaic import Entry, Labelled
from rsvlm.training.outline_data import OutlineViews, framed, prompt_of
from rsvlm.training.outline_recipe import OutlineRecipe
from rsvlm.training.outlines import outline_loss, train_outlines
from rsvlm.training.region_steps import Draw
from rsvlm.training.run import load_recipe


@pytest.fixture(scope="session")
def recipe(region_run: Path) -> OutlineRecipe:
    return load_recipe(
        OutlineRecipe, "smoke", "outlines", {"start": str(region_run), "view": 112}
    )


@pytest.fixture(scope="session")
def run(
    recipe: OutlineRecipe, smoke_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("outlines")
    train_outlines(recipe, smoke_data, out, out)
    return out


@pytest.fixture
def views(recipe: OutlineRecipe, smoke_data: Path) -> OutlineViews:
    samples = [
        s for s in read_samples(smoke_data / "train.jsonl") if s.task == "detect"
    ]
    entries = [Entry((Labelled.of(sample),)) for sample in samples]
    return OutlineViews(entries, smoke_data, recipe, 112, 14)


def test_a_run_keeps_the_region_head_and_adds_outlines(
    run: Path, region_run: Path
) -> None:
    before, after = RegionFinder.load(region_run), RegionFinder.load(run)
    assert before.outlines is None
    assert after.outlines is not None
    noise = np.random.default_rng(0).integers(0, 255, (112, 112, 3), np.uint8)
    assert before.maps(noise, ["ship"])[0] == after.maps(noise, ["ship"])[0]
    fitted = {"mask_cut", "cuts", "slope", "intercept", "offsets", "granted"}
    one, two = (f.settings.model_dump(exclude=fitted) for f in (before, after))
    assert one == two
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines if "epoch" in line] == [1, 2]
    assert 0 < lines[-1]["calibration"]["found_iou"] <= 1
    assert json.loads((run / "run.json").read_text())["inputs"]["start"]


def test_an_interrupted_run_ends_like_any_other(
    recipe: OutlineRecipe, run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    def stop(line: str) -> None:
        if line.startswith("epoch 1/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_outlines(recipe, smoke_data, tmp_path, tmp_path, stop)
    train_outlines(recipe, smoke_data, tmp_path, tmp_path)
    for name in ("outlines.safetensors", "regions.safetensors"):
        one, two = load_file(run / name), load_file(tmp_path / name)
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one), name


def test_outlines_are_learned(
    recipe: OutlineRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    more = recipe.model_copy(update={"epochs": 12, "objects": 8, "average": 0.9})
    said: list[str] = []
    train_outlines(more, smoke_data, tmp_path, tmp_path, said.append)
    overlap = [float(line.split("val_iou ")[1]) for line in said if "val_iou" in line]
    assert max(overlap) > 0.75
    assert max(overlap) > overlap[0] + 0.03  # one epoch tells something already


def test_data_without_outlines_or_a_head_are_refused(
    recipe: OutlineRecipe, smoke_data: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "boxes.jsonl"
    lines = [
        json.loads(line)
        for line in (smoke_data / "train.jsonl").read_text().splitlines()
    ]
    for line in lines:
        for target in line.get("targets", []):
            target["polygons"] = []
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines))
    bare = recipe.model_copy(
        update={"train": ("boxes.jsonl",), "val": ("boxes.jsonl",)}
    )
    with pytest.raises(
        SettingsError, match=r"no sample of task 'detect' with outlines"
    ):
        train_outlines(bare, tmp_path, tmp_path / "out", tmp_path)
    lost = recipe.model_copy(update={"start": str(tmp_path / "none")})
    with pytest.raises(CheckpointError, match=r"regions\.json is missing"):
        train_outlines(lost, smoke_data, tmp_path / "out", tmp_path)
    unnamed = recipe.model_copy(update={"start": ""})
    with pytest.raises(SettingsError, match="Name its folder with --set start=RUN"):
        train_outlines(unnamed, smoke_data, tmp_path / "out", tmp_path)
    with pytest.raises(SettingsError, match=r"'start' and --out are both"):
        train_outlines(recipe, smoke_data, Path(recipe.start), tmp_path)


def test_without_held_out_pictures_the_cut_is_that_of_the_loss(
    recipe: OutlineRecipe, region_run: Path, smoke_data: Path, tmp_path: Path
) -> None:
    start = tmp_path / "start"
    shutil.copytree(region_run, start)
    settings = read_settings(start).model_copy(update={"mask_cut": -1.5})
    save_settings(settings, start)
    (tmp_path / "none.jsonl").write_text("")
    for name in ("train.jsonl", "images"):
        (tmp_path / name).symlink_to(smoke_data / name)
    short = recipe.model_copy(
        update={"start": str(start), "val": ("none.jsonl",), "epochs": 1}
    )
    train_outlines(short, tmp_path, tmp_path / "out", tmp_path)
    after = RegionFinder.load(tmp_path / "out")
    assert after.outlines is not None
    assert after.settings == settings.model_copy(update={"mask_cut": 0.0})


def test_boxes_around_outlines_are_what_is_judged(
    run: Path, smoke_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outline head that moves every box away makes every candidate wrong."""
    finder = RegionFinder.load(run)
    held = [s for s in read_samples(smoke_data / "val.jsonl") if s.task == "detect"]
    finder.settings = finder.settings.model_copy(update={"mask_cut": 0.0})
    assert finder.outlines is not None
    corner = torch.full((SIDE, SIDE), -5.0)
    corner[:20, :20] = 5.0
    monkeypatch.setattr(
        finder.outlines, "forward", lambda *a: corner.expand(len(a[2]), -1, -1)
    )
    judged = judge(finder, held, smoke_data)
    assert len(judged.right) > 0
    assert not judged.right.any()
    assert fit_mask_cut(finder, held, smoke_data)[1] < 0.2


def test_frames_and_outlines_lie_on_the_objects(views: OutlineViews) -> None:
    """Bright objects on dark ground: the truth in a frame is where the view is bright."""
    seen = 0
    for number in range(4):
        batch = views.batch(Draw(number, 0, (0, 1, 2)))
        assert batch["truth"].shape[1:] == batch["prompts"].shape[1:] == (SIDE, SIDE)
        assert (np.diff(batch["rows"]) >= 0).all()
        counts = np.bincount(batch["rows"], minlength=3)
        assert counts.max() <= views.recipe.objects
        for frame, row, truth in zip(
            batch["frames"], batch["rows"], batch["truth"], strict=True
        ):
            x0, y0, x1, y1 = frame
            places = (np.arange(SIDE) + 0.5) / SIDE
            xs = np.clip(x0 + (x1 - x0) * places, 0, 111).astype(int)
            ys = np.clip(y0 + (y1 - y0) * places, 0, 111).astype(int)
            shown = batch["picture"][row][np.ix_(ys, xs)].mean(-1)
            assert 0.05 < truth.mean() < 0.95
            if truth.sum() > 50:
                seen += abs(shown[truth].mean() - shown[~truth].mean()) > 10
    assert seen > 10
    one, same, two = (views.batch(Draw(n, 0, (0, 1))) for n in (0, 0, 1))
    assert all(np.array_equal(one[name], same[name]) for name in one)
    assert not np.array_equal(one["picture"], two["picture"])


def test_all_objects_are_checked_in_their_own_boxes(views: OutlineViews) -> None:
    batch = views.plain([0])
    targets = views.entries[0].cells[0].sample.targets
    assert len(batch["frames"]) == len(targets)
    assert not batch["prompts"].any()
    scale = 112 / 96
    for target, frame in zip(targets, batch["frames"], strict=True):
        want = frame_of(HBB(*(v * scale for v in target.hbb)))
        assert frame.tolist() == pytest.approx(
            [want.x0, want.y0, want.x1, want.y1], abs=0.6
        )


def test_a_drawn_box_is_not_exact_and_its_truth_moves_with_it() -> None:
    ring = np.array([[20.0, 30], [60, 30], [60, 50], [20, 50]])
    item = Item("ship", (ring,))
    frame, truth = framed(item)
    assert frame == HBB(12, 26, 68, 54)
    inside = SIDE / (1 + 2 * MARGIN)
    assert truth.sum() == pytest.approx(inside**2, rel=0.05)
    rng = np.random.default_rng(0)
    areas = []
    for _ in range(50):
        frame, truth = framed(item, rng)
        cell = frame.width * frame.height / SIDE**2
        areas.append(float(truth.sum()) * cell)
    # The object stays as large as it is, but for what a frame does not show.
    assert np.median(areas) == pytest.approx(800, rel=0.03)
    assert min(areas) > 500


def test_what_is_known_before_is_coarse() -> None:
    truth = np.zeros((SIDE, SIDE), bool)
    truth[16:48, 10:54] = True
    assert not prompt_of(truth, None).any()
    rng = np.random.default_rng(0)
    drawn = [prompt_of(truth, rng) for _ in range(200)]
    known = [prompt for prompt in drawn if prompt.any()]
    assert 0.3 < len(known) / len(drawn) < 0.5
    overlaps = []
    for prompt in known:
        assert set(np.unique(prompt)) <= {-1, 1}
        mask = prompt > 0
        overlaps.append((mask & truth).sum() / (mask | truth).sum())
    assert 0.5 < np.mean(overlaps) < 0.95


def test_a_perfect_outline_costs_nothing() -> None:
    truth = torch.zeros(2, SIDE, SIDE)
    truth[0, :20], truth[1, 5:9, 5:9] = 1, 1
    assert outline_loss((truth * 2 - 1) * 20, truth) < 1e-3
    assert outline_loss(torch.zeros_like(truth), truth) > 1
    # A small object counts as much as a large one.
    wrong = (truth * 2 - 1) * 20
    one, other = wrong.clone(), wrong.clone()
    one[0], other[1] = -20, -20
    assert outline_loss(one, truth) > 0.4
    assert outline_loss(other, truth) > 0.4
