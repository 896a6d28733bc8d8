"""Who looks for what: objects by the region finder, cover and places by the scene model.

The finder was trained on optical images of metre resolution; the scene model reads land
cover and places of a kilometre in optical and radar images whose ground size is like
that of its training.
"""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Literal

from rsvlm.doubts import sure_of_granted
from rsvlm.findings import Finder, Findings, Granting, Purpose, Reader, ShapeKind
from rsvlm.focus import RasterPart, kept
from rsvlm.geometry import HBB, Region
from rsvlm.labels import COVERS, OBJECTS, is_visible
from rsvlm.likening import likened
from rsvlm.meaning import chosen, meant
from rsvlm.raster import Raster
from rsvlm.reasons import PURPOSES, implied, served
from rsvlm.referring import Referring
from rsvlm.replies import (
    area_text,
    by_camera_text,
    cover_text,
    listing,
    no_count_text,
    too_small_text,
    unknown_text,
)
from rsvlm.scenes import CoverMap, SceneModel, cover_map, cover_regions, find_places
from rsvlm.search import Scans, State, search
from rsvlm.subjects import Subject
from rsvlm.zoom import ZoomName

#: Least share of an image that a class covers where it is said to be there.
LEAST_SHARE = 0.01
#: Least part of a window of the training that an image shows, and least side in px of a
#: radar image whose ground size is not known.
LEAST_WINDOW, LEAST_SIDE = 0.5, 256

Way = Literal["object", "place", "cover"]


class Seeker:
    """Finder and scene model together."""

    def __init__(
        self,
        finder: Finder | None,
        scenes: SceneModel | None,
        scans: Scans | None = None,
    ) -> None:
        """Join the parts; each may be missing."""
        self.finder, self.scenes, self.scans = finder, scenes, scans
        self._maps: dict[tuple[str, int], CoverMap] = {}

    def __bool__(self) -> bool:
        """Whether there is anything that looks."""
        return self.finder is not None or self.scenes is not None

    @property
    def finds_objects(self) -> bool:
        """Whether objects can be found by their names; SAM 2 alone knows none."""
        return self.finder is not None and bool(self.finder.labels)

    @property
    def labels(self) -> list[str]:
        """Everything that can be found."""
        found: list[str] = []
        if self.finder is not None:
            found += self.finder.labels
        if self.scenes is not None:
            found += [*self.scenes.places, *self.scenes.covers]
        return list(dict.fromkeys(found))

    def way(self, label: str | None, raster: Raster) -> Way | None:
        """Return how a label can be found in an image; None where it cannot."""
        if label is None:
            return None
        if (
            self.finder is not None
            and label in self.finder.labels
            and raster.sensor != "sar"
            and is_visible(label, raster.gsd)
        ):
            return "object"
        if self.scenes is not None and self._suits(raster):
            if label in self.scenes.places:
                return "place"
            if label in self.scenes.covers:
                return "cover"
        return None

    def _suits(self, raster: Raster) -> bool:
        """Whether an image shows enough ground for the scene model."""
        if self.scenes is None:
            return False
        sensor = "sar" if raster.sensor == "sar" else "optical"
        if sensor not in self.scenes.sensors:
            return False
        if isinstance(raster, RasterPart):
            raster = raster.whole  # its windows reach beyond the part
        longest = max(raster.width, raster.height)
        if raster.gsd is None or self.scenes.window_m is None:
            return sensor == "sar" and longest >= LEAST_SIDE
        return raster.gsd * longest >= LEAST_WINDOW * self.scenes.window_m

    def implied(self, question: str, rasters: Sequence[Raster]) -> Subject | None:
        """Return what a question means without naming it; see :mod:`rsvlm.reasons`."""

        def findable(label: str) -> bool:
            return any(self.way(label, raster) for raster in rasters)

        if not self:
            return None
        told = implied(question, findable)
        if told is not None or not isinstance(self.finder, Reader):
            return told
        names = {p.name for p in PURPOSES if any(map(findable, p.labels))}
        like = likened(question, self.finder.vectors, names)
        return None if like is None else served(like, findable)

    def can_seek(self, state: State, rasters: Sequence[Raster]) -> bool:
        """Whether the subject can be found in any image of the round."""
        label = state.subject.label if state.subject else None
        return any(self.way(label, rasters[i]) for i in state.images)

    def cannot(self, state: State, rasters: Sequence[Raster]) -> str | None:
        """Return why the subject cannot be found in the images, or None.

        A warning is added where a part of the description is not used.
        """
        subject = state.subject
        if subject is None:
            radar = all(rasters[i].sensor == "sar" for i in state.images)
            return by_camera_text("object") if radar else None
        name, label = subject.name, subject.label
        if label not in self.labels:
            return unknown_text(name, self.labels)
        if label in COVERS and state.task.name == "count":
            return no_count_text(name)
        if not self.can_seek(state, rasters):
            shown = [rasters[i] for i in state.images]
            for raster in shown:
                if raster.sensor != "sar" and raster.gsd and label in OBJECTS:
                    size = OBJECTS[label].size_m or 0.0
                    return too_small_text(name, size, raster.gsd)
            if state.task.name == "vqa":
                return None  # the engine may know
            return by_camera_text(name)
        if subject.beside:
            return None
        extra = self._meant(state, rasters[state.images[0]]).unused
        if extra:
            state.warnings.append(
                f"The words {extra!r} were not used: every {name} is meant."
            )
        return None

    def search(
        self,
        state: State,
        rasters: Sequence[Raster],
        shape: ShapeKind,
        zoom: ZoomName,
        purpose: Purpose,
    ) -> Findings:
        """Return the regions of the subject in the images of the round.

        Without a subject all objects are looked for that the finder knows.
        """
        found = kept(self._all(state, rasters, shape, zoom, purpose), rasters)
        subject = state.subject
        for label in subject.instead if subject and not found.regions else ():
            asked = replace(state, subject=Subject(label, label, label))
            found = kept(self._all(asked, rasters, shape, zoom, purpose), rasters)
            if found.regions:
                return found
        if subject is None or not found.regions:
            return found

        def find(other: Subject, image: int) -> tuple[Region, ...]:
            about = replace(state, subject=other, images=(image,))
            return self._all(about, rasters, "hbb", zoom, "locate").regions

        regions: list[Region] = []
        for i in state.images:
            own = [region for region in found.regions if region.image == i]
            if about := self._meant(state, rasters[i]):
                own = chosen(own, about, rasters[i], i, find, state.warnings)
            regions += own
        fewer = len(regions) < len(found.regions)
        return Findings(tuple(regions), found.best, found.missed, fewer)

    def sure(self, found: Findings, is_one: bool) -> float:
        """Return how sure an answer with these regions is.

        Args:
            found: The regions.
            is_one: Whether the question takes for granted that there is something.
        """
        regions = found.regions
        if not regions:
            return 1 - found.best
        finder = self.finder
        alone = is_one and len(regions) == 1 and not found.chosen
        if alone and isinstance(finder, Granting) and regions[0].label in finder.labels:
            best = regions[0].confidence
            return sure_of_granted(best, found.missed, finder.granted)
        return fmean(region.confidence for region in regions)

    def _meant(self, state: State, raster: Raster) -> Referring:
        assert state.subject is not None

        def known(label: str) -> bool:
            return self.way(label, raster) is not None

        return meant(state.subject, state.question, raster, known)

    def _all(
        self,
        state: State,
        rasters: Sequence[Raster],
        shape: ShapeKind,
        zoom: ZoomName,
        purpose: Purpose,
    ) -> Findings:
        label = state.subject.label if state.subject else None
        regions: list[Region] = []
        best = missed = 0.0
        objects = [
            i
            for i in state.images
            if (self.way(label, rasters[i]) == "object")
            or (label is None and rasters[i].sensor != "sar")
        ]
        if self.finder is not None and objects:
            found = search(
                self.finder, state, rasters, shape, zoom, purpose, tuple(objects),
                self.scans,
            )  # fmt: skip
            regions, best = list(found.regions), found.best
            missed = found.missed
        for i in state.images:
            way = self.way(label, rasters[i])
            if self.scenes is None or label is None or way in (None, "object"):
                continue
            if way == "place":
                found = find_places(self.scenes, label, rasters[i], i, state.trace)
            else:
                cover = self._map(state, rasters[i], i)
                beside = state.subject is not None and state.subject.beside
                found = cover_regions(cover, label, rasters[i], i, shape, beside)
                if purpose == "presence" and cover.share(label) < LEAST_SHARE:
                    found = Findings((), cover.share(label))
            regions += found.regions
            best = max(best, found.best)
        return Findings(tuple(regions), best, missed)

    def _map(self, state: State, raster: Raster, image: int) -> CoverMap:
        assert self.scenes is not None
        key = (raster.path, image)
        if key not in self._maps:
            self._maps = {key: cover_map(self.scenes, raster, image, state.trace)}
        found = self._maps[key]
        if found.coarse:
            state.warnings.append(
                f"Image {image + 1} is large: its land cover was read in windows larger "
                "than those of the training."
            )
        return found

    def cover_text(
        self, state: State, rasters: Sequence[Raster], regions: Sequence[Region]
    ) -> str:
        """Return the sentence about a class of land cover; "" for other subjects."""
        label = state.subject.label if state.subject else None
        ways = {self.way(label, rasters[i]) for i in state.images}
        if label is None or "cover" not in ways:
            return ""
        if state.subject and state.subject.beside:
            return ""
        shares = [self._map(state, rasters[i], i).share(label) for i in state.images]
        places = [rasters[r.image].georeference for r in regions]
        areas = [p.area_m2(r.shape) for p, r in zip(places, regions, strict=True) if p]
        known = [area for area in areas if area is not None]
        whole = sum(known) if regions and len(known) == len(regions) else None
        area = area_text(whole, sum(region.shape.area for region in regions))
        part = isinstance(rasters[state.images[0]], RasterPart)
        what = "the place" if part else "the image"
        return cover_text(label, sum(shares) / len(shares), area, len(regions), what)

    def shares_in(self, state: State, raster: Raster, image: int, box: HBB) -> str:
        """Return what covers a part of an image; "" where that cannot be read."""
        if self.scenes is None or not self.scenes.covers or not self._suits(raster):
            return ""
        found = cover_map(self.scenes, raster, image, state.trace, box)
        return _shares([(found.share(n), n) for n in self.scenes.covers])

    def shares_text(self, state: State, rasters: Sequence[Raster]) -> str:
        """Return what covers the images of the round; "" where that cannot be read."""
        if self.scenes is None or not self.scenes.covers:
            return ""
        if not all(self._suits(rasters[i]) for i in state.images):
            return ""
        part = rasters[state.images[0]]
        if isinstance(part, RasterPart):
            return self.shares_in(state, part, state.images[0], part.hull)
        parts = []
        for label in self.scenes.covers:
            shares = [
                self._map(state, rasters[i], i).share(label) for i in state.images
            ]
            parts.append((sum(shares) / len(shares), label))
        return _shares(parts)


def _shares(parts: Sequence[tuple[float, str]]) -> str:
    named = [f"{s:.0%} {n}" for s, n in sorted(parts, reverse=True) if s >= 0.005]
    return f"By area: {listing(named)}." if named else ""
