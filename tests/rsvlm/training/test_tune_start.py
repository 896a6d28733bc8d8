"""``rsvlm train tune`` with radar: what it begins with, and what it leaves alone."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from rsvlm.engines.local import LocalEngine
from rsvlm.errors import CheckpointError, SettingsError
from rsvlm.messages import Message
from rsvlm.models.aligned_files import AlignSettings, encoder_state, save_settings
from rsvlm.models.bases import base_folder
from rsvlm.models.checkpoint import base_tokenizer
from rsvlm.render import View
from rsvlm.training.images import read_train_images
from rsvlm.training.tune import train_tune
from rsvlm.training.tune_recipe import TuneRecipe
from rsvlm.training.tune_start import Start, add_updates, find_start, initial_model

#: The layer of the SAR encoder that is not as in its trunk.
LAYER = "encoder.layer.1.mlp.fc1"


@pytest.fixture(scope="session")
def radar_run(
    radar_recipe: TuneRecipe,
    radar_data: Path,
    features: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a finished run of that recipe."""
    out = tmp_path_factory.mktemp("radar-run")
    said: list[str] = []
    train_tune(radar_recipe, radar_data, out, features, said.append)
    assert any(line.startswith("warm start of sar 10/10") for line in said)
    assert not any(line.startswith("warm start 1") for line in said)
    return out


def test_all_but_the_new_projector_is_as_before(radar_run: Path, tuned: Path) -> None:
    before = load_file(tuned / "checkpoint" / "model.safetensors")
    after = load_file(radar_run / "checkpoint" / "model.safetensors")
    new = {name for name in after if name.startswith("model.sar_projector.")}
    assert after.keys() - new == before.keys()
    for name, value in before.items():
        assert value.dtype == after[name].dtype
        assert torch.equal(value, after[name]), name
    assert {name.replace("sar", "optical") for name in new} <= before.keys()
    for name in new - {"model.sar_projector.gain"}:  # one number, rounded
        assert not torch.equal(after[name], before[name.replace("sar", "optical")])
    configs = [
        json.loads((run / "checkpoint" / "config.json").read_text())
        for run in (tuned, radar_run)
    ]
    sar, bases = configs[1].pop("sar_config"), configs[1]["bases"]
    assert sar == configs[1]["optical_config"]
    assert bases.pop("sar_encoder") == bases["optical_encoder"]
    assert configs[0].pop("sar_config") is None
    assert configs[1] == configs[0]


def test_optical_answers_are_as_before(
    radar_run: Path, tuned: Path, make_view: Callable[..., View], noise: Any
) -> None:
    replies = []
    for run in (tuned, radar_run):
        engine = LocalEngine(run / "checkpoint")
        asked = Message("user", (make_view(noise(100, 150)), "How many ships?"))
        reply = engine.generate([asked], max_tokens=8)
        replies.append((reply.text, reply.logprobs))
    assert replies[0] == replies[1]
    assert engine.capabilities.sensors == {"optical", "sar"}


def test_the_aligned_encoder_comes_along(radar_run: Path, aligned: Path) -> None:
    folder = radar_run / "checkpoint"
    for name in ("align.json", "align.safetensors"):
        assert (folder / name).read_bytes() == (aligned / name).read_bytes()
    engine = LocalEngine(folder, dtype="float32")
    own = engine.model.model.sar_encoder.state_dict()
    trunk = engine.model.model.optical_encoder.state_dict()
    for name, value in encoder_state(aligned, "sar").items():
        assert torch.allclose(own[name], value, atol=1e-6), name
    assert not torch.equal(own[f"{LAYER}.weight"], trunk[f"{LAYER}.weight"])


def test_a_run_says_what_it_began_with(
    radar_run: Path, tuned: Path, aligned: Path
) -> None:
    run = json.loads((radar_run / "run.json").read_text())
    assert run["inputs"].keys() == {"train", "val", "start", "aligned"}
    seen = read_train_images(radar_run / "checkpoint") or frozenset()
    assert seen > (read_train_images(tuned / "checkpoint") or frozenset())
    assert "ab" * 32 in seen
    lines = (radar_run / "log.jsonl").read_text().splitlines()
    shares = [json.loads(line)["held_out"] for line in lines if "held_out" in line]
    assert shares[-1].keys() <= {"sar classify", "sar vqa"}


def test_a_run_that_was_stopped_ends_alike(
    radar_recipe: TuneRecipe,
    radar_run: Path,
    radar_data: Path,
    features: Path,
    tmp_path: Path,
) -> None:
    def stop(line: str) -> None:
        if line.startswith("step 2: held out"):
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train_tune(radar_recipe, radar_data, out, features, stop)
    train_tune(radar_recipe, radar_data, out, features)
    one, two = (
        load_file(run / "checkpoint/model.safetensors") for run in (radar_run, out)
    )
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    other = {"start": str(radar_run / "checkpoint")}
    with pytest.raises(SettingsError, match="holds a run with another 'start'"):
        train_tune(radar_recipe.model_copy(update=other), radar_data, out, features)


def test_radar_is_learnt(
    radar_recipe: TuneRecipe, radar_data: Path, features: Path, tmp_path: Path
) -> None:
    update = {
        "steps": 60, "check_every": 60, "projector_rate": 1e-2,
        "questions": {"classify": 1}, "train": ("radar.jsonl",),
    }  # fmt: skip
    lines = (radar_data / "train.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"source":"radar"' in line]
    (radar_data / "radar.jsonl").write_text("".join(kept))
    recipe = radar_recipe.model_copy(update=update)
    train_tune(recipe, radar_data, tmp_path, features)
    log = [json.loads(s) for s in (tmp_path / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in log if "loss" in line]
    assert losses[-1] < 0.7 * losses[0]


def test_parts_that_learn_again_go_on_from_the_checkpoint(
    radar_recipe: TuneRecipe, radar_run: Path, aligned: Path
) -> None:
    """Low-rank updates and both projectors, as they were written."""
    update = {
        "start": str(radar_run / "checkpoint"), "aligned": "",
        "parts": ("optical_projector", "sar_projector", "lora"),
    }  # fmt: skip
    recipe = radar_recipe.model_copy(update=update)
    start = find_start(recipe)
    assert start.aligned == radar_run / "checkpoint"
    model = initial_model(recipe, base_tokenizer(base_folder(recipe.language_model)))
    add_updates(model, recipe, start)
    learns = {
        name.replace(".default.", "."): parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    assert learns.keys() == start.tensors.keys()
    for name, value in start.tensors.items():
        assert learns[name].dtype == torch.float32
        assert torch.equal(learns[name], value.float()), name
    own = model.model.sar_encoder.state_dict()[f"{LAYER}.weight"].float()
    assert torch.allclose(own, encoder_state(aligned, "sar")[f"{LAYER}.weight"], 1e-2)


def test_frozen_updates_are_part_of_the_weights(
    radar_recipe: TuneRecipe, engine: LocalEngine
) -> None:
    tokenizer = engine.processor.tokenizer
    model = initial_model(radar_recipe, tokenizer).float()
    loaded = engine.model.model
    for name, value in model.model.language_model.state_dict().items():
        assert torch.allclose(value, loaded.language_model.state_dict()[name], 1e-2)
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learns == {
        f"model.sar_projector.{name}"
        for name in loaded.optical_projector.state_dict()
    }  # fmt: skip


def test_both_sensors_learn_from_base_weights(
    radar_recipe: TuneRecipe, radar_data: Path, features: Path, tmp_path: Path
) -> None:
    """Without aligned encoders SAR is seen by the trunk as it is."""
    update = {
        "start": "", "aligned": "", "check_pictures": 99,
        "parts": ("optical_projector", "sar_projector", "lora"),
    }  # fmt: skip
    recipe = radar_recipe.model_copy(update=update)
    folder = train_tune(recipe, radar_data, tmp_path, features)
    assert not (folder / "align.json").exists()
    engine = LocalEngine(folder)
    inner = engine.model.model
    for name, value in inner.optical_encoder.state_dict().items():
        assert torch.equal(inner.sar_encoder.state_dict()[name], value), name
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    shares = json.loads(lines[-1])["held_out"]
    assert shares.keys() >= {"vqa", "sar vqa", "sar classify"}


@pytest.mark.parametrize(
    ("update", "message"),
    [
        ({"parts": ()}, "Nothing is to learn: 'parts' is empty"),
        ({"parts": ("lora",)}, "needs a projector that learns. Add 'sar_projector'"),
        ({"layers": (2, 3)}, r"has layers = \(2, 3, 4\), the recipe \(2, 3\)"),
        ({"rank": 3}, "has rank = 2, the recipe 3"),
        ({"start": "nowhere"}, "'nowhere' is no checkpoint"),
        ({"aligned": "nowhere"}, "nowhere has no aligned encoders"),
        ({"train": ("optical.jsonl",)}, "no picture that 'sar_projector' could learn"),
    ],
)
def test_a_start_that_does_not_fit_is_refused_at_once(
    radar_recipe: TuneRecipe,
    radar_data: Path,
    tmp_path: Path,
    update: dict[str, Any],
    message: str,
) -> None:
    lines = (radar_data / "train.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"sar"' not in line]
    (radar_data / "optical.jsonl").write_text("".join(kept))
    recipe = radar_recipe.model_copy(update=update)
    with pytest.raises((SettingsError, CheckpointError), match=message) as caught:
        train_tune(recipe, radar_data, tmp_path / "out", tmp_path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_encoders_without_sar_are_refused(
    radar_recipe: TuneRecipe, aligned: Path, encoder_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(aligned, tmp_path / "aligned")
    fields: dict[str, Any] = {"layers": (4,), "size": 56, "width": 8}
    save_settings(
        AlignSettings(encoders={"optical": str(encoder_folder)}, **fields), folder
    )
    recipe = radar_recipe.model_copy(update={"aligned": str(folder)})
    with pytest.raises(SettingsError, match="has no SAR encoder, only optical"):
        find_start(recipe)


def test_an_optical_encoder_that_learned_needs_its_projector(
    radar_recipe: TuneRecipe, aligned: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(aligned, tmp_path / "aligned")
    tensors = load_file(folder / "align.safetensors")
    tensors |= {n.replace("sar", "optical"): 2 * t for n, t in tensors.items()}
    save_file(tensors, folder / "align.safetensors")
    recipe = radar_recipe.model_copy(update={"aligned": str(folder)})
    with pytest.raises(SettingsError, match="Add 'optical_projector' to 'parts'"):
        find_start(recipe)
    both = recipe.model_copy(
        update={"parts": ("optical_projector", "sar_projector"), "start": ""}
    )
    inner = initial_model(
        both, base_tokenizer(base_folder(recipe.language_model))
    ).model
    for sensor in ("optical", "sar"):
        own = getattr(inner, f"{sensor}_encoder").state_dict()[f"{LAYER}.weight"]
        expected = encoder_state(folder, sensor)[f"{LAYER}.weight"]
        assert torch.allclose(own.float(), expected, 1e-2), sensor


def test_layers_that_are_computed_again_learn_the_same(
    tune_recipe: TuneRecipe, smoke_data: Path, features: Path, tmp_path: Path
) -> None:
    found = []
    for again in (False, True):
        update = {"recompute": again, "steps": 2, "warm_steps": 2}
        recipe = tune_recipe.model_copy(update=update)
        out = train_tune(recipe, smoke_data, tmp_path / str(again), features)
        found.append(load_file(out / "model.safetensors"))
    one, two = found
    for name, value in one.items():
        assert torch.allclose(value.float(), two[name].float(), atol=1e-2), name


def test_layers_that_are_computed_again_keep_their_input_alone(
    tune_recipe: TuneRecipe,
) -> None:
    kept = []
    tokenizer = base_tokenizer(Path(tune_recipe.language_model))
    for again in (False, True):
        recipe = tune_recipe.model_copy(update={"recompute": again})
        model = initial_model(recipe, tokenizer)
        add_updates(model, recipe, Start()).train()
        sizes: list[int] = []

        def keep(value: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(value.nbytes)
            return value

        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value)
        with hooks:
            model.model.language_model(
                inputs_embeds=torch.randn(1, 50, 32), use_cache=False
            )
        kept.append(sum(sizes))
    assert kept[1] < kept[0] / 4
