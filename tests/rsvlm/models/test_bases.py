"""Assets become Transformers folders, once and wholly."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import Dinov2Config
from transformers.models.dinov2.modeling_dinov2 import Dinov2Model

from rsvlm import assets
from rsvlm.errors import AssetError, UnknownNameError
from rsvlm.models import bases
from rsvlm.models.bases import base_folder


@pytest.fixture
def convert(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Callable[[Path, Path], None]], list[str]]:
    """Let a function convert the only asset, ``toy``; return what is fetched."""
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    fetched: list[str] = []

    def fetch(name: str, progress: Any = None) -> Path:
        fetched.append(name)
        return tmp_path

    def use(converter: Callable[[Path, Path], None]) -> list[str]:
        monkeypatch.setattr(assets, "fetch", fetch)
        monkeypatch.setattr(bases, "CONVERTERS", {"toy": converter})
        return fetched

    return use


def write(source: Path, target: Path) -> None:
    (target / "model.safetensors").write_bytes(b"weights")


def test_an_asset_is_converted_once(
    convert: Callable[..., list[str]], tmp_path: Path
) -> None:
    fetched = convert(write)
    folder = base_folder("toy")
    assert folder == tmp_path / "cache" / "bases" / f"toy-{bases.REVISION}"
    assert base_folder("toy") == folder
    assert fetched == ["toy"]
    assert (folder / "model.safetensors").read_bytes() == b"weights"


def test_a_failure_leaves_nothing_behind(
    convert: Callable[..., list[str]], tmp_path: Path
) -> None:
    def fail(source: Path, target: Path) -> None:
        write(source, target)
        raise OSError("no space left")

    convert(fail)
    with pytest.raises(AssetError, match=r"'toy' failed: no space left\. Free"):
        base_folder("toy")
    assert list((tmp_path / "cache" / "bases").iterdir()) == []
    convert(write)
    assert base_folder("toy").is_dir()


def test_whoever_is_second_uses_the_result_of_the_first(
    convert: Callable[..., list[str]], tmp_path: Path
) -> None:
    final = tmp_path / "cache" / "bases" / f"toy-{bases.REVISION}"

    def race(source: Path, target: Path) -> None:
        final.mkdir()
        (final / "complete.json").write_text("{}")
        write(source, target)

    convert(race)
    assert base_folder("toy") == final


def test_a_folder_of_ones_own(
    convert: Callable[..., list[str]], encoder_folder: Path, tmp_path: Path
) -> None:
    fetched = convert(write)
    assert base_folder(str(encoder_folder)) == encoder_folder
    with pytest.raises(UnknownNameError, match=r"Unknown base model 'toi'.*'toy'"):
        base_folder("toi")
    assert fetched == []


def test_the_assets_that_are_bases_are_known() -> None:
    assert {"smollm2-135m-instruct", "dinov2-s", "all-minilm-l6-v2"} <= set(
        bases.CONVERTERS
    )


def test_tied_weights_are_stored_once(language_folder: Path) -> None:
    state = load_file(language_folder / "model.safetensors")
    assert "model.embed_tokens.weight" in state
    assert "lm_head.weight" not in state


def test_an_onnx_graph_of_dinov2_gets_its_names_back() -> None:
    config = Dinov2Config(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=28
    )
    state = {
        name: value.normal_().numpy()
        for name, value in Dinov2Model(config).state_dict().items()
    }
    # As an export writes it: linear weights transposed and without a name, the bias
    # in the node behind, old names of the attention, positions in two pieces.
    old = {
        "attention.q_proj": "attention.attention.query",
        "attention.k_proj": "attention.attention.key",
        "attention.v_proj": "attention.attention.value",
        "attention.o_proj": "attention.output.dense",
    }
    graph: dict[str, Any] = {}
    nodes = []
    for name, value in state.items():
        for new, former in old.items():
            name = name.replace(new, former)
        if name.endswith(".weight") and value.ndim == 2:
            key = f"onnx::MatMul_{len(graph)}"
            graph[key] = value.T
            bias = f"backbone.{name.removesuffix('weight')}bias"
            nodes.append(SimpleNamespace(input=["x", key], output=[f"{key}_out"]))
            nodes.append(SimpleNamespace(input=[bias, f"{key}_out"], output=["y"]))
        elif name == "embeddings.position_embeddings":
            graph["onnx::Concat_1"] = value[:, :1]
            graph["onnx::Reshape_2"] = value[:, 1:]
        elif name != "embeddings.mask_token":
            graph[f"backbone.{name}"] = value
    named = bases._dinov2_state(graph, nodes)
    assert named.keys() == state.keys()
    for name, value in state.items():
        if name != "embeddings.mask_token":
            assert np.array_equal(named[name], value), name
    tensors = {name: torch.from_numpy(np.array(v)) for name, v in named.items()}
    Dinov2Model(config).load_state_dict(tensors, strict=True)
