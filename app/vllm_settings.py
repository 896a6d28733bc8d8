"""How a vLLM server is started: settings, command line, environment.

vLLM trusts whoever reaches it: several of its routes need no key, its queue has no end,
and it fetches addresses that a request names. So it listens on the loopback address
only, behind a key of its own, with what a request may ask for closed down; the server of
rsvlm stands in front.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rsvlm.errors import SettingsError

#: Flags that would open the server up, or contradict what is set here.
CLOSED = frozenset(
    {"--allowed-local-media-path", "--allowed-media-domains", "--allowed-origins",
     "--api-key", "--host", "--middleware", "--model", "--port", "--root-path",
     "--served-model-name", "--ssl-keyfile", "--trust-remote-code",
     "--trust-request-chat-template", "--trust-request-mm-kwargs", "--uds"}
)  # fmt: skip
#: Ranks that vLLM reserves room for.
LORA_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
#: Variables that are not handed down: keys of others, and what opens more routes.
WITHHELD = frozenset(
    {"OPENAI_API_KEY", "RSVLM_API_KEY", "VLLM_ALLOW_INSECURE_SERIALIZATION",
     "VLLM_ALLOW_RUNTIME_LORA_UPDATING", "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH",
     "VLLM_SERVER_DEV_MODE"}
)  # fmt: skip


class VllmSettings(BaseModel):
    """How the vLLM server is run.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    python: str = Field(
        sys.executable, description="Python of the environment that holds vLLM"
    )
    dtype: str = Field(
        "", description="type of the weights; by default the fastest of this machine"
    )
    tensor_parallel: int = Field(1, ge=1, description="GPUs that share one copy")
    data_parallel: int = Field(1, ge=1, description="copies of the model")
    max_num_seqs: int = Field(32, ge=1, description="questions answered at a time")
    max_model_len: int = Field(4096, ge=256, description="tokens a conversation")
    max_images: int = Field(2, ge=1, description="pictures a prompt")
    kv_cache_gib: int = Field(1, ge=1, description="memory of the cache, CPU only")
    picture_cache_gib: float = Field(1, ge=0, description="memory for pictures")
    compiled: bool = Field(True, description="whether to compile; starts more slowly")
    adapters: dict[str, Path] = Field(
        default_factory=dict, description="name -> folder of a LoRA adapter"
    )
    arguments: tuple[str, ...] = Field((), description="more flags of vllm serve")
    ready_seconds: float = Field(900, gt=0, description="longest start")
    restarts: int = Field(5, ge=0, description="starts in a row that may fail")

    @field_validator("arguments")
    @classmethod
    def _harmless(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for flag in value:
            name = flag.partition("=")[0].replace("_", "-")
            # vLLM takes beginnings of flags as well.
            if len(name) > 3 and any(closed.startswith(name) for closed in CLOSED):
                raise ValueError(
                    f"the flag {name} of vLLM is set by rsvlm, or would open the server "
                    "to its users"
                )
        return value


def command(
    settings: VllmSettings, folder: Path, name: str, port: int, dtype: str
) -> list[str]:
    """Return the command line of a server.

    Args:
        settings: How it is run.
        folder: Exported folder.
        name: Name that clients use.
        port: Port on the loopback address.
        dtype: Type of the weights.

    Raises:
        SettingsError: If an adapter cannot be served.
    """
    limits = json.dumps({"image": settings.max_images, "video": 0})
    pairs: dict[str, Any] = {
        "--model": folder,
        "--served-model-name": name,
        "--host": "127.0.0.1",
        "--port": port,
        "--dtype": dtype,
        "--max-model-len": settings.max_model_len,
        "--max-num-seqs": settings.max_num_seqs,
        "--limit-mm-per-prompt": limits,
        "--mm-processor-cache-gb": settings.picture_cache_gib,
        # Pictures come as data; no host is called so.
        "--allowed-media-domains": "none.invalid",
        "--tensor-parallel-size": settings.tensor_parallel,
        "--data-parallel-size": settings.data_parallel,
    }
    words = [settings.python, "-P", "-m", "rsvlm.app.vllm_child"]
    for flag, value in pairs.items():
        words += [flag, str(value)]
    words += ["--enable-prefix-caching", "--disable-fastapi-docs"]
    # Trying out the largest pictures takes a minute on a CPU and tells nothing there.
    words += ["--skip-mm-profiling", "--disable-uvicorn-access-log"]
    if not settings.compiled:
        words.append("--enforce-eager")
    return [*words, *_adapters(settings.adapters), *settings.arguments]


def environment(settings: VllmSettings, key: str) -> dict[str, str]:
    """Return the environment of a server.

    Args:
        settings: How it is run.
        key: What requests have to carry; not on the command line, which all users of a
            machine can read.
    """
    kept = {k: v for k, v in os.environ.items() if k not in WITHHELD}
    cores = os.cpu_count() or 1
    chosen = {
        "VLLM_CPU_KVCACHE_SPACE": str(settings.kv_cache_gib),
        "OMP_NUM_THREADS": str(cores),
    }
    if cores <= 2:  # vLLM would leave one to its front end
        chosen["VLLM_CPU_NUM_OF_RESERVED_CPU"] = "0"
    preload = _openmp(settings.python)
    if preload is not None:
        before = kept.get("LD_PRELOAD", "")
        chosen["LD_PRELOAD"] = f"{preload}:{before}".rstrip(":")
    fixed = {
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "VLLM_API_KEY": key,
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
        "VLLM_MAX_N_SEQUENCES": "8",
        "PYTHONUNBUFFERED": "1",
    }
    given = {k: kept[k] for k in chosen if k in kept and k.startswith("VLLM_")}
    return {**kept, **chosen, **given, **fixed}


def _openmp(python: str) -> Path | None:
    """Return Intel's OpenMP library beside a Python; vLLM's CPU build brings it."""
    path = Path(python).parent.parent / "lib" / "libiomp5.so"
    return path if path.is_file() else None


def _adapters(adapters: Mapping[str, Path]) -> Sequence[str]:
    if not adapters:
        return ()
    ranks = [_rank(name, folder) for name, folder in adapters.items()]
    room = next((size for size in LORA_RANKS if size >= max(ranks)), None)
    if room is None:
        raise SettingsError(
            f"An adapter has rank {max(ranks)}; vLLM takes {LORA_RANKS[-1]} at most. "
            "Merge it into the checkpoint with rsvlm export."
        )
    named = [f"{name}={folder.resolve()}" for name, folder in adapters.items()]
    return ("--enable-lora", "--max-lora-rank", str(room), "--lora-modules", *named)


def _rank(name: str, folder: Path) -> int:
    """Return the rank of an adapter of PEFT.

    Raises:
        SettingsError: If there is none, or it changes more than the language model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
        rank = int(config["r"])
        with safe_open(folder / "adapter_model.safetensors", framework="np") as file:
            keys = list(file.keys())
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise SettingsError(
            f"The adapter {name!r} cannot be read from {folder}: {error}. Give the "
            "folder that save_pretrained of peft wrote."
        ) from error
    other = [key for key in keys if "language_model" not in key]
    if other:
        raise SettingsError(
            f"The adapter {name!r} changes more than the language model, such as "
            f"{other[0]}. Merge it into the checkpoint and export that."
        )
    return rank
