"""What to doubt: views unlike those of the training, boxes in a strange unit, counts.

A model answers whatever it is shown; these sentences tell when that is a guess.
"""

from collections.abc import Sequence

from rsvlm.dialects import get_dialect, misfit
from rsvlm.engines.base import Engine
from rsvlm.geometry import Window
from rsvlm.render import View

#: A ground resolution this many times beyond those of the training is a strange one.
FAR = 2.0
#: Factor on the confidence in words about a view unlike those of the training.
GUESS = 0.5


def doubts(
    engine: Engine, views: Sequence[View], gsds: Sequence[float | None]
) -> list[str]:
    """Return a sentence for each way in which views are strange to a model.

    Args:
        engine: The model, with what it was trained on among its capabilities.
        views: What it is shown.
        gsds: Ground sample distance of the raster of each view, m/px.
    """
    said = []
    if "sar" in {view.sensor for view in views} - engine.capabilities.sensors:
        said.append(
            f"The model {engine.name} was not trained on SAR images; what it "
            "says about one is a guess."
        )
    able = engine.capabilities
    if "sar" in {view.sensor for view in views} & able.weak:
        said.append(
            f"The model {engine.name} learned little about SAR images; what it says "
            "about one is a guess."
        )
    for view, gsd in zip(views, gsds, strict=True):
        trained = able.sar_gsd_m if view.sensor == "sar" else able.gsd_m
        if trained is None or gsd is None:
            continue
        seen = gsd * max(view.window.scale)
        kind = "radar images" if view.sensor == "sar" else "images"
        if not trained[0] / FAR <= seen <= trained[1] * FAR:
            said.append(
                f"The model {engine.name} was trained on {kind} of {trained[0]:g} "
                f"to {trained[1]:g} m per pixel and sees this one at {seen:.3g} m; what "
                "it says about it is a guess."
            )
    return said


def strange_boxes(engine: Engine, reply: str, window: Window) -> list[str]:
    """Return a sentence for each reason why boxes of a model may lie elsewhere.

    Args:
        engine: The model; its dialect may be a guess.
        reply: What it answered when it was asked for boxes.
        window: What it saw.
    """
    codec = get_dialect(engine.capabilities.dialect)
    doubt = misfit(codec, reply, window)
    said = [doubt] if doubt else []
    if codec.parse(reply, window) and not engine.capabilities.dialect_known:
        said.append(
            f"How the model {engine.name} counts coordinates is not known; its boxes "
            f"were read as {codec.name!r}."
        )
    if said and engine.kind == "remote":
        said[-1] += " Name its dialect: URL?dialect=NAME#MODEL."
    return said


def sure_of_count(taken: Sequence[float], missed: float) -> float:
    """Return the probability that a count is exact.

    It falls with the number of errors that the confidences let expect: objects that are
    none, and candidates that are objects. Errors come together (a picture is hard or
    not), so that it falls more slowly than if they were independent.

    Args:
        taken: Confidence of each object that was counted.
        missed: Expected number of objects among those that were not.

    >>> sure_of_count([1.0, 1.0], 0.0), sure_of_count([0.9, 0.6], 0.5)
    (1.0, 0.5)
    """
    errors = sum(1 - sure for sure in taken) + missed
    return 1 / (1 + errors)


def sure_of_granted(best: float, missed: float, absent: float) -> float:
    """Return the probability that the best candidate is the one object that is meant.

    "Where is the ship?" tells that there is one: the candidates share what is left for
    it not to be found. Without that knowledge, ``absent`` = 1 and one candidate, it is
    the confidence itself.

    Args:
        best: Confidence of the candidate that is shown, by what it looks like alone.
        missed: Expected number of objects among the others.
        absent: Odds that it is none of them, fitted on held-out pictures.

    >>> round(sure_of_granted(0.5, 0.0, 1.0), 3), round(sure_of_granted(0.5, 0.1, 0.1), 3)
    (0.5, 0.833)
    """
    odds = best / max(1 - best, 1e-6)
    return odds / (odds + missed + absent)
