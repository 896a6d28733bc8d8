"""Encoders by name: which are loaded, and a run of them from the command line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from rsvlm.app import eval_models
from rsvlm.app.cli import main
from rsvlm.app.eval_models import build_asker, checkpoint_of
from rsvlm.embedding import Vectors, unit
from rsvlm.errors import CheckpointError, SettingsError
from rsvlm.eval.encoder_asker import EncoderAsker
from rsvlm.models.aligned import AlignedEncoder
from rsvlm.models.published import PublishedEncoder
from rsvlm.render import View

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

BENCHMARK = """
name: colours
version: 1
title: Colours, made up
source: these tests
task: classify
data: {file: colours.jsonl, license: none}
prompt: {id: plain, user: "{question}"}
protocols:
  - {id: accuracy, metric: classify, primary: true}
"""


class Red:
    """Encoders that find everything red."""

    name, revision, width, scale = "arch:weights.pt", "1", 2, 5.0
    sensors = frozenset({"optical"})

    def __init__(self) -> None:
        self.encoded = 0

    def encode_image(self, views: Sequence[View]) -> Vectors:
        self.encoded += len(views)
        return unit(np.array([[1.0, 0.1]] * len(views)))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return unit(
            np.array([[float("red" in t), float("red" not in t)] for t in texts])
        )


@pytest.fixture(autouse=True)
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the loaders are called with; both give the encoders above."""
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    calls: list[Any] = []

    def load(kind: str, name: Any) -> Red:
        calls.append((kind, name))
        return Red()

    monkeypatch.setattr(
        PublishedEncoder, "load", staticmethod(lambda name: load("published", name))
    )
    monkeypatch.setattr(
        AlignedEncoder, "load", staticmethod(lambda folder: load("aligned", folder))
    )
    return calls


def folder_of(path: Path, file: str) -> Path:
    path.mkdir(parents=True)
    (path / file).write_text("{}")
    return path


def test_a_file_of_open_clip_is_named_by_architecture(
    loaded: list[Any], tmp_path: Path
) -> None:
    file = tmp_path / "weights.pt"
    asker = build_asker(f"encoder:ViT-B-32:{file}")
    assert isinstance(asker, EncoderAsker)
    assert loaded == [("published", f"ViT-B-32:{file}")]
    assert asker.entry().spec == "encoder:arch:weights.pt"  # no folder of ours
    assert asker.entry().engine == "encoder"
    assert checkpoint_of(f"encoder:ViT-B-32:{file}") is None


@pytest.mark.parametrize("file", ["align.json", "config.json"])
def test_a_checkpoint_may_lack_a_language_model(
    loaded: list[Any], tmp_path: Path, file: str
) -> None:
    folder = folder_of(tmp_path / "a:b", file)
    asker = build_asker(f"encoder:{folder}")
    assert loaded == [("aligned", folder)]
    assert asker.entry().spec == f"encoder:{folder}"
    assert checkpoint_of(f"encoder:{folder}") == folder


def test_the_shipped_checkpoint_is_known_by_name(loaded: list[Any]) -> None:
    build_asker("encoder:tiny")
    assert loaded == [("aligned", checkpoint_of("tiny"))]
    assert checkpoint_of("encoder:tiny") == checkpoint_of("tiny")


def test_names_that_are_none_are_told() -> None:
    with pytest.raises(SettingsError, match="Nothing stands behind 'encoder:'"):
        build_asker("encoder:")
    assert checkpoint_of("encoder:") is None
    with pytest.raises(CheckpointError, match="'nowhere' is no checkpoint"):
        build_asker("encoder:nowhere")


@pytest.mark.parametrize(
    "option", [{"coords": "norm1000"}, {"least": 0.1}, {"through": "model"}]
)
def test_options_of_language_models_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="have no meaning for it"):
        build_asker("encoder:tiny", **option)


def test_vectors_are_kept_unless_told_otherwise(tmp_path: Path) -> None:
    kept, not_kept = (build_asker("encoder:tiny", cache=c) for c in (True, False))
    assert isinstance(kept, EncoderAsker)
    assert isinstance(not_kept, EncoderAsker)
    assert kept.cache is not None
    assert kept.cache.path == tmp_path / "cache/eval/vectors.sqlite"
    assert not_kept.cache is None


def test_vectors_of_other_code_are_not_reused(monkeypatch: pytest.MonkeyPatch) -> None:
    first = build_asker("encoder:tiny")
    monkeypatch.setattr(eval_models, "_code", lambda: "changed")
    second = build_asker("encoder:tiny")
    assert isinstance(first, EncoderAsker)
    assert isinstance(second, EncoderAsker)
    assert first.stamp != second.stamp


def test_encoders_are_run_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "colours.yaml").write_text(BENCHMARK)
    lines = []
    for number, label in enumerate(("red", "blue", "red", "red")):
        pixels = np.full((8, 8, 3), 60 * number + 70, np.uint8)
        Image.fromarray(pixels).save(own / f"{number}.png")
        image = {"path": f"{number}.png", "width": 8, "height": 8}
        lines.append(
            {"id": f"s{number}", "images": [image], "task": "classify",
             "answers": [label], "options": ["red", "blue"], "source": "made",
             "licence": "none", "split": "test"}
        )  # fmt: skip
    (own / "colours.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    model = f"encoder:ViT-B-32:{tmp_path / 'weights.pt'}"
    result = CliRunner().invoke(
        main,
        ["eval", "run", "-b", "colours", "--include", str(own), "--model", model,
         "--out", str(tmp_path / "run"), "--json"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((told,),) = [entry["protocols"] for entry in json.loads(result.stdout)]
    assert (told["value"], told["n_failed"], told["n_unparsed"]) == (0.75, 0, 0)
    manifest = json.loads((tmp_path / "run/run.json").read_text())
    assert manifest["model"]["spec"] == "encoder:arch:weights.pt"
    assert manifest["settings"]["through"] == "encoder"
    assert str(tmp_path) not in json.dumps(manifest)
