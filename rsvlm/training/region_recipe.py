"""Settings of ``rsvlm train regions``."""

from typing import Literal

from pydantic import Field

from rsvlm.training.mix import Mix
from rsvlm.training.reading import Names
from rsvlm.training.run import Recipe


class RegionRecipe(Recipe):
    """Settings of ``rsvlm train regions``.

    With ``learn = "head"`` the encoder stays as it is: each picture is encoded in a few
    variants, once, and what it says is kept on disk. With ``"lora"`` the encoder gets
    low-rank updates that learn with the head, and every step shows pictures anew.
    """

    train: Names = Field(("train.jsonl",), description="files in the data folder")
    val: Names = Field(("val.jsonl",), description="files that choose the epoch")
    encoder: str = Field("dinov2-s", description="asset of the encoder")
    text_encoder: str = Field("all-minilm-l6-v2", description="asset")
    learn: Literal["head", "lora"] = "head"
    rank: int = Field(16, ge=1, description="of the encoder's updates")
    first_block: int = Field(0, ge=0, description="first one that is updated")
    layers: tuple[int, ...] = (6, 9, 12)
    long_side: int = Field(672, description="px of a view's longer side")
    view: int = Field(
        0,
        ge=0,
        description="px of the square windows from which 'lora' learns, of pictures at "
        "'long_side'; 0: all of a picture",
    )
    variants: int = Field(4, ge=1, description="random variants of a kept picture")
    epochs: int = Field(24, ge=1)
    batch: int = Field(8, ge=1)
    learning_rate: float = Field(1.5e-3, description="of the head")
    encoder_rate: float = Field(3e-4, description="of the encoder's updates")
    weight_decay: float = 0.02
    average: float = Field(
        0.998, ge=0, lt=1, description="decay of the mean weights that are kept"
    )
    width: int = 192
    embedding: int = 96
    strangers: int = Field(
        4, ge=0, le=27, description="unknown things asked for at a step"
    )
    empty: int = Field(0, ge=0, description="pictures of scenes without objects")
    mosaics: int = Field(0, ge=0, description="views of four windows")
    mix: Mix = Field(
        Mix(), description="how sources and 'mosaics' share an epoch of views"
    )
    check_every: int = Field(2, ge=1, description="epochs between held-out checks")
    start: str = Field("", description="checkpoint whose head training starts from")
    seed: int = 0
