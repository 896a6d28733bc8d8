"""Where the mask logits of a region head cut, fitted on held-out outlines.

A head that was trained on few outlines is sure of the middle of an object and unsure of
its border; a cut beside 0 then draws what people outlined.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsvlm.geometry import HBB, Region, iou
from rsvlm.models.features import cells_inside
from rsvlm.models.finder import RegionFinder
from rsvlm.samples import Sample
from rsvlm.training.augment import items_of, load_picture, resize
from rsvlm.training.targets import outline_of

#: Cuts that are compared, logits.
CUTS = np.arange(-3.0, 1.25, 0.25)
#: IoU from which a candidate's box is that of an object.
SAME = 0.5


def fit_mask_cut(
    finder: RegionFinder, samples: Sequence[Sample], folder: Path
) -> tuple[float, float]:
    """Return the cut with the best mean IoU of masks, and that IoU.

    Objects that the head does not find do not count.

    Args:
        finder: The head.
        samples: Held-out pictures with the outlines of their objects.
        folder: Where the pictures are.

    Returns:
        The cut, of several equally good ones the nearest to 0, and the mean IoU; 0 and
        0 where nothing was found.
    """
    rows: list[list[float]] = []
    labels = finder.settings.labels
    for sample in samples:
        picture = load_picture(folder / sample.images[0].path)
        items = items_of(sample.targets)
        seen, items = resize(picture, items, finder.settings.long_side)
        height, width = seen.shape[:2]
        found, masks = finder.maps(seen, labels)
        for item in items:
            if not item.outlined or item.label not in labels:
                continue
            kind, box = labels.index(item.label), HBB(*item.hbb)
            near = [HBB(*other.box).clip(width, height) for other in found[kind]]
            match = max((b for b in near if b), key=lambda b: iou(b, box), default=None)
            if match is None or iou(match, box) < SAME:
                continue
            truth = cells_inside(outline_of(item), (height, width), 1.0)
            found_one = Region(match, item.label)
            ((_, drawn),) = finder.tight(seen, [found_one], [masks[kind]])
            values, x0, y0 = drawn
            rows.append([_iou(values.numpy() > cut, truth, x0, y0) for cut in CUTS])
    if not rows:
        return 0.0, 0.0
    means = np.mean(rows, 0).round(4)
    best = min(np.flatnonzero(means == means.max()), key=lambda i: abs(CUTS[i]))
    return float(CUTS[best]), float(means[best])


def _iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_], x0: int, y0: int) -> float:
    """Return the IoU of a mask, which begins at a pixel of the view, and the truth.

    Args:
        mask: Shape (h, w), inside the view.
        truth: Of the whole view, shape (H, W).
        x0: First column of the mask, px.
        y0: First row of the mask, px.
    """
    inside = truth[y0 : y0 + mask.shape[0], x0 : x0 + mask.shape[1]]
    shared = int((mask & inside).sum())
    union = int(mask.sum()) + int(truth.sum()) - shared
    return shared / union if union else 0.0
