"""SAM 2 as the region head: sharp outlines of boxes, for those who have its weights.

SAM 2 knows no names. Which objects are there comes from another finder, or from the
boxes of an engine; it draws their outlines.
"""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from rsvlm.errors import CheckpointError
from rsvlm.findings import Finder, Findings, Granting, Purpose, ShapeKind
from rsvlm.geometry import HBB, Mask, Region, Shape
from rsvlm.render import View

#: Mean and standard deviation of RGB in 0-1 that SAM 2 was trained with (ImageNet's).
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Boxes that are outlined together.
TOGETHER = 32


class Sam2Finder:
    """A finder whose boxes are outlined by SAM 2.

    Source:
        SAM 2, https://arxiv.org/abs/2408.00714, as Transformers has it.

    .. versionadded:: 0.1
    """

    def __init__(self, model: Any, finder: Finder | None = None) -> None:
        """Join SAM 2 with what finds objects by their names.

        Args:
            model: ``Sam2Model`` of Transformers.
            finder: None where boxes come from an engine only.
        """
        self.model, self.finder = model.eval(), finder
        size = model.config.vision_config.backbone_config.image_size
        self.input = int(size[0] if isinstance(size, list | tuple) else size)
        self._seen: tuple[str, list[Tensor]] | None = None

    @classmethod
    def load(cls, folder: Path, finder: Finder | None = None) -> "Sam2Finder":
        """Load the folder of a published SAM 2 checkpoint.

        Raises:
            CheckpointError: If it holds no such checkpoint.
        """
        from transformers import Sam2Model

        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"{folder} holds no config.json. Give the folder of a SAM 2 checkpoint "
                "in the form of Transformers, with config.json and model.safetensors."
            )
        try:
            model = Sam2Model.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
            raise CheckpointError(
                f"{folder} cannot be read as a SAM 2 checkpoint: "
                f"{' '.join(str(error).split())[:200]}. Copy the folder again."
            ) from error
        return cls(model, finder)

    @property
    def labels(self) -> Sequence[str]:
        """What can be found by its name."""
        return self.finder.labels if self.finder else ()

    @property
    def granted(self) -> float:
        """Odds that the one thing a question takes for granted is no candidate."""
        return self.finder.granted if isinstance(self.finder, Granting) else 1.0

    @property
    def side(self) -> int:
        """Longest side of a view that is made use of, px."""
        return self.finder.side if self.finder else self.input

    @property
    def magnifies(self) -> bool:
        """Its masks have 256 cells a side, whatever the view shows."""
        return True

    def find(
        self,
        view: View,
        descriptions: Sequence[str],
        shape: ShapeKind = "hbb",
        purpose: Purpose = "locate",
    ) -> Findings:
        """Return regions in raster pixels, best first, outlined as ``shape``."""
        if self.finder is None:
            return Findings((), 0.0)
        found = self.finder.find(view, descriptions, "hbb", purpose)
        return Findings(self._outlined(view, found.regions, shape), found.best)

    def refine(self, view: View, region: Region, shape: ShapeKind = "mask") -> Region:
        """Return a region with a sharp outline; one whose outline is empty stays.

        Args:
            view: The picture that it lies in.
            region: In raster pixels; its box is the prompt.
            shape: Kind of the outline; a box needs none.
        """
        return self._outlined(view, [region], shape)[0]

    def _outlined(
        self, view: View, regions: Sequence[Region], shape: ShapeKind
    ) -> tuple[Region, ...]:
        if shape == "hbb" or not regions:
            return tuple(regions)
        boxes = [view.window.to_view(region.shape.hbb) for region in regions]
        masks = self._masks(view.pixels, boxes)
        out = []
        for region, array in zip(regions, masks, strict=True):
            drawn = _drawn(array, shape)
            if drawn is not None:
                region = replace(region, shape=view.window.to_raster(drawn))
            out.append(region)
        return tuple(out)

    @torch.no_grad()
    def _masks(
        self, pixels: NDArray[np.uint8], boxes: Sequence[HBB]
    ) -> list[NDArray[np.bool_]]:
        """Return the mask of each box, shape (H, W) of the view."""
        height, width = pixels.shape[:2]
        scale = torch.tensor([self.input / width, self.input / height] * 2)
        corners = torch.tensor([[b.x0, b.y0, b.x1, b.y1] for b in boxes]) * scale
        embeddings = self._embeddings(pixels)
        found: list[NDArray[np.bool_]] = []
        for start in range(0, len(boxes), TOGETHER):
            output = self.model(
                image_embeddings=embeddings,
                input_boxes=corners[None, start : start + TOGETHER].float(),
                multimask_output=False,
            )
            logits = output.pred_masks[0]  # (boxes, 1, h, w)
            whole = torch.nn.functional.interpolate(
                logits.float(), (height, width), mode="bilinear", align_corners=False
            )
            found += list((whole[:, 0] > 0).numpy())
        return found

    def _embeddings(self, pixels: NDArray[np.uint8]) -> list[Tensor]:
        """Return the features of a view; kept for the next boxes in it."""
        key = f"{pixels.shape} {sha256(pixels.tobytes()).hexdigest()}"
        if self._seen is None or self._seen[0] != key:
            picture = Image.fromarray(pixels).resize(
                (self.input, self.input), Image.Resampling.BILINEAR
            )
            values = (np.asarray(picture, np.float32) / 255 - MEAN) / STD
            tensor = torch.from_numpy(values.astype(np.float32)).permute(2, 0, 1)
            features = self.model.get_image_embeddings(tensor[None])
            self._seen = key, cast(list[Tensor], features)
        return self._seen[1]


def _drawn(array: NDArray[np.bool_], shape: ShapeKind) -> Shape | None:
    if not array.any():
        return None
    mask = Mask.from_array(array)
    if shape == "mask":
        return mask
    polygon = max(mask.polygons(), key=lambda ring: ring.area)
    return polygon.min_area_obb() if shape == "obb" else polygon
