"""SAM 2 as the region head, with random weights of its architecture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Sam2Config, Sam2Model
from transformers.models.sam2.configuration_sam2 import (
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)

from rsvlm.errors import CheckpointError
from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Window
from rsvlm.models.sam2 import Sam2Finder
from rsvlm.render import View


@pytest.fixture(scope="module")
def model() -> Sam2Model:
    torch.manual_seed(0)
    backbone = Sam2HieraDetConfig(
        hidden_size=16, num_attention_heads=1, image_size=[64, 64],
        blocks_per_stage=[1, 2, 2, 2], embed_dim_per_stage=[16, 32, 64, 128],
        num_attention_heads_per_stage=[1, 2, 4, 8], window_size_per_stage=[4, 2, 4, 2],
        window_positional_embedding_background_size=[4, 4],
        global_attention_blocks=[4],
    )  # fmt: skip
    vision = Sam2VisionConfig(
        backbone_config=backbone, backbone_channel_list=[128, 64, 32, 16],
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]], fpn_hidden_size=32,
    )  # fmt: skip
    prompts = Sam2PromptEncoderConfig(image_size=64, hidden_size=32, patch_size=16)
    masks = Sam2MaskDecoderConfig(
        hidden_size=32, mlp_dim=32, num_attention_heads=2, iou_head_hidden_dim=16
    )
    config = Sam2Config(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=masks
    )
    return Sam2Model(config).eval()


class Finder:
    """Finds two boxes, in raster pixels."""

    labels = ("ship",)
    side = 50

    def __init__(self) -> None:
        self.shapes: list[ShapeKind] = []

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        self.shapes.append(shape)
        boxes = (HBB(110, 210, 150, 250), HBB(150, 220, 190, 290))
        return Findings(tuple(Region(box, "ship", 0.9) for box in boxes), 0.9)


@pytest.fixture
def view() -> View:
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 255, (50, 70, 3), dtype=np.uint8)
    window = Window(HBB(100, 200, 240, 300), 70, 50)  # 2 raster px a view px
    return View(pixels, window, "optical", "true-colour", "")


def test_boxes_are_outlined_in_raster_pixels(model: Sam2Model, view: View) -> None:
    inner = Finder()
    finder = Sam2Finder(model, inner)
    assert (finder.labels, finder.side, finder.input) == (("ship",), 50, 64)
    assert finder.granted == 1.0  # the inner one does not tell
    found = finder.find(view, ["ship"], "mask")
    assert inner.shapes == ["hbb"]  # the outline is SAM 2's
    assert found.best == 0.9
    masks = [r.shape for r in found.regions if isinstance(r.shape, Mask)]
    assert masks
    for mask in masks:
        box = mask.hbb
        assert 100 <= box.x0 < box.x1 <= 240
        assert 200 <= box.y0 < box.y1 <= 300


@pytest.mark.parametrize(("shape", "kind"), [("obb", OBB), ("polygon", Polygon)])
def test_outlines_become_the_wanted_shape(
    model: Sam2Model, view: View, shape: ShapeKind, kind: type
) -> None:
    found = Sam2Finder(model, Finder()).find(view, ["ship"], shape)
    assert any(isinstance(region.shape, kind) for region in found.regions)


def test_boxes_need_no_outline(model: Sam2Model, view: View) -> None:
    finder = Sam2Finder(model, Finder())
    assert finder.find(view, ["ship"]).regions[0].shape == HBB(110, 210, 150, 250)
    assert finder._seen is None
    assert Sam2Finder(model).find(view, ["ship"], "mask") == Findings((), 0.0)


def test_a_mask_is_the_same_alone_and_among_others(
    model: Sam2Model, view: View
) -> None:
    finder = Sam2Finder(model)
    boxes = [HBB(5, 5, 25, 25), HBB(25, 10, 45, 45), HBB(0, 0, 69, 49)]
    together = finder._masks(view.pixels, boxes)
    for box, mask in zip(boxes, together, strict=True):
        assert np.array_equal(finder._masks(view.pixels, [box])[0], mask)


def test_a_checkpoint_is_saved_and_loaded(
    model: Sam2Model, view: View, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    loaded = Sam2Finder.load(tmp_path, Finder())
    here = Sam2Finder(model, Finder())
    assert loaded.find(view, ["ship"], "mask") == here.find(view, ["ship"], "mask")


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        Sam2Finder.load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam2"}')
    with pytest.raises(CheckpointError, match="cannot be read"):
        Sam2Finder.load(tmp_path)
