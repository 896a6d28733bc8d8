"""The grounding dialects by name, and which family of models speaks which.

Adding a dialect means adding an entry to :data:`DIALECTS` and, so that it is chosen by
the name of a model, one to :data:`FAMILIES`.

Source:
    Qwen2.5-VL, https://arxiv.org/abs/2502.13923; InternVL, arXiv 2312.14238; GeoChat,
    arXiv 2311.15826; GeoGround, arXiv 2411.11904; VHM, arXiv 2403.20213; EarthDial,
    arXiv 2412.15190; VRSBench, arXiv 2406.12384; and the public code of each. What
    these leave open is said at the entry.
"""

import re

from rsvlm import dialect_forms as forms
from rsvlm.codec import Codec, RsvlmCodec
from rsvlm.dialect import Dialect, Turned
from rsvlm.errors import UnknownNameError
from rsvlm.geometry import Window
from rsvlm.items import read_any

#: Dialect in which a model of no known family is asked: it is told the form and unit.
UNKNOWN = "json-1000"

_JSON_LIST = (
    "Answer with the boxes only, as a JSON list such as "
    '[{"bbox_2d": [x1, y1, x2, y2], "label": "..."}]'
)
_RELATIVE = (
    f"{_JSON_LIST}, where x is a whole number from 0 (left border) to 1000 (right "
    "border) and y one from 0 (top) to 1000 (bottom). Answer [] when there is none."
)
#: Sides of the pictures of Qwen2.5-VL are multiples of this, px.
_QWEN_STEP = 28
_QWEN_PIXELS = (4 * _QWEN_STEP**2, 16384 * _QWEN_STEP**2)
_BRACES = "Answer with boxes of the form {<x1><y1><x2><y2>"

DIALECTS: dict[str, Codec] = {
    codec.name: codec
    for codec in (
        RsvlmCodec(),
        Dialect(UNKNOWN, forms.in_bbox_json, _RELATIVE),
        Dialect("qwen3-vl", forms.in_bbox_json, f"{_JSON_LIST}."),
        Dialect(
            "qwen2.5-vl",
            forms.in_bbox_json,
            f"{_JSON_LIST}.",
            scale=None,
            step=_QWEN_STEP,
            pixels=_QWEN_PIXELS,
        ),
        # Qwen-VL and Qwen2-VL; servers often drop the tags, the brackets stay.
        Dialect(
            "qwen-vl",
            forms.in_pairs,
            "Answer with the name and the bounding box of each object.",
            run_on=True,
        ),
        Dialect(
            "rscovlm",
            forms.in_rscovlm_json,
            "Output the bbox coordinates using JSON format.",
            {"obb": "Output the oriented bbox coordinates using JSON format."},
            scale=None,
            step=_QWEN_STEP,
            pixels=_QWEN_PIXELS,
            turned=Turned(),
            corners=True,
            mask_cell=_QWEN_STEP,
        ),
        Dialect(
            "internvl",
            forms.in_boxes,
            "Provide the bounding box coordinates of what is described, as "
            "<box>[[x1, y1, x2, y2]]</box>.",
        ),
        Dialect(
            "deepseek-vl2",
            forms.in_det,
            "Provide the bounding box coordinates of what is described.",
            scale=999,
        ),
        # Turned as its demonstration draws it: counter-clockwise, on a picture that
        # keeps its aspect.
        Dialect(
            "geochat",
            forms.in_braces,
            f"{_BRACES}|<angle>}}, numbers from 0 to 100.",
            scale=100,
            turned=Turned(centre=False, clockwise=False, always=True),
        ),
        # The direction of its angles is not documented.
        Dialect(
            "vrsbench",
            forms.in_braces,
            f"{_BRACES}}}, numbers from 0 to 100.",
            {
                "obb": "Answer with boxes of the form {<cx><cy><w><h>|<angle>}, "
                "numbers from 0 to 100."
            },
            scale=100,
            turned=Turned(),
        ),
        Dialect(
            "earthdial",
            lambda shapes: forms.in_lists(shapes, outer=True),
            "Answer with boxes of the form [[x1, y1, x2, y2, angle]], numbers from 0 "
            "to 100.",
            scale=100,
            turned=Turned(centre=False, clockwise=False, always=True),
        ),
        # Units of oriented boxes as in code of users; its own is not public.
        Dialect(
            "geoground",
            forms.in_lists,
            "Output the horizontal bounding box.",
            {
                "obb": "Output the oriented bounding box.",
                "mask": "Output the segmentation mask.",
            },
            turned=Turned(scale=100),
            mask_sides=(16, 32),
        ),
        Dialect(
            "vhm",
            forms.in_lists,
            "Answer with the bounding box [x1, y1, x2, y2].",
            scale=999,
        ),
        Dialect(
            "falcon",
            forms.in_angles,
            "Output the bounding boxes.",
            corners=True,
            outlines=True,
        ),
        Dialect(
            "florence-2",
            forms.in_tokens,
            "Output the boxes.",
            scale=999,
            run_on=True,
        ),
        Dialect(
            "gemini",
            forms.in_box_json,
            "Answer with a JSON list such as "
            '[{"box_2d": [ymin, xmin, ymax, xmax], "label": "..."}], normalized to '
            "0-1000.",
            y_first=True,
        ),
        # LLaVA pads a picture to a square; its fractions are right on squares only.
        Dialect(
            "fractions",
            forms.in_lists,
            "Provide the bounding box coordinates [x1, y1, x2, y2] as fractions from 0 "
            "to 1.",
            scale=1,
            decimals=3,
        ),
    )
}

#: Patterns in the lower-case name of a model, its dialect, and how many pictures it
#: takes where that is known to be one. The first that is found counts.
FAMILIES: tuple[tuple[str, str, int | None], ...] = (
    (r"\brsvlm", "rsvlm", 1),
    (r"rscovlm", "rscovlm", None),
    (r"zoom-?earth", "qwen2.5-vl", None),
    (r"geochat", "geochat", 1),
    (r"geoground", "geoground", 1),
    (r"earthdial", "earthdial", None),
    (r"\bvhm", "vhm", 1),
    (r"florence", "florence-2", 1),
    (r"qwen-?2[._-]5-(?:vl|omni)", "qwen2.5-vl", None),
    (r"qwen-?(?:[3-9]|\d\d)", "qwen3-vl", None),
    (r"qwen-?2?-vl|\bqvq", "qwen-vl", None),
    (r"intern-?vl|intern-s\d|minicpm-?[vo]", "internvl", None),
    (r"deepseek-?(?:vl|ocr)", "deepseek-vl2", None),
    (r"\bglm-?[4-9].*v", UNKNOWN, None),
    (r"gemini|gemma|medgemma", "gemini", None),
    (r"llava", "fractions", 1),
)


def get_dialect(name: str) -> Codec:
    """Return the dialect called ``name``.

    Raises:
        UnknownNameError: If there is none.
    """
    if name not in DIALECTS:
        raise UnknownNameError("dialect", name, DIALECTS)
    return DIALECTS[name]


def family_of(model: str) -> tuple[str, int | None] | None:
    """Return the dialect of a model and its number of pictures, None where unknown.

    >>> family_of("Qwen/Qwen2.5-VL-7B-Instruct")
    ('qwen2.5-vl', None)
    """
    for pattern, dialect, pictures in FAMILIES:
        if re.search(pattern, model.lower()):
            return dialect, pictures
    return None


def misfit(codec: Codec, text: str, window: Window) -> str | None:
    """Say when the numbers of a reply are no coordinates of a dialect.

    Args:
        codec: The dialect in which the reply was read.
        text: The reply.
        window: What the model saw.

    Returns:
        A sentence when a box reaches far beyond the view, or when all numbers are
        fractions in a dialect of whole numbers; else None.
    """
    boxes = [item.numbers for item in read_any(text) if len(item.numbers) in (4, 8)]
    if not boxes:
        return None
    numbers = [number for box in boxes for number in box]
    extent = codec.extent(window)
    unit = f"coordinates of the dialect {codec.name!r}, which end at {max(extent)}"
    if max(extent) > 1 and max(numbers) <= 1 and any(n % 1 for n in numbers):
        return f"The boxes of the reply are fractions, not {unit}."
    if any(n > 1.1 * extent[i % 2] for box in boxes for i, n in enumerate(box)):
        return f"The boxes of the reply go up to {max(numbers):g}: no {unit}."
    return None
