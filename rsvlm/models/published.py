"""Published pairs of encoders: a model of open_clip and the file of its weights.

``"ViT-L-14-quickgelu:RemoteCLIP-ViT-L-14.pt"`` names one. :class:`PublishedEncoder`
uses both halves for search and zero-shot classification;
:func:`~rsvlm.models.bases.base_folder` turns the image half into the optical encoder of
RSVLM. Nothing is fetched: files are downloaded by hand.

Layouts of files:
    RemoteCLIP, GeoRSCLIP: state dict of open_clip's CLIP.
    SkyCLIP: checkpoint of open_clip's training, ``{"epoch", "name", "state_dict",
    "optimizer", "scaler"}``, with names that begin with ``module.``.
    ``open_clip_pytorch_model.bin``, ``open_clip_model.safetensors``: state dict.

Source:
    RemoteCLIP, https://arxiv.org/abs/2306.11029, its ``remoteclip_retrieval.py``.
    GeoRSCLIP, https://arxiv.org/abs/2306.11300, its ``inference/convert_weight.py``.
    SkyCLIP, https://arxiv.org/abs/2312.12856, its ``src/training/main.py``.
"""

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from rsvlm.embedding import Vectors, unit
from rsvlm.errors import CheckpointError
from rsvlm.models.open_clip import load_clip
from rsvlm.models.precision import fast_dtype
from rsvlm.render import View

#: Pictures or texts that go through the network together; more are not faster.
BATCH = 8
#: Raised when vectors of the same weights change.
REVISION = 1
#: Published files whose training started from OpenAI's weights, and so computed
#: QuickGELU, although their plain architecture in open_clip computes GELU.
_QUICK = re.compile(
    r"RemoteCLIP-(ViT|RN)|RS5M_ViT-B-32|SkyCLIP_ViT_L14|CLIP_ViT_L14_LAION_RS"
)


@dataclass(frozen=True, slots=True)
class Published:
    """A model of open_clip and the file of its weights.

    Attributes:
        arch: Architecture that open_clip knows, such as ``"ViT-L-14-quickgelu"``.
        file: State dict, training checkpoint or safetensors.

    .. versionadded:: 0.1
    """

    arch: str
    file: Path

    @classmethod
    def parse(cls, name: str) -> "Published":
        """Read ``"ARCH:FILE"``.

        Raises:
            CheckpointError: If there is no such file.
        """
        arch, _, rest = name.partition(":")
        file = Path(rest).expanduser()
        if not file.is_file():
            raise CheckpointError(_absent(arch, rest))
        return cls(arch.replace("/", "-"), file)

    @property
    def key(self) -> str:
        """What tells architecture and weights from others, for names of files."""
        stat = self.file.stat()
        digest = _digest(self.file.resolve(), stat.st_size, stat.st_mtime_ns)
        return f"{self.arch}-{digest[:16]}"

    def load(self) -> Any:
        """Return the model of open_clip, image and text part, in evaluation mode.

        Warns:
            UserWarning: If a published file is known to need another activation.

        Raises:
            CheckpointError: If open_clip lacks the architecture or a part of it, or
                the file is damaged, holds code or does not fit.
        """
        config = _config(self.arch)
        text = config["text_cfg"]
        if hub := text.get("hf_model_name"):
            raise CheckpointError(
                f"The text encoder {hub!r} of {self.arch} would come from a model hub, "
                "and nothing is fetched from there. Use an architecture with "
                "open_clip's own text encoder, such as 'ViT-L-14'."
            )
        if _QUICK.search(str(self.file.absolute())) and not config.get("quick_gelu"):
            warnings.warn(
                f"{self.file.name} was trained with QuickGELU, but {self.arch} "
                f"computes GELU. Write '{self.arch}-quickgelu:{self.file}' for the "
                "published accuracy.",
                stacklevel=2,
            )
        return load_clip(self.arch, self.file)


class PublishedEncoder:
    """Both halves of a published model, an :class:`~rsvlm.embedding.Embedder`.

    A picture is squashed to the square that the model takes. For square pictures,
    which tiles are, this is what open_clip's own transform does; of others that
    transform drops the two ends, and what lies there could not be found.

    Attributes:
        sensors: What such models were trained on.

    .. versionadded:: 0.1
    """

    sensors: frozenset[str] = frozenset({"optical"})

    def __init__(
        self, model: Any, tokenizer: Any, width: int, name: str, revision: str
    ) -> None:
        """Take a model and put its weights into the fastest type.

        Args:
            model: CLIP of open_clip, in evaluation mode, in float32.
            tokenizer: Its tokenizer: texts to ids, shape (B, T).
            width: Length D of its vectors.
            name: Name for people.
            revision: What tells these weights from others.
        """
        self.name, self.revision, self.width = name, revision, width
        self.scale = float(model.logit_scale.detach().exp())  # before it is rounded
        self.model = model.requires_grad_(False).to(fast_dtype())
        if torch.cuda.is_available():
            self.model = self.model.cuda()
        self.tokenizer = tokenizer
        form = model.visual.preprocess_cfg
        size = form["size"]
        #: Height and width that the model takes, in px.
        self.size: tuple[int, int] = (size, size) if isinstance(size, int) else size
        self._mean = torch.tensor(form["mean"]).view(3, 1, 1)
        self._std = torch.tensor(form["std"]).view(3, 1, 1)

    @classmethod
    def load(cls, name: str) -> "PublishedEncoder":
        """Load ``"ARCH:FILE"``, such as ``"ViT-B-32-quickgelu:RS5M_ViT-B-32.pt"``.

        Raises:
            CheckpointError: If the file or the architecture cannot be used, or its
                tokenizer is not part of open_clip.
        """
        import open_clip

        published = Published.parse(name)
        config = _config(published.arch)
        foreign = config["text_cfg"].get("hf_tokenizer_name")
        if foreign or "siglip" in published.arch.lower():
            raise CheckpointError(
                f"The tokenizer of {published.arch} would be fetched, and nothing is. "
                "Use an architecture with open_clip's own tokenizer, such as "
                "'ViT-L-14'."
            )
        model = published.load()
        tokenizer = open_clip.get_tokenizer(published.arch)
        return cls(
            model,
            tokenizer,
            int(config["embed_dim"]),
            f"{published.arch}:{published.file.name}",
            f"{published.key}-{REVISION}",
        )

    @torch.inference_mode()
    def encode_image(self, views: Sequence[View]) -> Vectors:
        """Return unit vectors of pictures, shape (B, D)."""
        vectors = np.zeros((len(views), self.width), np.float32)
        for start in range(0, len(views), BATCH):
            part = views[start : start + BATCH]
            pixels = torch.stack([self._pixels(view) for view in part])
            like = self.model.logit_scale  # of the type and device of all weights
            output = self.model.encode_image(pixels.to(like))
            vectors[start : start + BATCH] = output.float().cpu().numpy()
        return unit(vectors)

    @torch.inference_mode()
    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Return unit vectors of texts, shape (B, D); long ones are cut at T tokens."""
        vectors = np.zeros((len(texts), self.width), np.float32)
        for start in range(0, len(texts), BATCH):
            ids = self.tokenizer(list(texts[start : start + BATCH]))  # (b, T)
            output = self.model.encode_text(ids.to(self.model.logit_scale.device))
            vectors[start : start + BATCH] = output.float().cpu().numpy()
        return unit(vectors)

    def _pixels(self, view: View) -> Tensor:
        """Return normalised pixels of a picture, shape (3, H, W)."""
        height, width = self.size
        picture = Image.fromarray(view.pixels)
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255
        return (pixels - self._mean) / self._std


@lru_cache(maxsize=16)
def _digest(file: Path, size: int, changed: int) -> str:
    """Return the SHA-256 of a file; size and time tell whether it is still the same."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _config(arch: str) -> dict[str, Any]:
    """Return the config of an architecture.

    Raises:
        CheckpointError: If open_clip has none of that name.
    """
    import open_clip

    config: dict[str, Any] | None = None
    if ":" not in arch:  # else it could name a model hub
        config = open_clip.get_model_config(arch)
    if config is None:
        close = get_close_matches(arch, open_clip.list_models(), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise CheckpointError(
            f"open_clip has no architecture {arch!r}.{hint} "
            "Write ARCH:FILE with ARCH of open_clip.list_models()."
        )
    return config


def _absent(arch: str, rest: str) -> str:
    """Return what to say when there is no file behind the colon."""
    import open_clip

    if not rest:
        return (
            f"{arch!r} names no file of weights. Write ARCH:FILE, such as "
            "'ViT-L-14:open_clip_model.safetensors'."
        )
    if arch in ("hf-hub", "local-dir"):
        return (
            f"'{arch}:{rest}' is not opened by that name, since nothing is fetched "
            "from a model hub. Download the weights and write ARCH:FILE, such as "
            "'ViT-L-14:open_clip_model.safetensors'."
        )
    tags = open_clip.list_pretrained_tags_by_model(arch.replace("/", "-"))
    if rest in tags:
        return (
            f"{rest!r} of {arch} lies on a model hub, and nothing is fetched from "
            f"there. Download the file and write '{arch}:FILE'."
        )
    return f"There is no file {rest!r} with weights of {arch}. Give the path of one."
