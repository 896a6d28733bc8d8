"""Settings of ``rsvlm train outlines``."""

from pydantic import Field

from rsvlm.training.mix import Mix
from rsvlm.training.reading import Names
from rsvlm.training.run import Recipe


class OutlineRecipe(Recipe):
    """Settings of ``rsvlm train outlines``: encoder and region head stay as they are."""

    train: Names = Field(("train.jsonl",), description="files in the data folder")
    val: Names = Field(("val.jsonl",), description="files that choose the epoch")
    start: str = Field(
        "", description="shipped checkpoint, or folder, with the region head"
    )
    view: int = Field(
        0,
        ge=0,
        description="px of the square windows, of pictures at the head's long side; "
        "0: all of a picture",
    )
    width: int = Field(64, ge=16, multiple_of=16, description="channels")
    epochs: int = Field(12, ge=1)
    batch: int = Field(8, ge=1, description="views of a step")
    objects: int = Field(8, ge=1, description="most objects of a view")
    learning_rate: float = 2e-3
    weight_decay: float = 0.02
    average: float = Field(
        0.99, ge=0, lt=1, description="decay of the mean weights that are kept"
    )
    mix: Mix = Field(Mix(), description="how sources share an epoch of views")
    check_every: int = Field(2, ge=1, description="epochs between held-out checks")
    seed: int = 0
