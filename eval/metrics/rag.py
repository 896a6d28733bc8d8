"""Retrieval-augmented answers: are the right passages found, and rightly cited?

In the text of an answer ``[1]`` refers to the evidence of that number. Citation
precision asks whether what is cited is relevant, recall whether what is relevant is
cited. Where nothing is relevant the right answer cites nothing.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

Box = tuple[float, float, float, float]

_BRACKET = re.compile(r"\[([\d\s,;\u2013-]+)\]")
_RANGE = re.compile(r"(\d+)\s*[-\u2013]\s*(\d+)")
#: A wider range is a typing error or no citation.
_WIDEST = 50


@dataclass(frozen=True)
class Citations:
    """How the citations of one answer compare with what is relevant.

    Attributes:
        precision: Share of the cited sources that are relevant.
        recall: Share of the relevant sources that are cited.
        dangling: Cited numbers that no evidence has.
    """

    precision: float
    recall: float
    dangling: tuple[int, ...] = ()

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def cited(text: str | None, known: Collection[int] = ()) -> list[int]:
    """Return the numbers that a text cites, each once, in reading order.

    Four numbers in one bracket are a box, unless all of them are known.

    Args:
        text: The answer's text.
        known: Numbers of the evidence.

    >>> cited("Built in 1931 [2], later widened [1, 3-4][2].", known=[1, 2, 3, 4])
    [2, 1, 3, 4]
    >>> cited("It lies at [120, 40, 310, 260].")
    []
    """
    found: dict[int, None] = {}
    for bracket in _BRACKET.findall(text or ""):
        numbers = list[int]()
        for part in re.split(r"[,;]", bracket):
            if span := _RANGE.fullmatch(part.strip()):
                low, high = int(span[1]), int(span[2])
                if low <= high <= low + _WIDEST:
                    numbers.extend(range(low, high + 1))
            elif part.strip().isdecimal():
                numbers.append(int(part))
        if len(numbers) != 4 or set(numbers) <= set(known):
            found.update(dict.fromkeys(numbers))
    return list(found)


def citations(
    text: str | None, evidence: Sequence[tuple[int, str]], relevant: Collection[str]
) -> Citations:
    """Compare the citations of an answer with what is relevant.

    A number that no evidence has counts as a wrong citation.

    Args:
        text: The answer's text.
        evidence: Number and source of each passage that was shown.
        relevant: The relevant sources.

    >>> citations("A castle [1].", [(1, "a.md"), (2, "b.md")], {"a.md", "b.md"}).recall
    0.5
    """
    source = dict(evidence)
    numbers = cited(text, source)
    dangling = tuple(number for number in numbers if number not in source)
    named = {source[number] for number in numbers if number in source}
    if not relevant:
        right = float(not numbers)
        return Citations(right, right, dangling)
    hits = len(named & set(relevant))
    total = len(named) + len(dangling)
    return Citations(hits / total if total else 0.0, hits / len(relevant), dangling)


def coverage(target: Box, windows: Sequence[Box]) -> float:
    """Return the share of a region that the windows which were looked at cover.

    Args:
        target: Region of interest: x0, y0, x1, y1 in raster pixels.
        windows: What was looked at, in the same frame; they may overlap.

    Returns:
        Covered area by area of the target, 0 to 1; 0 for an empty target.

    >>> coverage((0, 0, 10, 10), [(0, 0, 5, 10), (0, 0, 10, 5)])
    0.75
    """
    x0, y0, x1, y1 = target
    if x1 <= x0 or y1 <= y0 or not windows:
        return 0.0
    boxes = np.asarray(windows, dtype=np.float64)
    xs, ys = np.clip(boxes[:, ::2], x0, x1), np.clip(boxes[:, 1::2], y0, y1)
    # Cells between all edges: each is covered wholly or not at all.
    across, down = np.unique([x0, x1, *xs.flat]), np.unique([y0, y1, *ys.flat])
    inside_x = (xs[:, :1] <= across[:-1]) & (across[1:] <= xs[:, 1:])  # (W, cells)
    inside_y = (ys[:, :1] <= down[:-1]) & (down[1:] <= ys[:, 1:])
    covered = np.einsum("wi,wj->ij", inside_y.astype(int), inside_x.astype(int)) > 0
    area = np.diff(down)[:, None] * np.diff(across)
    return float((area * covered).sum() / ((x1 - x0) * (y1 - y0)))
