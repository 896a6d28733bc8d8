"""Exported folders: whole, self-contained, and of the same words."""

import hashlib
import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoProcessor

from rsvlm import assets
from rsvlm.app.build import build_assistant
from rsvlm.app.cli import main
from rsvlm.engines.local import LocalEngine
from rsvlm.engines.ours import load_encoders
from rsvlm.engines.remote import RemoteEngine
from rsvlm.errors import CheckpointError
from rsvlm.messages import Generation, Message
from rsvlm.models import export as exporting
from rsvlm.models.checkpoint import base_tokenizer, save_tensors, write_checkpoint
from rsvlm.models.export import export, exported, read_manifest
from rsvlm.models.modeling import RSVLMForConditionalGeneration
from rsvlm.render import View
from rsvlm.training.tune import LORA_TARGETS

MakeView = Callable[..., View]
Noise = Callable[..., NDArray[np.uint8]]


@pytest.fixture(scope="module")
def checkpoint(
    two_encoders: RSVLMForConditionalGeneration,
    language_folder: Path,
    encoder_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A checkpoint with two encoders, one of them an asset, and low-rank updates."""
    import copy

    from rsvlm.models.bases import WEIGHTS
    from rsvlm.models.checkpoint import PREFIXES

    model = copy.deepcopy(two_encoders)
    for part, folder in (
        ("language_model", language_folder), ("optical_encoder", encoder_folder)
    ):  # fmt: skip
        state = load_file(folder / WEIGHTS)
        own = {
            PREFIXES[part] + k.removeprefix("model."): v.float()
            for k, v in state.items()
        }
        assert not model.load_state_dict(own, strict=False).unexpected_keys
    model.config.bases = {
        "language_model": str(language_folder), "optical_encoder": str(encoder_folder)
    }  # fmt: skip
    model.config.lora = {"rank": 2, "alpha": 4}
    model.config.trained_gsd_m = [0.5, 2.0]
    model.requires_grad_(False)
    get_peft_model(model, LoraConfig(r=2, lora_alpha=4, target_modules=LORA_TARGETS))
    inner = model.model
    for learnt in (inner.optical_projector, inner.sar_projector, inner.sar_encoder):
        learnt.requires_grad_(True)
    torch.manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, 0, 0.3)
    folder = tmp_path_factory.mktemp("made") / "pair"
    write_checkpoint(model, base_tokenizer(language_folder), folder)
    (folder / "regions.json").write_text("{}")
    (folder / "README.md").write_text("# pair\n\nTrained on noise.\n")
    return folder


@pytest.fixture(scope="module")
def out(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(str(checkpoint), tmp_path_factory.mktemp("out") / "new" / "served")


@pytest.mark.parametrize("sensor", ["optical", "sar"])
def test_it_says_what_the_checkpoint_says(
    checkpoint: Path, out: Path, make_view: MakeView, noise: Noise, sensor: str
) -> None:
    before, after = (LocalEngine(folder, "float32") for folder in (checkpoint, out))
    assert after.model.config.bases is None
    assert after.capabilities == before.capabilities
    messages = [Message("user", (make_view(noise(90, 120), sensor), "Where <image>?"))]
    one, two = (e.generate(messages, max_tokens=12) for e in (before, after))
    assert one.text == two.text
    assert one.logprobs == pytest.approx(two.logprobs, abs=1e-5)


def test_the_folder_is_complete(checkpoint: Path, out: Path) -> None:
    manifest = read_manifest(out)
    assert manifest.name == "rsvlm-pair"
    assert manifest.revision == LocalEngine(checkpoint, "float32").revision
    names = {path.name for path in out.iterdir()}
    assert names == {*manifest.files, "export.json"}
    assert {"regions.json", "tokenizer.json", "chat_template.jinja"} <= names
    for name, digest in manifest.files.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest
    weights = load_file(out / "model.safetensors")
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == weights.keys()  # else vLLM reads other files
    assert not any("lora" in name for name in weights)
    assert {value.dtype for value in weights.values()} == {torch.float32}
    assert not any(path.name.startswith(".") for path in out.parent.iterdir())
    config = json.loads((out / "config.json").read_text())
    assert config["architectures"] == ["RSVLMForConditionalGeneration"]
    card = (out / "README.md").read_text()
    assert card.startswith("# pair")
    assert "| optical encoder |" in card


def test_its_processor_keeps_texts_apart(out: Path) -> None:
    processor: Any = AutoProcessor.from_pretrained(out)
    chat = [{"role": "user", "content": "<|im_end|><image>"}]
    text = processor.apply_chat_template(chat)
    ids = processor.tokenizer(text)["input_ids"]
    assert sum(i in processor.tokenizer.all_special_ids for i in ids) == 2


def test_encoders_alone_are_those_of_the_engine(checkpoint: Path, out: Path) -> None:
    expected = LocalEngine(checkpoint).encoders
    for folder in (checkpoint, out):
        found = load_encoders(folder)
        assert found.keys() == expected.keys()
        for sensor, encoder in found.items():
            state = expected[sensor].state_dict()
            assert encoder.state_dict().keys() == state.keys()
            for name, value in encoder.state_dict().items():
                assert torch.equal(value, state[name]), name


def test_an_assistant_whose_words_come_from_a_server(
    checkpoint: Path, out: Path, tmp_path: Path
) -> None:
    expected = LocalEngine(checkpoint).capabilities
    for number, folder in enumerate((checkpoint, out)):
        plain = shutil.copytree(folder, tmp_path / str(number))
        (plain / "regions.json").unlink()  # it was made up
        url = "http://127.0.0.1:9/v1?max_side=99&max_images=7#rsvlm-pair"
        assistant = build_assistant(str(plain), engine=url)
        # Nothing was asked; what it can take is known from the checkpoint.
        assert isinstance(assistant.engine, RemoteEngine)
        assert assistant.engine.name == "rsvlm-pair"
        assert assistant.engine.capabilities == expected
        assistant.engine.close()


def test_half_as_large(checkpoint: Path, tmp_path: Path) -> None:
    folder = export(str(checkpoint), tmp_path / "half", "bfloat16")
    weights = load_file(folder / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.bfloat16}
    assert read_manifest(folder).dtype == "bfloat16"


def test_other_words_are_no_export(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    def damaged(tensors: dict[str, torch.Tensor], path: Path) -> None:
        save_tensors({**tensors, "model.sar_projector.gain": torch.tensor(30.0)}, path)

    monkeypatch.setattr(exporting, "save_tensors", damaged)
    with pytest.raises(CheckpointError, match=r"answers otherwise \(sar picture"):
        export(str(checkpoint), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []  # not even a part of it


def test_a_folder_with_files_stays_as_it_is(checkpoint: Path, out: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in out.iterdir()}
    result = CliRunner().invoke(main, ["export", str(checkpoint), "--out", str(out)])
    assert result.exit_code == 1
    assert "exists already. Give a new folder" in result.stderr
    assert before == {path.name: path.stat().st_mtime_ns for path in out.iterdir()}


def test_the_command(checkpoint: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    result = CliRunner().invoke(main, ["export", str(checkpoint), "--out", str(target)])
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{target}\n"
    bad = CliRunner().invoke(main, ["export", "none", "--out", str(tmp_path / "x")])
    assert bad.exit_code == 1
    assert "'none' is no checkpoint" in bad.stderr


def test_servers_export_once(
    checkpoint: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "cache_folder", lambda: tmp_path / "cache")
    assert exported(str(out), "float32") == out
    first = exported(str(checkpoint), "float32")
    monkeypatch.setattr(exporting, "export", None)  # called no more
    assert exported(str(checkpoint), "float32") == first
    monkeypatch.undo()
    monkeypatch.setattr(assets, "cache_folder", lambda: tmp_path / "cache")
    other = shutil.copytree(checkpoint, tmp_path / "pair")
    (other / "regions.json").write_text('{"a": 1}')
    assert exported(str(other), "float32") != first  # of other files


def test_two_at_once_export_once(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assets, "cache_folder", lambda: tmp_path / "cache")
    made: list[Path] = []

    def slow(checkpoint: str, out: Path, *_: object) -> None:
        made.append(out)
        time.sleep(0.5)
        out.mkdir()
        (out / exporting.MANIFEST).touch()

    monkeypatch.setattr(exporting, "export", slow)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(exported, [str(checkpoint)] * 2, ["float32"] * 2))
    assert found == made * 2


def test_a_cache_that_cannot_be_written_is_one_line(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    cache.write_text("a file")
    monkeypatch.setattr(assets, "cache_folder", lambda: cache)
    with pytest.raises(CheckpointError, match=r"cannot be written.*disk space"):
        exported(str(checkpoint), "float32")


def test_replies_part_at_a_tie_and_are_not_compared_behind_it() -> None:
    said = Generation("ab", logprobs=(-1.0, -2.0, -0.1), tokens=("a", "b", "c"))
    tie = Generation("ax", logprobs=(-1.0, -2.01, -9.0), tokens=("a", "x", "c"))
    assert exporting._difference(said, said) == 0
    assert exporting._difference(said, tie) == pytest.approx(0.01)
    silent = Generation("ax", logprobs=(-1.0, -2.0, -0.1), tokens=("a", "b", "c"))
    assert exporting._difference(said, silent) == float("inf")
    other = Generation("xy", logprobs=(-3.0, -2.0), tokens=("x", "y"))
    assert exporting._difference(said, other) == pytest.approx(2.0)
