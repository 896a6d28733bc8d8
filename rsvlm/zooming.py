"""Looking closer at the images of a question: one call for the assistant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rsvlm.answer_parts import TraceStep
from rsvlm.errors import SettingsError
from rsvlm.messages import Generation
from rsvlm.progress import report
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.zoom import Look, ZoomPolicy, look_closer


@dataclass(frozen=True, slots=True)
class Closer:
    """What a closer look gave.

    Attributes:
        views: Index of an image -> pictures of the windows that were chosen in it, best
            first; none where the overview has to do.
        trace: Steps.
        warnings: What the user should know.
        reply: The answer of the model, where choosing windows of one image gave it.
    """

    views: Mapping[int, tuple[View, ...]]
    trace: tuple[TraceStep, ...]
    warnings: tuple[str, ...]
    reply: Generation | None


def zoom_in(
    policies: Mapping[str, ZoomPolicy],
    name: str,
    question: str,
    task: str,
    rasters: Sequence[Raster],
    overviews: Sequence[View],
) -> Closer:
    """Look closer at every image of a question, each by itself.

    Args:
        policies: What may choose windows, by name.
        name: ``"none"``, ``"auto"`` or a policy. Where nothing can choose, ``"auto"``
            does nothing.
        question: What is asked.
        task: Name of the kind of answer.
        rasters: The images, open.
        overviews: One picture of each.

    Raises:
        SettingsError: If there is no policy of that name.
    """
    if name != "none" and name != "auto" and name not in policies:
        known = ", ".join(["none", "auto", *sorted(set(policies) - {"auto"})])
        raise SettingsError(
            f"This model cannot zoom by {name!r}: a search needs aligned encoders, a "
            f"chain a model that can ask for windows. Use one of: {known}."
        )
    policy = policies.get(name)
    looks = [
        Look(question, task, raster, [overview], image)
        for image, (raster, overview) in enumerate(zip(rasters, overviews, strict=True))
    ]
    views = {}
    for look in looks:
        if policy is not None:
            report("zoom", look.image, len(looks))
            found = look_closer(policy, look)
            views[look.image] = tuple(found[::-1] if look.last_first else found)
    return Closer(
        {image: found for image, found in views.items() if found},
        tuple(step for look in looks for step in look.trace),
        tuple(line for look in looks for line in look.warnings),
        looks[0].reply if len(looks) == 1 else None,
    )
