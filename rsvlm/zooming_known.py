"""KnownZoom: the windows of what an earlier scan found, at no cost of encoding.

Where ``rsvlm scan`` has looked at every window of a raster, a question about one thing
that the finder knows needs no search: the surest places are known. A question about the
whole of an image is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rsvlm.search import Scans
from rsvlm.subjects import subject
from rsvlm.zoom import Look, Zoom, ZoomPolicy, drawn_at
from rsvlm.zooming_route import route_zoom
from rsvlm.zooming_windows import unite

#: Windows at most, the share of a window added around it, and its least side in px.
MOST, CONTEXT, LEAST = 4, 0.15, 512


@dataclass(frozen=True)
class KnownZoom:
    """Chooses the surest places of a scan; a ``ZoomPolicy``.

    Attributes:
        scans: Knows what was found in rasters in advance.
        labels: What was looked for.
        side: Longest side of a picture that the model makes use of, px.
        then: What chooses where no scan tells anything.

    .. versionadded:: 0.3
    """

    scans: Scans
    labels: Sequence[str]
    side: int
    then: ZoomPolicy | None = None

    def next(self, look: Look) -> Sequence[Zoom]:
        """Return the windows of what is known, once; else those of the next policy."""
        known = () if look.zooms else self._known(look)
        if known or self.then is None:
            return known
        return self.then.next(look)

    def _known(self, look: Look) -> Sequence[Zoom]:
        about = subject(look.question)
        if about is None or about.label is None or about.label not in self.labels:
            return ()
        route, _ = route_zoom(look.question, look.raster, look.task)
        scan = self.scans(look.raster) if route in ("search", "chain") else None
        if scan is None:
            return ()
        # The question takes for granted that it is there: a weak candidate is shown.
        windows = scan.find([about.label], "named", look.image)
        regions = [region for found in windows for region in found.regions]
        regions.sort(key=lambda region: -region.confidence)
        boxes = [region.shape.hbb for region in regions]
        return [
            Zoom(
                drawn_at(window, self.side),
                regions[first].confidence,
                note="found by an earlier scan of the image",
            )
            for window, first in unite(boxes, look.whole, CONTEXT, LEAST, MOST)
        ]
