"""From maps to regions in raster pixels."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.errors import CheckpointError
from rsvlm.findings import ShapeKind
from rsvlm.geometry import HBB, OBB, Mask, Polygon, Region, Shape, iou
from rsvlm.models.encoder import frozen_encoder
from rsvlm.models.finder import FinderSettings, RegionFinder
from rsvlm.models.outline_head import MARGIN, SIDE, OutlineHead
from rsvlm.models.outlines import save_outlines
from rsvlm.models.region_head import OVERLAP, SIZE_UNIT, Looked
from rsvlm.models.text_encoder import TextEncoder
from rsvlm.render import View

MakeView = Callable[..., View]
Noise = Callable[..., NDArray[np.uint8]]
#: Boxes that the head below sees, view px, with the logit of each.
SEEN = {"ship": [((30, 40, 62, 60), 2.0), ((80, 14, 94, 28), -1.0)], "tank": []}


class Eyes(nn.Module):
    """A head that sees what the table says, and a slanting mask of the first ship."""

    def __init__(self, seen: dict[str, Any], labels: list[str]) -> None:
        super().__init__()
        self.seen, self.labels, self.looks = seen, labels, 0

    def heat(self, looked: Looked, queries: Tensor) -> Tensor:
        return looked.places

    def masks(self, looked: Looked, colours: Tensor, queries: Tensor) -> Tensor:
        return looked.fine

    def look(self, features: Tensor) -> Looked:
        self.looks += 1
        h, w = features.shape[2:]
        heat = torch.full((1, len(self.labels), 2 * h, 2 * w), -9.0)
        size, offset = torch.zeros(2, 1, 2, 2 * h, 2 * w)
        mask = torch.full((1, len(self.labels), 4 * h, 4 * w), -5.0)
        for k, label in enumerate(self.labels):
            for (x0, y0, x1, y1), logit in self.seen[label]:
                x, y = (x0 + x1) / 14, (y0 + y1) / 14  # cells of 7 px
                heat[0, k, int(y), int(x)] = logit
                offset[0, :, int(y), int(x)] = torch.tensor([x - int(x), y - int(y)])
                size[0, :, int(y), int(x)] = torch.log(
                    torch.tensor([x1 - x0, y1 - y0]) / SIZE_UNIT
                )
        if "ship" in self.labels:
            ys, xs = np.mgrid[0 : 4 * h, 0 : 4 * w] * 3.5
            far = np.abs((xs + 1.75 - 46) - 2 * (ys + 1.75 - 50)) / 5**0.5  # px
            along = np.abs(2 * (xs + 1.75 - 46) + (ys + 1.75 - 50)) / 5**0.5
            logits = np.minimum(5 - far, 16 - along)
            mask[0, self.labels.index("ship")] = torch.from_numpy(logits)
        return Looked(mask, heat, size, offset)


@pytest.fixture
def make_finder(encoder_folder: Path, text_folder: Path) -> Callable[..., RegionFinder]:
    def make(labels: list[str], **changes: Any) -> RegionFinder:
        fields: dict[str, Any] = {
            "encoder": str(encoder_folder), "layers": (2, 4), "long_side": 112,
            "width": 16, "embedding": 8, "labels": ("ship", "tank"),
        }  # fmt: skip
        settings = FinderSettings(**fields | changes)
        head: Any = Eyes(SEEN, labels)
        return RegionFinder(
            settings,
            head,
            frozen_encoder(str(encoder_folder)),
            TextEncoder(text_folder),
        )

    return make


def test_regions_are_raster_pixels(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    finder = make_finder(["ship", "tank"])
    # The view shows 224 x 192 px of the raster at half size.
    view = make_view(noise(96, 112), window=HBB(1000, 500, 1224, 692))
    findings = finder.find(view, ["ship", "tank"])
    (ship,) = findings.regions
    assert ship.label == "ship"
    assert ship.shape.hbb.corners[0] == pytest.approx((1060, 580), abs=0.1)
    assert ship.shape.hbb.corners[2] == pytest.approx((1124, 620), abs=0.1)
    assert ship.confidence == findings.best == pytest.approx(0.8808, abs=1e-3)
    assert finder.find(view, []).regions == ()


def test_the_purpose_chooses_the_cut(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    cuts = {"locate": 0.2, "presence": 0.5, "anything": 0.95}
    finder = make_finder(["ship"], cuts=cuts)
    view = make_view(noise(112, 112))
    found = {p: finder.find(view, ["ship"], purpose=p) for p in finder.settings.cuts}
    assert {p: len(f.regions) for p, f in found.items()} == {
        "locate": 2, "presence": 1, "anything": 0,
    }  # fmt: skip
    assert {f.best for f in found.values()} == {found["locate"].best}
    scores = [region.confidence for region in found["locate"].regions]
    assert scores == sorted(scores, reverse=True)
    assert (
        len(finder.loosened(0.0).find(view, ["ship"], purpose="anything").regions) == 2
    )
    # Confidences are calibrated: here every score is worth much less.
    strict = make_finder(["ship"], cuts=cuts, slope=1.0, intercept=-4.0)
    assert strict.find(view, ["ship"]).regions == ()
    assert strict.confidence(0.5) == pytest.approx(1 / (1 + np.exp(4)))


def test_a_label_has_an_offset_and_what_is_left_out_is_told(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    cuts = {"locate": 0.5, "presence": 0.3, "anything": 0.5}
    finder = make_finder(["ship"], cuts=cuts)
    view = make_view(noise(112, 112))
    found = finder.find(view, ["ship"])
    all_of = finder.loosened(0.0).find(view, ["ship"])
    assert found.missed == pytest.approx(
        sum(r.confidence for r in all_of.regions) - found.regions[0].confidence
    )
    assert all_of.missed == 0.0
    # Without a cut of its own, what is taken for granted has that of a yes.
    assert finder.settings.cut("named") == 0.3
    poor = make_finder(["ship"], cuts=cuts, offsets={"ship": -3.0})
    assert poor.find(view, ["ship"]).regions == ()
    assert poor.confidence(0.5, "tank") == 0.5
    assert poor.confidence(0.5, "ship") == pytest.approx(1 / (1 + np.exp(3)))


def test_the_cut_of_masks_makes_them_larger(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    view = make_view(noise(112, 112))
    areas = [
        make_finder(["ship"], mask_cut=cut).find(view, ["ship"], "mask").regions[0].shape.area
        for cut in (1.5, 0.0, -1.5)
    ]  # fmt: skip
    assert areas == sorted(set(areas))


def test_all_kinds_of_shapes(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    finder = make_finder(["ship"])
    view = make_view(noise(112, 112), window=HBB(10, 20, 10 + 224, 20 + 224))
    kinds: dict[ShapeKind, type] = {
        "hbb": HBB, "obb": OBB, "polygon": Polygon, "mask": Mask,
    }  # fmt: skip
    shapes = {
        kind: finder.find(view, ["ship"], kind).regions[0].shape for kind in kinds
    }
    for kind, shape in shapes.items():
        assert isinstance(shape, kinds[kind])
    # What was drawn: 32 x 10 px around (46, 50), falling by one in two; twice as
    # large on the raster.
    obb = shapes["obb"]
    assert isinstance(obb, OBB)
    truth = OBB.from_center(
        10 + 2 * 46, 20 + 2 * 50, 64, 20, float(np.degrees(np.arctan2(1, 2)))
    )
    assert iou(obb, truth) > 0.7
    for kind in ("polygon", "mask"):
        assert iou(shapes[kind], truth) > 0.75
        assert shapes[kind].area == pytest.approx(truth.area, rel=0.15)


def test_where_the_mask_is_empty_the_box_stays(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    finder = make_finder(["ship"]).loosened(0.1)
    view = make_view(noise(112, 112))
    _, faint = finder.find(view, ["ship"], "mask").regions
    assert faint.shape.kind == "hbb"


def test_boxes_are_cut_at_the_edge_of_the_view(
    make_finder: Callable[..., RegionFinder],
    make_view: MakeView,
    noise: Noise,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        SEEN, "ship", [((80, 70, 130, 130), 3.0), ((0, 0, 0.9, 0.9), 3.0)]
    )
    view = make_view(noise(100, 100))  # 8 x 8 patches reach beyond it
    (ship,) = make_finder(["ship"]).find(view, ["ship"]).regions
    assert ship.shape.hbb.corners[2] == (100, 100)


def test_features_are_kept_for_the_views_used_last(
    make_finder: Callable[..., RegionFinder],
    make_view: MakeView,
    noise: Noise,
) -> None:
    finder = make_finder(["ship"])
    finder.kept_views = 2
    encoded: list[int] = []
    head: Any = finder.head
    finder.encoder.register_forward_pre_hook(lambda *_: encoded.append(1))
    a, b, c = (make_view(noise(112, 98, seed)) for seed in range(3))
    for view, count in ((a, 1), (b, 2), (a, 2), (c, 3), (a, 3), (b, 4)):
        finder.find(view, ["ship"])
        assert len(encoded) == count == head.looks
    turned = make_view(b.pixels.reshape(98, 112, 3))  # equal bytes, another picture
    finder.find(turned, ["ship"])
    assert len(encoded) == 5
    loose = finder.loosened(0.1)
    loose.find(turned, ["ship"])
    assert len(encoded) == 5
    assert loose.kept_views == 2


def test_a_region_of_a_known_label_gets_its_outline(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    finder = make_finder(["ship"])
    view = make_view(noise(98, 112), window=HBB(10, 20, 10 + 224, 20 + 196))
    # Around what was drawn, see above, on the raster; in view px 28 to 64, 38 to 62.
    region = Region(HBB(66, 96, 138, 144), "ship", 0.7)
    found = finder.refine(view, region)
    assert (found.label, found.confidence) == (region.label, 0.7)
    truth = OBB.from_center(
        10 + 2 * 46, 20 + 2 * 50, 64, 20, float(np.degrees(np.arctan2(1, 2)))
    )
    assert isinstance(found.shape, Mask)
    assert iou(found.shape, truth) > 0.75
    turned = finder.refine(view, region, "obb").shape
    assert isinstance(turned, OBB)
    assert iou(turned, truth) > 0.7


class Inner(nn.Module):
    """Outlines the middle of every frame: half of the box's width, all of its height.

    What is known before is taken as it is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, *inputs: Tensor) -> Tensor:
        self.prompts = inputs[-1]
        places = (torch.arange(SIDE) + 0.5) / SIDE * (1 + 2 * MARGIN) - MARGIN
        ys, xs = torch.meshgrid(places, places, indexing="ij")
        inside = ((xs - 0.5).abs() < 0.25) & ((ys - 0.5).abs() < 0.5)
        drawn = inside.float() * 8 - 4
        return torch.where(self.prompts == 0, drawn, 4 * self.prompts)


def outlining(make_finder: Callable[..., RegionFinder]) -> RegionFinder:
    finder = make_finder(["ship"])
    inner: Any = Inner()
    finder.outlines = inner
    return finder


def test_an_outline_head_draws_what_was_found(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    finder = outlining(make_finder)
    view = make_view(noise(98, 112), window=HBB(10, 20, 10 + 224, 20 + 196))
    (box,) = finder.find(view, ["ship"]).regions
    # The box lies around the outline; without one it is 70, 100, 134, 140.
    assert isinstance(box.shape, HBB)
    assert iou(box.shape, HBB(86, 100, 118, 140)) > 0.9
    for shape, kind in (("mask", Mask), ("polygon", Polygon), ("obb", OBB)):
        (ship,) = finder.find(view, ["ship"], cast(ShapeKind, shape)).regions
        assert isinstance(ship.shape, kind)
        assert iou(ship.shape, HBB(86, 100, 118, 140)) > 0.9
    other = outlining(make_finder)
    assert other.revision == finder.revision
    assert finder.revision != make_finder(["ship"]).revision
    other = outlining(make_finder)
    assert other.outlines is not None
    with torch.no_grad():
        next(iter(other.outlines.parameters())).add_(1)
    assert finder.revision != other.revision
    moved = outlining(make_finder).to("meta")
    assert moved.outlines is not None
    assert next(iter(moved.outlines.parameters())).is_meta
    kept = finder.loosened(0.0)
    assert kept.outlines is finder.outlines


def test_what_becomes_one_object_by_its_outline_is_found_once(
    make_finder: Callable[..., RegionFinder], noise: Noise
) -> None:
    """Candidates with outlines of their own stay; of two with nearly the same, one."""
    finder = outlining(make_finder)
    boxes = [HBB(20, 40, 60, 60), HBB(36, 40, 44, 60), HBB(80, 10, 100, 30)]
    assert iou(boxes[0], boxes[1]) < OVERLAP
    regions = [
        Region(b, "ship", s) for b, s in zip(boxes, (0.5, 0.7, 0.6), strict=True)
    ]
    none = [torch.zeros(4, 4)] * 3
    kept = finder.tight(noise(98, 112), regions, none)
    assert [region.confidence for region, _ in kept] == [0.7, 0.6, 0.5]
    regions[1] = replace(regions[1], shape=HBB(20, 42, 59, 60))
    kept = finder.tight(noise(98, 112), regions, none)
    assert [region.confidence for region, _ in kept] == [0.7, 0.6]
    finder.outlines = None
    kept = finder.tight(noise(98, 112), regions, none)
    assert [region.confidence for region, _ in kept] == [0.7, 0.6, 0.5]
    assert kept[0][0].shape == regions[1].shape


@pytest.mark.parametrize("coarse", ["box", "mask", "turned"])
def test_a_drawn_region_of_any_name_gets_its_outline(
    make_finder: Callable[..., RegionFinder],
    make_view: MakeView,
    noise: Noise,
    coarse: str,
) -> None:
    finder = outlining(make_finder)
    view = make_view(noise(98, 112), window=HBB(10, 20, 10 + 224, 20 + 196))
    lower = np.zeros((48, 72), bool)
    lower[24:] = True
    given: dict[str, tuple[Shape, Shape]] = {
        "box": (HBB(66, 96, 138, 144), HBB(84, 96, 120, 144)),
        "mask": (Mask.from_array(lower, 66, 96), HBB(66, 120, 138, 144)),
        "turned": (OBB.from_center(102, 120, 72, 48, 30),) * 2,
    }
    before, after = given[coarse]
    found = finder.refine(view, Region(before, "a thing without a name", 0.7))
    assert (found.label, found.confidence) == ("a thing without a name", 0.7)
    assert isinstance(found.shape, Mask)
    assert iou(found.shape, after) > 0.85


def test_a_region_outside_the_view_stays_its_box(
    make_finder: Callable[..., RegionFinder], make_view: MakeView, noise: Noise
) -> None:
    finder, view = make_finder(["ship"]), make_view(noise(98, 112))
    for shape in (HBB(200, 200, 230, 230), Mask.from_array(np.zeros((4, 4), bool))):
        assert finder.refine(view, Region(shape)).shape == shape.hbb
    empty = HBB(0, 70, 20, 90)  # the mask is nowhere near
    assert finder.refine(view, Region(empty)).shape == empty


def test_a_trained_head_is_loaded(
    region_run: Path, make_view: MakeView, noise: Noise
) -> None:
    finder = RegionFinder.load(region_run)
    assert finder.side == 112
    assert "airplane" in finder.labels
    view = make_view(noise(112, 112))
    shared = RegionFinder.load(region_run, finder.encoder)
    assert shared.encoder is finder.encoder
    one = finder.loosened(0.0).find(view, ["airplane", "a white ship"], "mask")
    two = shared.loosened(0.0).find(view, ["airplane", "a white ship"], "mask")
    assert one == two
    assert one.regions


def _settings(folder: Path, **changes: Any) -> None:
    path = folder / "regions.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "regions.json").unlink(), "has no region head"),
        (lambda f: (f / "regions.json").write_text("{"), "is not valid"),
        (lambda f: (f / "regions.json").write_bytes(b"\xff\xfe"), "no UTF-8 text"),
        (lambda f: _settings(f, colour="red"), "is not valid"),
        (lambda f: _settings(f, width=64), "does not fit"),
        (lambda f: (f / "regions.safetensors").unlink(), "is missing"),
        (lambda f: (f / "regions.safetensors").write_bytes(b"x" * 99), "is damaged"),
        (lambda f: (f / "outlines.safetensors").write_bytes(b"x" * 99), "is damaged"),
        (lambda f: save_outlines(OutlineHead(16, 16), f), "region head beside it"),
    ],
)
def test_a_damaged_head_is_refused_in_one_line(
    region_run: Path, tmp_path: Path, harm: Callable[[Path], Any], message: str
) -> None:
    for name in ("regions.json", "regions.safetensors"):
        shutil.copy(region_run / name, tmp_path)
    harm(tmp_path)
    with pytest.raises(CheckpointError, match=message) as caught:
        RegionFinder.load(tmp_path)
    assert "\n" not in str(caught.value)
