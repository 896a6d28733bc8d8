"""What is in a set of samples: numbers by task, class, size, sensor, terms and so on."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt

from rsvlm.samples import ImageRef, Sample

#: Upper ends of the groups of sizes, px: side of a square of the same area.
SIZES = (8, 16, 32, 96, 256)
#: Upper ends of the groups of ground sampling distances, m/px.
GSDS = (0.3, 1.0, 3.0, 10.0, 30.0)


@dataclass
class Statistics:
    """Numbers of a set of samples.

    Images and objects count once, however many questions are asked about them.

    Attributes:
        samples: Number of samples.
        images: Path of an image -> what samples say of it.
        splits: Split -> samples.
        tasks: Task -> samples.
        kinds: Kind of question -> samples.
        sources: Source -> samples.
        licences: Terms -> samples.
        classes: Class -> objects.
        sizes: Group of sizes -> objects.
        answers: Short answer -> samples.
        words: Total of words that users and assistants say.
    """

    samples: int = 0
    images: dict[str, ImageRef] = field(default_factory=dict)
    splits: Counter[str] = field(default_factory=Counter)
    tasks: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    sizes: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    words: Counter[str] = field(default_factory=Counter)
    _seen: set[int] = field(default_factory=set)

    def add(self, sample: Sample) -> None:
        """Count a sample."""
        self.samples += 1
        self.splits[sample.split] += 1
        self.tasks[sample.task] += 1
        self.kinds[str(sample.meta.get("kind", sample.type or "-"))] += 1
        self.sources[sample.source] += 1
        self.licences[sample.licence] += 1
        for image in sample.images:
            self.images.setdefault(image.path, image)
        for turn in sample.conversation:
            self.words[turn.role] += len(turn.text.split())
        if sample.answers and len(sample.answers[0]) <= 24:
            self.answers[sample.answers[0].lower()] += 1
        for target in sample.targets:
            place = hash((sample.images[0].path, target.label, target.hbb))
            if place not in self._seen:
                self._seen.add(place)
                self.classes[target.label] += 1
                x0, y0, x1, y1 = target.hbb
                side = sqrt(max(x1 - x0, 0) * max(y1 - y0, 0))
                self.sizes[group(side, SIZES, "px")] += 1

    @property
    def sensors(self) -> Counter[str]:
        """Sensor -> images."""
        return Counter(image.sensor for image in self.images.values())

    @property
    def gsds(self) -> Counter[str]:
        """Group of ground sampling distances -> images."""
        return Counter(
            group(image.gsd_m, GSDS, "m/px") if image.gsd_m else "not known"
            for image in self.images.values()
        )

    @property
    def placed(self) -> int:
        """Number of images that lie on a map."""
        return sum(image.bounds_lonlat is not None for image in self.images.values())


def count(samples: Iterable[Sample]) -> Statistics:
    """Return the numbers of samples."""
    found = Statistics()
    for sample in samples:
        found.add(sample)
    return found


def group(value: float, ends: tuple[float, ...], unit: str) -> str:
    """Return the group that a value belongs to.

    >>> group(20, (8, 16, 32), "px"), group(99, (8, 16, 32), "px")
    ('16 to 32 px', '32 px and more')
    """
    low = 0.0
    for end in ends:
        if value < end:
            return f"{low:g} to {end:g} {unit}" if low else f"below {end:g} {unit}"
        low = end
    return f"{low:g} {unit} and more"


def in_order(
    counts: Counter[str], ends: tuple[float, ...], unit: str
) -> dict[str, int]:
    """Return groups by size instead of by number; what belongs to none comes last."""
    names = [group(value, ends, unit) for value in (0.0, *ends)]
    names += [name for name in counts if name not in names]
    return {name: counts[name] for name in names if counts[name]}
