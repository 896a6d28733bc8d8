"""RegionFinder: descriptions and a view in, regions in raster pixels out.

Encoder, region head and text encoder together. It works beside any engine: the same
code sharpens the answer of the local model and of a remote one.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from rsvlm.findings import Findings, Purpose, ShapeKind
from rsvlm.geometry import HBB, Mask, Region, Shape, nms
from rsvlm.models.encoder import feature_width, patch_size
from rsvlm.models.features import (
    colours_of,
    feature_grid,
    normalised,
)
from rsvlm.models.outline_head import OutlineHead
from rsvlm.models.outlines import (
    Drawn,
    at_pixels,
    load_outlines,
    outlined,
    without_specks,
)
from rsvlm.models.precision import fast_dtype
from rsvlm.models.region_files import (
    ENCODER,
    HEAD_FILE,
    SETTINGS_FILE,
    FinderSettings,
    load_trunk,
    load_weights,
    read_settings,
    save_settings,
)
from rsvlm.models.region_head import (
    CENTRE_FACTOR,
    MASK_FACTOR,
    OVERLAP,
    Found,
    Looked,
    RegionHead,
    distinct,
    peaks,
)
from rsvlm.models.text_encoder import TextEncoder
from rsvlm.render import View

__all__ = [
    "HEAD_FILE",
    "SETTINGS_FILE",
    "FinderSettings",
    "RegionFinder",
    "load_weights",
    "save_settings",
]

#: Views of which features are kept unless told otherwise, some 10 MB each.
KEPT_VIEWS = 16


class RegionFinder:
    """Finds what descriptions name in a view.

    .. versionadded:: 0.1
    """

    def __init__(
        self,
        settings: FinderSettings,
        head: RegionHead,
        encoder: nn.Module,
        text: TextEncoder,
        outlines: OutlineHead | None = None,
    ) -> None:
        """Join the parts.

        Args:
            settings: How the head was built, and how to read its scores.
            head: Finds objects.
            encoder: What both heads read; may be shared with a local engine.
            text: Encoder of descriptions.
            outlines: Outlines objects; without it the coarse masks of ``head`` do.
        """
        self.settings, self.outlines = settings, outlines
        self.head, self.encoder, self.text = head.eval(), encoder, text
        self._views: OrderedDict[str, tuple[Tensor, Looked]] = OrderedDict()
        self.kept_views = KEPT_VIEWS

    @classmethod
    def load(cls, folder: Path, encoder: nn.Module | None = None) -> "RegionFinder":
        """Load the head of a checkpoint folder.

        Args:
            folder: Checkpoint folder with ``regions.safetensors``.
            encoder: The encoder that the settings name, where it is loaded already;
                a head whose encoder learned with it has its own.

        Raises:
            CheckpointError: If the files are missing, damaged or do not fit.
        """
        settings = read_settings(folder)
        describe = TextEncoder.of(settings.text_encoder)
        if encoder is None or settings.lora is not None:
            encoder = load_trunk(settings, folder)
        width = feature_width(encoder, settings.layers)
        head = RegionHead(width, describe.width, settings.width, settings.embedding)
        load_weights(head, folder / HEAD_FILE)
        outlines = load_outlines(folder, width)
        return cls(settings, head.float(), encoder, describe, outlines)

    def to(self, device: torch.device | str) -> "RegionFinder":
        """Move encoder and heads; what is found comes back to the CPU."""
        self.head.to(device)
        if self.outlines is not None:
            self.outlines.to(device)
        self.encoder.to(device)
        self._views.clear()
        return self

    @torch.no_grad()
    def maps(
        self, pixels: NDArray[np.uint8], descriptions: Sequence[str]
    ) -> tuple[list[list[Found]], list[Tensor | None]]:
        """Return candidates of each description, and coarse mask logits.

        Args:
            pixels: RGB of the view, shape (H, W, 3).
            descriptions: K phrases.

        Returns:
            Candidates in view px, best first, and logits of shape (4h, 4w) for patches
            of h rows and w columns; None where an outline head draws the masks.
        """
        grid, looked = self._view(pixels)
        queries = self.text.encode(descriptions)[None].to(self.device)
        coarse: list[Tensor | None] = [None] * len(descriptions)
        with self._fast():
            heat = self.head.heat(looked, queries).float().cpu()
            if self.outlines is None:
                rows, columns = grid.shape[2:]
                colours = colours_of(pixels, rows, columns, patch_size(self.encoder))
                inputs = colours[None].to(self.device), queries
                coarse = list(self.head.masks(looked, *inputs)[0].float().cpu())
        size, offset = (
            value[0].float().cpu() for value in (looked.size, looked.offset)
        )
        stride = patch_size(self.encoder) / CENTRE_FACTOR
        return [peaks(one, size, offset, stride, 300) for one in heat[0]], coarse

    def _fast(self) -> torch.autocast:
        fast = fast_dtype() is torch.bfloat16
        return torch.autocast(self.device.type, torch.bfloat16, enabled=fast)

    def loosened(self, least: float) -> "RegionFinder":
        """Return a finder that reports every candidate from a confidence on."""
        cuts = dict.fromkeys(self.settings.cuts, least)
        settings = self.settings.model_copy(update={"cuts": cuts})
        other = RegionFinder(
            settings, self.head, self.encoder, self.text, self.outlines
        )
        other._views, other.kept_views = self._views, self.kept_views
        return other

    def cut(self, purpose: Purpose) -> float:
        """Return the least confidence of what is taken for a purpose."""
        return self.settings.cut(purpose)

    @property
    def granted(self) -> float:
        """Odds that the one thing a question takes for granted is no candidate."""
        return self.settings.granted

    @cached_property
    def revision(self) -> str:
        """What changes when it would find something else: 24 hexadecimal digits."""
        digest = sha256(self.settings.model_dump_json().encode())
        weights = dict(self.head.state_dict())
        if self.settings.lora is not None:  # else the name of the asset tells it
            weights |= self.encoder.state_dict(prefix=ENCODER)
        if self.outlines is not None:
            weights |= self.outlines.state_dict(prefix="outlines.")
        for name, tensor in weights.items():
            digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
        return digest.hexdigest()[:24]

    @torch.no_grad()
    def _view(self, pixels: NDArray[np.uint8]) -> tuple[Tensor, Looked]:
        """Return a view's features, and what the head says of it before it is asked.

        Both are kept for the next question about the same view.
        """
        key = f"{pixels.shape} {sha256(pixels.tobytes()).hexdigest()}"
        if key in self._views:
            self._views.move_to_end(key)
        else:
            family = self.encoder.config.model_type  # type: ignore[union-attr]
            inputs = normalised(pixels, str(family), patch_size(self.encoder))
            grid = feature_grid(self.encoder, inputs, self.settings.layers)
            with self._fast():
                looked = self.head.look(grid.float())
            if self.outlines is not None:  # else masks are made of them
                looked = replace(looked, fine=looked.fine.new_empty(0))
            self._views[key] = grid, looked
            if len(self._views) > self.kept_views:
                self._views.popitem(last=False)
        return self._views[key]

    @property
    def device(self) -> torch.device:
        """Where the encoder and the head are."""
        return next(self.encoder.parameters()).device

    @property
    def labels(self) -> Sequence[str]:
        """What the head was trained to find."""
        return self.settings.labels

    @property
    def side(self) -> int:
        """Longest side of a view that the head makes use of, in px."""
        return self.settings.long_side

    @property
    def magnifies(self) -> bool:
        """A view that is magnified more than in training is strange to the heads."""
        return False

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        """Return the objects of a view that descriptions name.

        Args:
            view: What to look at.
            descriptions: Phrases; each found region carries its own as label.
            shape: Kind of the regions; where a mask is empty, the box stays.
            purpose: Which of the cuts of the settings holds.

        Returns:
            Regions in raster pixels, best first, with calibrated confidences, the best
            confidence of all candidates, and how many of the others may be objects.
        """
        if not descriptions:
            return Findings((), 0.0)
        candidates, masks = self.maps(view.pixels, descriptions)
        height, width = view.pixels.shape[:2]
        least, best, missed = self.settings.cut(purpose), 0.0, 0.0
        kept: list[Region] = []
        coarse: list[Tensor | None] = []
        for name, boxes, logits in zip(descriptions, candidates, masks, strict=True):
            for region in distinct(boxes, name, width, height):
                sure = self.confidence(region.confidence, name)
                best = max(best, sure)
                if sure < least:
                    missed += sure
                    continue
                kept.append(replace(region, confidence=sure, image=view.image))
                coarse.append(logits)
        regions = []
        for region, values in self.tight(view.pixels, kept, coarse):
            outline = self._shape(region.shape.hbb, *values, shape)
            regions.append(replace(region, shape=view.window.to_raster(outline)))
        return Findings(tuple(regions), best, missed)

    def refine(self, view: View, region: Region, shape: ShapeKind = "mask") -> Region:
        """Return a region with the outline of what lies in it, whatever it is.

        Without an outline head, the coarse mask of the region's label is taken.

        Args:
            view: What to look at.
            region: A box or a coarse mask, in raster pixels, of any label.
            shape: Kind of the outline.

        Returns:
            The region with its new shape, in raster pixels; the box of what was given
            where nothing stands out or where it lies outside the view.
        """
        height, width = view.pixels.shape[:2]
        coarse = view.window.to_view(region.shape)
        box = coarse.hbb.clip(width, height)
        if box is None or not coarse.area:
            return replace(region, shape=region.shape.hbb)
        if self.outlines is not None:
            drawn = self._drawn(view.pixels, [box], coarse)
        else:
            _, masks = self.maps(view.pixels, [region.label])
            drawn = [self._coarse(box, masks[0], width, height)]
        outline = self._shape(box, *drawn[0], shape)
        return replace(region, shape=view.window.to_raster(outline))

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors of texts by their meaning, shape (len(texts), D)."""
        return np.asarray(self.text.encode(texts).numpy(), np.float32)

    def confidence(self, score: float, label: str = "") -> float:
        """Return the calibrated probability that an object of that score is one."""
        score = min(max(score, 1e-6), 1 - 1e-6)
        logit = np.log(score / (1 - score))
        value = self.settings.slope * logit + self.settings.intercept
        value += self.settings.offsets.get(label, 0.0)
        return float(1 / (1 + np.exp(-value)))

    def tight(
        self,
        pixels: NDArray[np.uint8],
        regions: Sequence[Region],
        coarse: Sequence[Tensor | None],
    ) -> list[tuple[Region, Drawn]]:
        """Put boxes around the outlines that are drawn in them, and drop doubles.

        Args:
            pixels: The view, RGB, shape (H, W, 3).
            regions: Boxes in px of the view.
            coarse: Mask logits of the label of each, see :meth:`maps`; without an
                outline head they are taken, and boxes stay as they are.

        Returns:
            The regions that stay, best first, with the mask logits of their pixels.
        """
        boxes = [region.shape.hbb for region in regions]
        if self.outlines is None:
            height, width = pixels.shape[:2]
            drawn = [
                self._coarse(box, logits, width, height)
                for box, logits in zip(boxes, coarse, strict=True)
            ]
            pairs = zip(regions, drawn, strict=True)
            return sorted(pairs, key=lambda pair: -pair[0].confidence)
        drawn = self._drawn(pixels, boxes)
        moved = [
            replace(region, shape=self._shape(region.shape.hbb, *values, "mask").hbb)
            for region, values in zip(regions, drawn, strict=True)
        ]
        values_of = dict(zip(map(id, moved), drawn, strict=True))
        return [(region, values_of[id(region)]) for region in nms(moved, OVERLAP)]

    def _shape(self, box: HBB, values: Tensor, x0: int, y0: int, shape: str) -> Shape:
        """Return the outline of the pixels above the cut; the box where few are."""
        array = without_specks((values > self.settings.mask_cut).numpy())
        if shape == "hbb" or array.sum() < 0.05 * box.area:
            return box
        mask = Mask.from_array(array, x0, y0)
        if shape == "mask":
            return mask
        polygons = mask.polygons()
        largest = max(polygons, key=lambda polygon: polygon.area)
        return largest.min_area_obb() if shape == "obb" else largest

    def _drawn(
        self,
        pixels: NDArray[np.uint8],
        boxes: Sequence[HBB],
        known: Shape | None = None,
    ) -> list[Drawn]:
        if self.outlines is None:
            raise ValueError("no outline head was loaded")
        grid, patch = self._view(pixels)[0], patch_size(self.encoder)
        return outlined(self.outlines, grid, pixels, boxes, patch, known)

    def _coarse(
        self, box: HBB, logits: Tensor | None, width: int, height: int
    ) -> Drawn:
        """Return the coarse mask logits of a description at the pixels of a box.

        The box is widened by a pixel alone: more would take in parts of neighbours.
        """
        if logits is None:
            raise ValueError("coarse masks were not computed: an outline head draws")
        step = patch_size(self.encoder) / MASK_FACTOR
        whole = HBB(0, 0, logits.shape[1] * step, logits.shape[0] * step)
        low, high = (int(box.x0) - 1, int(box.y0) - 1), (int(box.x1), int(box.y1))
        part = HBB(*low, high[0] + 2, high[1] + 2)
        return at_pixels(logits, whole, part, width, height)
