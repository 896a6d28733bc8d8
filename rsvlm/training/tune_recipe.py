"""Settings of ``rsvlm train tune``."""

from typing import Literal

from pydantic import Field

from rsvlm.training.loader import Windows
from rsvlm.training.mix import Mix
from rsvlm.training.reading import Names
from rsvlm.training.run import Recipe

#: What can learn.
Part = Literal["optical_projector", "sar_projector", "lora"]


class TuneRecipe(Recipe):
    """Settings of ``rsvlm train tune``."""

    train: Names = ("train.jsonl",)
    val: Names = ("val.jsonl",)
    language_model: str = Field("smollm2-135m-instruct", description="asset")
    encoder: str = Field("dinov2-s", description="asset of the frozen encoder")
    start: str = Field("", description="checkpoint that goes on; '': base weights")
    aligned: str = Field("", description="folder of align.json, for its SAR encoder")
    parts: tuple[Part, ...] = Field(
        ("optical_projector", "lora"), description="what learns; the rest stays"
    )
    layers: tuple[int, ...] = (6, 9, 12)
    tile_size: int = Field(336, description="px")
    max_tiles: int = Field(4, ge=0, description="fine tiles beside the overview")
    variants: int = Field(
        2,
        ge=0,
        description="changed copies of each picture that are encoded once; 0: "
        "every step shows it anew, at a random size",
    )
    variants_of: dict[str, int] = Field(
        default_factory=dict, description="source -> another number of its copies"
    )
    factor: int = Field(4, description="patches a token's side")
    rank: int = 16
    alpha: int = 32
    warm_steps: int = Field(400, ge=0)
    warm_batch: int = 48
    warm_rate: float = 1e-3
    steps: int = Field(1000, ge=1)
    epochs: float | None = Field(
        None, gt=0, description="passes over the mix, in place of 'steps'"
    )
    batch: int = Field(8, ge=1, description="pictures a step, of all processes")
    recompute: bool = Field(
        False,
        description="keep the input of each layer of the language model and compute "
        "the rest again: a third of the memory, half more time",
    )
    lora_rate: float = 4e-4
    projector_rate: float = 4e-4
    questions: dict[str, int] = Field(
        default_factory=lambda: {
            "classify": 2,
            "vqa": 4,
            "count": 1,
            "caption": 1,
            "ground": 1,
            "segment": 1,
        },
        description="task -> most questions a picture and step",
    )
    mix: Mix = Field(Mix(), description="how sources share an epoch")
    trained_gsd_m: tuple[float, float] | None = Field(
        None, description="finest and coarsest m/px of the optical training pictures"
    )
    sar_gsd_m: tuple[float, float] | None = Field(
        None, description="the same of the radar pictures"
    )
    weak_sensors: tuple[Literal["optical", "sar"], ...] = Field(
        (), description="sensors about whose images its words are hardly ever right"
    )
    check_every: int = Field(100, description="steps between held-out checks")
    check_pictures: int = 64
    seed: int = 0

    def windows(self, epoch_size: int, process: tuple[int, int]) -> Windows:
        """Return the steps of a run.

        Args:
            epoch_size: Samples of an epoch of the mix.
            process: Rank of this process, and how many there are.

        Raises:
            SettingsError: If a step has no sample for some process.
        """
        if self.epochs is None:
            return Windows(self.steps * self.batch, self.steps, process)
        samples = max(round(self.epochs * epoch_size), 1)
        return Windows(samples, max(samples // self.batch, 1), process)
