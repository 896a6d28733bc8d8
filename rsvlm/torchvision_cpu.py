"""Makes a CUDA build of torchvision importable beside a CPU build of torch.

The usual torchvision wheel is built for CUDA. On a CPU torch its compiled operators
do not load, and the import stops because it describes an operator, ``nms``, that
nobody has declared. Declaring it is enough for transforms, open_clip, timm and
transformers; the compiled operators themselves (``nms``, ``roi_align``, decoding in
``torchvision.io``) stay unavailable. Where they do load, nothing is changed.

This file imports nothing of the project: ``rsvlm doctor --fix`` copies it into
site-packages, so that processes which never import rsvlm are helped too.
"""

import sys
from typing import Any

_TRIGGER = "torchvision._meta_registrations"
_MISSING = ("nms", "qnms")
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"

#: Torch drops a declaration together with the library object that made it.
_kept: list[Any] = []


class TorchvisionCpuFinder:
    """Waits on the import path for the module that needs the declarations."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        """Declare the operators just in time; finding is left to the others."""
        if name == _TRIGGER:
            _declare()


def _declare() -> None:
    """Declare the operators of torchvision that its import describes."""
    import torch
    from torchvision import extension

    if extension._has_ops():
        return
    declare: Any = torch.library.Library
    library = declare("torchvision", "FRAGMENT")
    _kept.append(library)
    for operator in _MISSING:
        try:
            library.define(operator + _SIGNATURE)
        except RuntimeError:  # someone else has declared it
            continue


def install() -> None:
    """Prepare the next import of torchvision; call it before open_clip, timm, ....

    Takes microseconds and imports nothing. Calling it again does nothing.

    .. versionadded:: 0.1
    """
    # Compared by name: the copy in site-packages is another module.
    names = {getattr(finder, "__name__", "") for finder in sys.meta_path}
    if TorchvisionCpuFinder.__name__ not in names:
        sys.meta_path.insert(0, TorchvisionCpuFinder)
