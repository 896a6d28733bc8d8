"""The sentences that ask a model of rsvlm for regions of a kind.

Training and use must say the same; what a reply of each kind looks like stands in
:mod:`rsvlm.codec`.
"""

#: Kind of shape -> the sentence that asks for it.
INSTRUCTIONS = {
    "hbb": "Answer with boxes.",
    "obb": "Answer with oriented boxes.",
    "polygon": "Answer with outlines.",
    "mask": "Answer with a mask.",
}
