"""The sentences that ask a model of rsvlm for regions of a kind, or let it zoom in.

Training and use must say the same; what a reply of each kind looks like stands in
:mod:`rsvlm.codec`, what a request for a window looks like in
:mod:`rsvlm.zooming_requests`.
"""

#: Kind of shape -> the sentence that asks for it.
INSTRUCTIONS = {
    "hbb": "Answer with boxes.",
    "obb": "Answer with oriented boxes.",
    "polygon": "Answer with outlines.",
    "mask": "Answer with a mask.",
}
#: The sentence that lets a model ask for a window of a picture in place of answering.
ZOOM = "Answer, or ask for a window."
