"""The cut of masks is the one that draws what people outlined."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rsvlm.models.finder import FinderSettings, RegionFinder
from rsvlm.models.region_head import Found
from rsvlm.samples import Sample, read_samples
from rsvlm.training.calibrate_masks import CUTS, fit_mask_cut

SIDE, PATCH = 112, 14
SETTINGS = FinderSettings(
    encoder="e", layers=(1,), long_side=SIDE, width=8, embedding=8, labels=("ship",)
)


class Drawn(RegionFinder):
    """Finds one ship, surely in its middle and less so at its border."""

    def __init__(self, box: tuple[float, float, float, float], border: float) -> None:
        self.settings, self.box, self.border = SETTINGS, box, border
        self.outlines = None
        encoder: Any = SimpleNamespace(config=SimpleNamespace(patch_size=PATCH))
        self.encoder = encoder

    def maps(
        self, pixels: NDArray[np.uint8], descriptions: object
    ) -> tuple[list[list[Found]], list[Tensor | None]]:
        assert pixels.shape == (SIDE, SIDE, 3)
        # Cells of 3.5 px: the ship of 28 to 84 px lies in cells 8 to 23.
        logits = torch.full((1, 32, 32), -4.0)
        logits[:, 8:24, 8:24] = self.border
        logits[:, 12:20, 12:20] = 3.0
        return [[Found(self.box, 0.9), Found((0, 0, 9, 9), 0.8)]], [*logits]


@pytest.fixture
def sample(smoke_data: Path, tmp_path: Path) -> Sample:
    """A picture twice as large as a view, with a ship of 56 to 168 px."""
    Image.new("RGB", (2 * SIDE, 2 * SIDE)).save(tmp_path / "a.png")
    ring = (56.0, 56.0, 168.0, 56.0, 168.0, 168.0, 56.0, 168.0)
    given = next(
        s for s in read_samples(smoke_data / "val.jsonl") if s.task == "detect"
    )
    target = given.targets[0].model_copy(
        update={"label": "ship", "hbb": (56.0, 56.0, 168.0, 168.0), "polygons": (ring,)}
    )
    image = given.images[0].model_copy(
        update={"path": "a.png", "width": 2 * SIDE, "height": 2 * SIDE}
    )
    boxed = target.model_copy(update={"polygons": ()})  # teaches nothing about masks
    return given.model_copy(update={"images": (image,), "targets": (target, boxed)})


def test_the_border_decides(sample: Sample, tmp_path: Path) -> None:
    """Between the logits of the border and those beyond it the outline runs."""
    cuts = []
    for border in (-1.1, 0.6, 3.0):
        finder = Drawn((22, 22, 90, 90), border)  # a loose box: a low cut would fill it
        cut, overlap = fit_mask_cut(finder, [sample], tmp_path)
        assert -4 < cut < border
        assert cut in CUTS
        assert overlap > 0.98
        cuts.append(cut)
    assert cuts == sorted(set(cuts))


def test_what_is_not_found_does_not_count(sample: Sample, tmp_path: Path) -> None:
    elsewhere = Drawn((60, 60, 110, 110), -1.0)
    assert fit_mask_cut(elsewhere, [sample], tmp_path) == (0.0, 0.0)
    assert fit_mask_cut(elsewhere, [], tmp_path) == (0.0, 0.0)
