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
    cells_inside,
    colours_of,
    feature_grid,
    normalised,
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
    Found,
    RegionHead,
    RegionMaps,
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

#: IoU above which two boxes of one description are the same object.
OVERLAP = 0.45
#: Views whose features are kept unless told otherwise, 4 MB each.
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
    ) -> None:
        """Join the parts; ``encoder`` may be shared with a local engine."""
        self.settings = settings
        self.head, self.encoder, self.text = head.eval(), encoder, text
        self._grids: OrderedDict[str, Tensor] = OrderedDict()
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
        return cls(settings, head.float(), encoder, describe)

    def to(self, device: torch.device | str) -> "RegionFinder":
        """Move encoder and head; what is found comes back to the CPU."""
        self.head.to(device)
        self.encoder.to(device)
        self._grids.clear()
        return self

    @torch.no_grad()
    def maps(
        self, pixels: NDArray[np.uint8], descriptions: Sequence[str]
    ) -> tuple[list[list[Found]], Tensor]:
        """Return candidates of each description, and mask logits.

        Args:
            pixels: RGB of the view, shape (H, W, 3).
            descriptions: K phrases.

        Returns:
            Candidates in view px, best first, and logits of shape (K, 4h, 4w) for
            patches of h rows and w columns.
        """
        found = self._maps(pixels, descriptions)
        stride = patch_size(self.encoder) / CENTRE_FACTOR
        boxes = [
            peaks(heat, found.size[0], found.offset[0], stride, 300)
            for heat in found.heat[0]
        ]
        return boxes, found.mask[0]

    @torch.no_grad()
    def _maps(
        self,
        pixels: NDArray[np.uint8],
        descriptions: Sequence[str],
        prompts: Tensor | None = None,
    ) -> RegionMaps:
        """Return what the head says of one view, in float32 on the CPU."""
        grid = self._grid(pixels)
        rows, columns = grid.shape[2:]
        queries = self.text.encode(descriptions)[None]
        colours = colours_of(pixels, rows, columns, patch_size(self.encoder))[None]
        inputs = [grid, colours, queries] + ([] if prompts is None else [prompts])
        fast = fast_dtype() is torch.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast):
            found = self.head(*(value.to(self.device).float() for value in inputs))
        maps = found.heat, found.size, found.offset, found.mask
        return RegionMaps(*(value.float().cpu() for value in maps))

    def loosened(self, least: float) -> "RegionFinder":
        """Return a finder that reports every candidate from a confidence on."""
        cuts = dict.fromkeys(self.settings.cuts, least)
        settings = self.settings.model_copy(update={"cuts": cuts})
        other = RegionFinder(settings, self.head, self.encoder, self.text)
        other._grids, other.kept_views = self._grids, self.kept_views
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
        for name, tensor in weights.items():
            if name.startswith("look.") and not self.settings.shown:
                continue  # never trained, and another one at each start
            digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
        return digest.hexdigest()[:24]

    def _grid(self, pixels: NDArray[np.uint8]) -> Tensor:
        """Return a view's features; kept for the next question about the same view."""
        key = f"{pixels.shape} {sha256(pixels.tobytes()).hexdigest()}"
        if key in self._grids:
            self._grids.move_to_end(key)
        else:
            family = self.encoder.config.model_type  # type: ignore[union-attr]
            inputs = normalised(pixels, str(family), patch_size(self.encoder))
            self._grids[key] = feature_grid(self.encoder, inputs, self.settings.layers)
            if len(self._grids) > self.kept_views:
                self._grids.popitem(last=False)
        return self._grids[key]

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
        regions: list[Region] = []
        for name, boxes, logits in zip(descriptions, candidates, masks, strict=True):
            seen = []
            for item in boxes:
                box = HBB(*item.box).clip(width, height)
                if box is None or box.area < 1:
                    continue
                score = self.confidence(item.score, name)
                seen.append(Region(box, name, score, view.image))
            for region in nms(seen, OVERLAP):
                best = max(best, region.confidence)
                if region.confidence < least:
                    missed += region.confidence
                    continue
                outline = self._outline(region.shape.hbb, logits, shape, width, height)
                placed = view.window.to_raster(outline)
                regions.append(replace(region, shape=placed))
        regions.sort(key=lambda region: -region.confidence)
        return Findings(tuple(regions), best, missed)

    def refine(self, view: View, region: Region, shape: ShapeKind = "mask") -> Region:
        """Return a region with the outline of what lies in it, whatever it is.

        A head that has not learned to take a shown object for a description goes by
        the label of the region.

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
        patch = patch_size(self.encoder)
        cells = -(-height // patch) * CENTRE_FACTOR, -(-width // patch) * CENTRE_FACTOR
        under = cells_inside(coarse.to_shapely(), cells, patch / CENTRE_FACTOR)
        shown = torch.from_numpy(under).float()[None, None]
        prompts = shown if self.settings.shown else None
        (logits,) = self._maps(view.pixels, [region.label], prompts).mask[0]
        outline = self._outline(box, logits, shape, width, height)
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

    def _outline(
        self, box: HBB, logits: Tensor, shape: str, width: int, height: int
    ) -> Shape:
        if shape == "hbb":
            return box
        mask = self._mask(box, logits, width, height)
        if mask is None or shape == "mask":
            return mask or box
        polygons = mask.polygons()
        largest = max(polygons, key=lambda polygon: polygon.area)
        return largest.min_area_obb() if shape == "obb" else largest

    def _mask(self, box: HBB, logits: Tensor, width: int, height: int) -> Mask | None:
        """Return the pixels of an object: mask logits above the cut in its box."""
        values, x0, y0 = self.logits_in(box, logits, width, height)
        array = (values > self.settings.mask_cut).numpy()
        if array.sum() < 0.05 * array.size:
            return None
        return Mask.from_array(array, x0, y0)

    def logits_in(
        self, box: HBB, logits: Tensor, width: int, height: int
    ) -> tuple[Tensor, int, int]:
        """Return the mask logits of the pixels of a box, and its first pixel.

        The box is widened by a pixel alone: more would take in parts of neighbours.

        Args:
            box: In px of the view.
            logits: Of one description, shape (4h, 4w) for patches of h rows, w columns.
            width: Columns of the view, px.
            height: Rows of the view, px.
        """
        step = patch_size(self.encoder) / MASK_FACTOR
        x0, y0 = max(int(box.x0) - 1, 0), max(int(box.y0) - 1, 0)
        x1, y1 = min(int(box.x1) + 2, width), min(int(box.y1) + 2, height)
        # Sample the logits at the centre of every view pixel of the box.
        ys = (torch.arange(y0, y1) + 0.5) / (logits.shape[0] * step) * 2 - 1
        xs = (torch.arange(x0, x1) + 0.5) / (logits.shape[1] * step) * 2 - 1
        grid = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1)[None]
        values = nn.functional.grid_sample(
            logits[None, None], grid.float(), padding_mode="border", align_corners=False
        )
        return values[0, 0], x0, y0
