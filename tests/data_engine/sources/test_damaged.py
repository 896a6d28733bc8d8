"""Damaged files of every upstream format: a reader names the file, the line, the reason.

The undamaged data sets are those of ``upstream.py``; each source is one of them.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rsvlm.data_engine.records import Record
from rsvlm.data_engine.sources import SOURCES, maps, texts
from rsvlm.errors import ParseError, SettingsError
from tests.data_engine.sources.upstream import UPSTREAM

#: Sources with tests of their own, and those that draw what they yield.
ELSEWHERE = {
    "bigearthnet", "so2sat", "optical_sar", "neon",
    "synthetic", "synthetic_pairs", "synthetic_chains", "chains", "synth", "synth-sar",
    "pasted",
}  # fmt: skip
#: Endings of files that people could read, by the form of their faults.
LINES = (".csv", ".jsonl", ".txt", ".xml", ".osm")
#: Files whose every state is right: an image may show no object at all.
MAY_BE_EMPTY = ("P0001.txt",)
#: Random damages of each data set.
DAMAGES = 40

pytestmark = [
    pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Dataset has no geotransform"),
]


@pytest.fixture(autouse=True)
def _all_train(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "ONE_IN", 10**9)
    monkeypatch.setattr(maps, "_named", lambda: ())


def _read(name: str, root: Path) -> list[Record]:
    return list(SOURCES[name].read(root, UPSTREAM[name][1]))


def _made(name: str, tree: Any) -> list[Path]:
    """Write a data set; return the files that its split is read from."""
    if name == "maps":
        pytest.importorskip("osmium")
    make, split = UPSTREAM[name]
    make(tree)
    other = "train" if split == "test" else "test"
    files = sorted(path for path in tree.root.rglob("*") if path.is_file())
    if name in ("aid", "whu-rs19"):  # images alone, of three splits
        read = {record.name.replace("-", "/") for record in _read(name, tree.root)}
        files = [tree.root / path for path in sorted(read)]
    return [path for path in files if f"_{other}" not in path.stem]


def test_every_source_is_damaged_here_or_elsewhere() -> None:
    assert set(UPSTREAM) | ELSEWHERE == set(SOURCES)
    assert not set(UPSTREAM) & ELSEWHERE


@pytest.mark.parametrize("name", UPSTREAM)
def test_the_undamaged_form_is_read(tree: Any, name: str) -> None:
    _made(name, tree)
    records = _read(name, tree.root)
    assert records
    for record in records:
        assert record.source == name
        assert record.licence
        said = record.targets + record.captions + record.questions
        assert said or record.label or record.masks


@pytest.mark.parametrize("name", UPSTREAM)
def test_an_empty_and_a_binary_file_are_named(tree: Any, name: str) -> None:
    for path in _made(name, tree):
        data = path.read_bytes()
        for damage in (b"", bytes(range(128, 256)) * 3):
            if not damage and path.name in MAY_BE_EMPTY:
                continue
            path.write_bytes(damage)
            with pytest.raises((ParseError, SettingsError)) as caught:
                _read(name, tree.root)
            message = str(caught.value)
            # A list of splits that is empty leaves the images without a split.
            assert path.name in message or path.stem in message
            assert message.endswith(".")
        path.write_bytes(data)


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_byte_that_is_no_text_gives_the_line(tree: Any, name: str) -> None:
    """As in files that were saved by an old editor, in its own code page."""
    for path in _made(name, tree):
        if path.suffix not in (*LINES, ".json") or path.suffix == ".osm":
            continue
        data = path.read_bytes()
        cut = len(data) // 2
        path.write_bytes(data[:cut] + b"\xe9" + data[cut:])
        line = data[:cut].count(b"\n") + 1
        with pytest.raises(ParseError, match=rf"{re.escape(path.name)}, line {line}: "):
            _read(name, tree.root)
        path.write_bytes(data)


@pytest.mark.parametrize("name", UPSTREAM)
def test_a_byte_order_mark_and_foreign_line_ends_are_no_damage(
    tree: Any, name: str
) -> None:
    files = _made(name, tree)
    before = _read(name, tree.root)
    for path in files:
        if path.suffix in (*LINES, ".json"):
            data = path.read_bytes()
            path.write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    assert _read(name, tree.root) == before


@pytest.mark.parametrize("name", sorted(set(UPSTREAM) - {"maps", "vhr10"}))
def test_what_macos_adds_to_an_archive_is_left(tree: Any, name: str) -> None:
    files = _made(name, tree)
    before = _read(name, tree.root)
    for path in files:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\xff")
        other = tree.at(f"__MACOSX/{path.relative_to(tree.root)}")
        other.write_bytes(b"\x00\x05\x16\x07\xff")
    assert _read(name, tree.root) == before


@pytest.mark.parametrize("name", UPSTREAM)
def test_no_damage_ends_in_another_error(tree: Any, name: str) -> None:
    files, rng = _made(name, tree), Random(name)
    readable = [path for path in files if path.suffix in (*LINES, ".json", ".p")]
    for number in range(DAMAGES):
        path = rng.choice(readable if readable and number % 4 else files)
        data = path.read_bytes()
        path.write_bytes(_damaged(data, rng))
        try:
            _read(name, tree.root)
        except (ParseError, SettingsError) as error:
            message = str(error)
            if path.suffix in (".xml", ".jsonl"):
                assert (
                    f"{path.name}, line " in message
                    or "names" in message
                    or "name" in message
                )
        path.write_bytes(data)


def _damaged(data: bytes, rng: Random) -> bytes:
    """Return a file with one of the faults that files come with."""
    kind = rng.randrange(5)
    place = rng.randrange(len(data) or 1)
    if kind == 0:  # a transfer that broke off
        return data[:place]
    if kind == 1:  # a bit that fell over
        return (
            data[:place]
            + bytes([data[place] ^ 1 << rng.randrange(8)])
            + data[place + 1 :]
        )
    if kind == 2:  # a line that is missing, or a piece of another
        return data[:place] + data[place + rng.randrange(1, 20) :]
    values = list(_values(data))
    if not values:
        return data[place:]
    start, end = rng.choice(values)
    odd = (
        b"",
        b"nan",
        b"-1",
        b"1e99",
        b"null",
        b"[]",
        b'"',
        b"../../a",
        b"9" * 40,
        b"*",
    )
    return data[:start] + rng.choice(odd) + data[end:]


def _values(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield where the words and numbers of a file begin and end."""
    for match in re.finditer(rb"[\w.-]+", data[:4000]):
        yield match.span()


@pytest.mark.parametrize("name", ["rsvqa-lr", "fair1m", "refsegrs", "rsicd"])
def test_an_image_that_was_cut_short_is_named(tree: Any, name: str) -> None:
    """Its header is whole, so that its size alone tells nothing."""
    image = next(p for p in _made(name, tree) if p.suffix in (".tif", ".jpg"))
    data = image.read_bytes()
    image.write_bytes(data[: int(len(data) * 0.8)])
    with pytest.raises(ParseError, match=re.escape(image.name)):
        _read(name, tree.root)


@pytest.mark.parametrize("name", ["dior", "voc", "dota"])
def test_endings_in_capitals_are_found(tree: Any, name: str) -> None:
    image = next(p for p in _made(name, tree) if p.suffix in (".jpg", ".png"))
    image.rename(image.with_suffix(image.suffix.upper()))
    assert _read(name, tree.root)


def test_lists_that_lack_images_are_refused(tree: Any) -> None:
    """An image in no list might be one of the test list that is missing."""
    _made("eurosat", tree)
    path = tree.root / "eurosat-train.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:4]))
    with pytest.raises(ParseError, match=r"names 'Class4/c4\.jpg' \(6 images"):
        _read("eurosat", tree.root)
