"""Wikipedia dumps: MediaWiki XML (plain, .bz2, .gz) and ZIM.

Of an article the prose is taken, section by section; tables, templates and references
are left out. Coordinates come from the template ``coord`` or from the page's
``geo.position``.
"""

import bz2
import gzip
import html
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from xml.etree import ElementTree

from rsvlm.errors import MissingExtraError, ParseError
from rsvlm.retrieval.passages import Passage, point

LICENCE = "CC-BY-SA-4.0"
#: Sections that hold no prose.
_SKIPPED = {"references", "external links", "see also", "further reading", "notes",
            "bibliography", "sources", "gallery"}  # fmt: skip
_COORD = re.compile(r"\{\{\s*coord\s*\|([^{}]*)\}\}", re.IGNORECASE)


def read_xml(path: Path, base: str | None = None) -> Iterator[Passage]:
    """Yield the sections of the articles of a dump, without loading it whole.

    Args:
        path: File of ``pages-articles``, plain or packed.
        base: Address of the articles; taken from the dump if it is not given.

    Raises:
        ParseError: If it is no such dump, or breaks off.
    """
    source, address = "Wikipedia", base
    try:
        with _opened(path) as file:
            page: dict[str, str] = {}
            for _, element in ElementTree.iterparse(file, events=("end",)):
                tag = element.tag.rpartition("}")[2]
                if tag == "sitename":
                    source = element.text or source
                elif tag == "base" and address is None:
                    address = (element.text or "").rsplit("/", 1)[0]
                elif tag in ("title", "ns", "text", "timestamp"):
                    page[tag] = element.text or ""
                elif tag == "redirect":
                    page["redirect"] = "yes"
                elif tag == "page":
                    if page.get("ns", "0") == "0" and "redirect" not in page:
                        yield from _article(page, source, address)
                    page = {}
                    element.clear()
    except (ElementTree.ParseError, OSError, EOFError) as error:
        raise ParseError(
            f"{path.name} is no whole MediaWiki dump ({error}). Fetch it again."
        ) from None


def _opened(path: Path) -> IO[bytes]:
    if path.suffix == ".bz2":
        return bz2.open(path)
    if path.suffix == ".gz":
        return gzip.open(path)  # type: ignore[return-value]
    return path.open("rb")


def _article(
    page: dict[str, str], source: str, address: str | None
) -> Iterator[Passage]:
    title = page.get("title", "")
    wikitext = page.get("text", "")
    place = _coordinates(wikitext)
    url = f"{address}/{quote(title.replace(' ', '_'))}" if address else None
    for heading, text in _sections(wikitext):
        yield Passage(
            text=text,
            title=f"{title}: {heading}" if heading else title,
            source=source,
            licence=LICENCE,
            url=url,
            date=page.get("timestamp", "")[:10] or None,
            place=place,
        )


def _sections(wikitext: str) -> Iterator[tuple[str, str]]:
    parts = re.split(r"^(={2,6})\s*(.*?)\s*\1\s*$", wikitext, flags=re.MULTILINE)
    yield from _section("", parts[0])
    for heading, text in zip(parts[2::3], parts[3::3], strict=True):
        if heading.casefold() not in _SKIPPED:
            yield from _section(heading, text)


def _section(heading: str, text: str) -> Iterator[tuple[str, str]]:
    if prose := plain_text(text):
        yield heading, prose


_REMOVED = re.compile(
    r"<!--.*?-->|<ref[^>/]*/>|<ref[^>]*>.*?</ref>|<(math|gallery|table)\b.*?</\1>"
    r"|^\s*\{\|.*?^\s*\|\}|__[A-Z]+__",
    re.DOTALL | re.MULTILINE,
)
_LINK = re.compile(r"\[\[(?:[^\[\]|]*\|)?([^\[\]|]*)\]\]")
_FILE = re.compile(
    r"\[\[(?:File|Image|Category):(?:[^\[\]]|\[\[[^\[\]]*\]\])*\]\]", re.IGNORECASE
)


def plain_text(wikitext: str) -> str:
    """Return the prose of wikitext.

    >>> plain_text("'''Lyon''' is a [[city]] in [[France|the republic]].{{citation}}")
    'Lyon is a city in the republic.'
    """
    text = _REMOVED.sub("", wikitext)
    while text != (shorter := re.sub(r"\{\{[^{}]*\}\}", "", text)):
        text = shorter
    text = _LINK.sub(r"\1", _FILE.sub("", text))
    text = re.sub(r"\[https?://\S+\s?([^\]]*)\]", r"\1", text)
    text = html.unescape(re.sub(r"<[^>]+>|'{2,}", "", text))
    lines = [re.sub(r"^[*#:;]+\s*", "", line).strip() for line in text.splitlines()]
    paragraphs = re.split(r"\n{2,}", "\n".join(lines))
    return "\n\n".join(" ".join(p.split()) for p in paragraphs if p.strip())


def _coordinates(wikitext: str) -> bytes | None:
    """Return the place that the template ``coord`` gives; the first that can be read."""
    for found in _COORD.finditer(wikitext):
        fields = [field.strip() for field in found[1].split("|")]
        numbers: list[float] = []
        values: list[float] = []
        for field in fields:
            if re.fullmatch(r"-?\d+(?:\.\d+)?", field):
                numbers.append(float(field))
            elif field.upper() in ("N", "S", "E", "W") and numbers:
                sign = -1 if field.upper() in ("S", "W") else 1
                values.append(sign * sum(n / 60**i for i, n in enumerate(numbers)))
                numbers = []
            else:
                break
        values = values or numbers
        if len(values) == 2 and abs(values[0]) <= 90 and abs(values[1]) <= 180:
            return point(values[1], values[0])
    return None


def read_zim(path: Path) -> Iterator[Passage]:
    """Yield the sections of the articles of a ZIM file.

    Raises:
        MissingExtraError: If libzim is not installed.
        ParseError: If it is no ZIM file.
    """
    try:
        from libzim.reader import Archive
    except ImportError:
        raise MissingExtraError("libzim", "zim") from None
    try:
        archive: Any = Archive(path)
    except RuntimeError as error:
        raise ParseError(
            f"{path.name} is no ZIM file ({error}). Fetch it again."
        ) from None
    known = set(archive.metadata_keys)

    def told(key: str, default: str) -> str:
        return bytes(archive.get_metadata(key)).decode() if key in known else default

    source, licence = told("Title", path.stem), told("License", LICENCE)
    for number in range(archive.all_entry_count):
        entry = archive._get_entry_by_id(number)
        if entry.is_redirect:
            continue
        item = entry.get_item()
        if not item.mimetype.startswith("text/html"):
            continue
        page = _Page()
        page.feed(bytes(item.content).decode("utf-8", "replace"))
        for heading, text in page.sections():
            yield Passage(
                text=text,
                title=f"{entry.title}: {heading}" if heading else entry.title,
                source=source,
                licence=licence,
                date=told("Date", "") or None,
                place=page.place,
            )


class _Page(HTMLParser):
    """Collects the paragraphs of an article under their headings."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[list[str]] = [["", ""]]
        self._inside: list[str] = []
        self.place: bytes | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "meta" and given.get("name") in ("geo.position", "ICBM"):
            numbers = re.findall(r"-?\d+(?:\.\d+)?", given.get("content") or "")
            if len(numbers) == 2:
                self.place = point(float(numbers[1]), float(numbers[0]))
        if tag in ("h2", "h3", "h4"):
            self._parts.append(["", ""])
        if tag in ("p", "li", "h2", "h3", "h4", "table", "script", "style", "sup"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            while self._inside.pop() != tag:
                pass
            if tag in ("p", "li"):
                self._parts[-1][1] += "\n\n"

    def handle_data(self, data: str) -> None:
        if not self._inside or {"table", "script", "style", "sup"} & set(self._inside):
            return
        self._parts[-1][0 if self._inside[-1].startswith("h") else 1] += data

    def sections(self) -> Iterator[tuple[str, str]]:
        """Yield heading and text of the sections that hold text."""
        for heading, text in self._parts:
            heading = " ".join(heading.split())
            paragraphs = (" ".join(p.split()) for p in text.split("\n\n"))
            prose = "\n\n".join(p for p in paragraphs if p)
            if prose and heading.casefold() not in _SKIPPED:
                yield heading, prose
