"""XML files of others, each element with its line, so that a fault can be found.

Files with a document type are refused: entities can expand without end, and labels never
need them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from rsvlm.errors import ParseError
from rsvlm.formats.upstream import read_text

#: Largest value of a coordinate, px.
FARTHEST = 1e6


@dataclass(frozen=True)
class Node:
    """One element of a file, and where it stands."""

    element: Element
    file: str
    lines: Mapping[Element, int]

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.file}, line {self.lines[self.element]}"

    def fault(self, what: str) -> ParseError:
        """Return the error for a value that cannot be used."""
        return ParseError(f"{self.where}: {what}. Correct the file.")

    def find(self, path: str) -> "Node | None":
        """Return the first element of a path below this one, None without one."""
        found = self.element.find(path)
        return None if found is None else Node(found, self.file, self.lines)

    def all(self, tag: str) -> "Iterator[Node]":
        """Yield every element of a name, at any depth, in the order of the file."""
        for element in self.element.iter(tag):
            yield Node(element, self.file, self.lines)

    def text(self, path: str) -> str:
        """Return the text of an element below this one, stripped.

        Raises:
            ParseError: If it is missing or empty.
        """
        found = self.find(path)
        value = (found.element.text or "").strip() if found else ""
        if not value:
            raise (found or self).fault(f"<{path}> is missing or empty")
        return value

    def optional(self, path: str) -> str | None:
        """Return the text of an element below this one; None without any."""
        return (self.element.findtext(path) or "").strip() or None

    def number(self, path: str) -> float:
        """Return a coordinate.

        Raises:
            ParseError: If it is missing, no number, or beyond every image.
        """
        text = self.text(path)
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not abs(value) < FARTHEST:
            raise (self.find(path) or self).fault(
                f"<{path}> is {text!r:.40}, no coordinate"
            )
        return value

    def corners(self, values: "list[float]") -> tuple[float, ...]:
        """Return a ring of coordinates after a look at it.

        Raises:
            ParseError: If it encloses no area.
        """
        ring = tuple(values)
        if not ring_area(ring) > 0:
            shown = " ".join(f"{value:g}" for value in ring)
            raise self.fault(f"the corners {shown} enclose nothing")
        return ring

    def box(self, path: str) -> tuple[float, float, float, float]:
        """Return a VOC box: xmin, ymin, xmax, ymax.

        Raises:
            ParseError: If a side is missing, or the box is empty.
        """
        sides = ("xmin", "ymin", "xmax", "ymax")
        x0, y0, x1, y1 = (self.number(f"{path}/{side}") for side in sides)
        if not (x0 < x1 and y0 < y1):
            raise (self.find(path) or self).fault(
                f"the box {x0:g} {y0:g} {x1:g} {y1:g} is empty"
            )
        return x0, y0, x1, y1


def read_xml(path: Path) -> Node:
    """Return the root of an XML file.

    Raises:
        ParseError: If there is no such file, or it is no XML; names the line.
    """
    text = read_text(path)
    lines: dict[Element, int] = {}
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        lines[builder.start(tag, attributes)] = parser.CurrentLineNumber

    def refuse(*_: object) -> None:
        raise ParseError(
            f"{path.name}, line {parser.CurrentLineNumber}: the file declares entities. "
            "Remove the declaration."
        )

    def end(tag: str) -> None:
        builder.end(tag)

    def data(piece: str) -> None:
        builder.data(piece)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise ParseError(
            f"{path.name}, line {error.lineno}: no XML "
            f"({expat.ErrorString(error.code)}). Fetch the file again."
        ) from None
    return Node(builder.close(), path.name, lines)


def ring_area(ring: tuple[float, ...]) -> float:
    """Return the area that a flat ring encloses, px^2, by the shoelace formula.

    >>> ring_area((0, 0, 4, 0, 4, 3, 0, 3))
    12.0
    """
    xs, ys = ring[::2], ring[1::2]
    turned = zip(xs, ys, xs[1:] + xs[:1], ys[1:] + ys[:1], strict=True)
    return abs(sum(x * v - u * y for x, y, u, v in turned)) / 2
