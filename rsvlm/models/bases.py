"""Pretrained parts from assets, converted once to safetensors.

An asset arrives as GGUF or ONNX; :func:`base_folder` turns it into a Transformers
folder (``config.json``, ``model.safetensors``, tokenizer) in the cache, so that later
starts only map the file. Conversion needs ``gguf`` or ``onnx``; loading does not.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rsvlm import assets
from rsvlm.errors import AssetError, MissingExtraError, UnknownNameError

#: Raised with every change of a conversion, so that old results are not reused.
REVISION = 1

WEIGHTS = "model.safetensors"
#: Which file holds which weights, where there are several or weights of other parts.
INDEX = f"{WEIGHTS}.index.json"


def _save(model: Any, target: Path) -> None:
    """Write weights by the module's own names.

    ``save_pretrained`` would write the names of older versions of Transformers.
    """
    from safetensors.torch import save_file

    model.config.save_pretrained(target)
    tensors = dict(model.state_dict())
    tensors.pop("lm_head.weight", None)  # tied to the embeddings
    save_file({k: v.contiguous() for k, v in tensors.items()}, target / WEIGHTS)


def _convert_smollm2(source: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    (gguf,) = source.rglob("*.gguf")
    where = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    # The weights are plain tensors by now; the flags would make saving refuse them.
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    _save(model.to(torch.bfloat16), target)
    tokenizer.save_pretrained(target)


def _dinov2_state(initializers: dict[str, Any], nodes: Iterable[Any]) -> dict[str, Any]:
    """Name the weights of an ONNX graph as Transformers' ``Dinov2Model`` does.

    Weights of linear layers are stored transposed under anonymous names; the bias
    that the next node adds tells which layer they belong to.
    """
    import numpy as np

    users: dict[str, list[Any]] = {}
    for node in nodes:
        for name in node.input:
            users.setdefault(name, []).append(node)
    state: dict[str, Any] = {}
    for key, value in initializers.items():
        if key.startswith("onnx::MatMul"):
            add = users[users[key][0].output[0]][0]
            bias = next(name for name in add.input if name in initializers)
            layer = bias.removeprefix("backbone.").removesuffix("bias")
            state[layer + "weight"] = value.T
        elif key.startswith("backbone."):
            state[key.removeprefix("backbone.")] = value
    width = state["embeddings.cls_token"].shape[-1]

    def position(prefix: str) -> Any:
        value = next(v for k, v in initializers.items() if k.startswith(prefix))
        return value.reshape(1, -1, width)

    state["embeddings.position_embeddings"] = np.concatenate(
        [position("onnx::Concat_"), position("onnx::Reshape_")], axis=1
    )
    state["embeddings.mask_token"] = np.zeros((1, width), np.float32)
    renamed = {
        "attention.attention.query": "attention.q_proj",
        "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj",
        "attention.output.dense": "attention.o_proj",
    }
    for old, new in renamed.items():
        state = {key.replace(old, new): value for key, value in state.items()}
    return state


def _convert_dinov2(source: Path, target: Path) -> None:
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingExtraError("onnx", "convert") from error
    import numpy as np
    import torch
    from transformers import Dinov2Config, Dinov2Model

    (path,) = source.rglob("*.onnx")
    graph = onnx.load(path).graph
    weights = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    config = Dinov2Config(
        hidden_size=384, num_hidden_layers=12, num_attention_heads=6, image_size=518
    )
    model = Dinov2Model(config)
    state = {
        key: torch.from_numpy(np.array(value, dtype=np.float32))
        for key, value in _dinov2_state(weights, graph.node).items()
    }
    model.load_state_dict(state, strict=True)
    _save(model.to(torch.bfloat16), target)


def _copy_folder(source: Path, target: Path) -> None:
    (weights,) = source.rglob(WEIGHTS)
    for path in weights.parent.iterdir():
        if path.is_file():
            shutil.copyfile(path, target / path.name)


#: Asset name -> how it becomes a Transformers folder.
CONVERTERS: dict[str, Callable[[Path, Path], None]] = {
    "smollm2-135m-instruct": _convert_smollm2,
    "dinov2-s": _convert_dinov2,
    "all-minilm-l6-v2": _copy_folder,
}


def base_folder(asset: str, progress: Callable[[int, int], None] | None = None) -> Path:
    """Return the Transformers folder of an asset; fetch and convert it if needed.

    Args:
        asset: Name in the table of assets, a Transformers folder of one's own, or a
            model of open_clip and the file of its weights, ``"ViT-L-14:FILE"``, whose
            visual part is meant.
        progress: Called with bytes done and bytes in all while fetching.

    Returns:
        Folder with ``config.json`` and ``model.safetensors``; a large language model
        of one's own may lie in several files, see
        :func:`~rsvlm.models.checkpoint.base_tensors`.

    Raises:
        UnknownNameError: If no conversion of that name is known.
        AssetError: If the asset cannot be fetched, verified or converted.
        CheckpointError: If the file of an open_clip model cannot be used.
    """
    if asset not in CONVERTERS and _is_folder(Path(asset)):
        return Path(asset)
    if asset not in CONVERTERS and ":" in asset:
        return _published_folder(asset)
    if asset not in CONVERTERS:
        raise UnknownNameError("base model", asset, CONVERTERS)

    def convert(draft: Path) -> None:
        CONVERTERS[asset](assets.fetch(asset, progress), draft)

    return _converted(asset, f"{asset}-{REVISION}", convert)


def _is_folder(folder: Path) -> bool:
    """Whether weights of Transformers lie in a folder, in one file or in several."""
    return any((folder / name).is_file() for name in (WEIGHTS, INDEX))


def _published_folder(name: str) -> Path:
    from rsvlm.models.open_clip import twin
    from rsvlm.models.published import Published  # imports torch, slowly

    published = Published.parse(name)

    def convert(draft: Path) -> None:
        _save(twin(published.load().visual), draft)  # in the type of the file

    return _converted(name, f"{published.key}-{REVISION}", convert)


def _converted(asset: str, key: str, convert: Callable[[Path], None]) -> Path:
    """Return the folder of a key in the cache; it appears there wholly or not at all.

    Args:
        asset: What is converted, for messages.
        key: Name of the folder.
        convert: Writes into the folder that it is given, if there is none of the key.
    """
    folder = assets.cache_folder() / "bases" / key
    if (folder / "complete.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=folder.parent))
    try:
        convert(draft)
        (draft / "complete.json").write_text(json.dumps({"asset": key}))
        os.replace(draft, folder)
    except OSError as error:
        if not (folder / "complete.json").is_file():  # else another process was first
            raise AssetError(
                f"Converting {asset!r} failed: {error}. Free some disk space, or set "
                "RSVLM_CACHE to a folder with 2 GB free."
            ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder
