"""Writing: whole or not at all, paths that lead to the images, counts."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.convert import table
from rsvlm.eval.convert.table import CONVERTERS, Converter
from rsvlm.eval.convert.write import convert, write
from rsvlm.samples import ImageRef, Sample, read_samples


def _sample(id: str, **fields: Any) -> Sample:
    return Sample(
        id=id, images=(ImageRef(path="images/a.png", width=8, height=6),), task="vqa",
        answers=("caf\u00e9 \u2028 \U0001f6a2",), source="x", licence="none",
        split="test", **fields,
    )  # fmt: skip


def _use(
    monkeypatch: pytest.MonkeyPatch, *samples: Sample, pictures: Any = None
) -> None:
    def read(root: Path) -> Iterator[Sample]:
        yield from samples

    entry = Converter(read, "made up", "none", pictures)
    monkeypatch.setitem(table.CONVERTERS, "made-up", entry)


def test_paths_lead_from_the_file_to_the_images(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = tree.image("images/a.png")
    _use(monkeypatch, _sample("1"))
    for out, expected in (
        (tree.root, "images/a.png"),
        (tmp_path / "out/deep", "../../data/images/a.png"),
    ):
        path = write("made-up", tree.root, out)
        (sample,) = read_samples(path)
        assert sample.images[0].path == expected
        assert (path.parent / expected).resolve() == image.resolve()
        assert sample == _sample("1").model_copy(update={"images": sample.images})


def test_half_a_surrogate_pair_does_not_stop_the_writing(
    tree: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.image("images/a.png")
    _use(monkeypatch, _sample("1", type="x \ud83d y"))
    (sample,) = read_samples(write("made-up", tree.root, tree.root))
    assert sample.type == "x ? y"


def test_counts_and_hash_are_reported(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.image("images/a.png")
    _use(monkeypatch, _sample("1"), _sample("2"), _sample("3", type="x"))
    lines: list[str] = []
    path = write("made-up", tree.root, tmp_path / "out", lines.append)
    assert path == tmp_path / "out/made-up.jsonl"
    digest = sha256(path.read_bytes()).hexdigest()
    counts = "made-up.jsonl: 3 samples of 1 images (test vqa 3)"
    assert lines == [f"{counts}; sha256 {digest}"]


def test_made_pictures_lie_beside_the_file(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pictures(root: Path) -> Iterator[tuple[str, bytes]]:
        yield "images/a.png", b"data"

    tree.image("x.png")
    _use(monkeypatch, _sample("1"), pictures=pictures)
    path = write("made-up", tree.root, tmp_path / "out")
    (sample,) = read_samples(path)
    assert (path.parent / sample.images[0].path).read_bytes() == b"data"


def test_a_fault_leaves_the_file_of_before(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.image("images/a.png")
    out = tmp_path / "out"
    _use(monkeypatch, _sample("1"))
    before = write("made-up", tree.root, out).read_bytes()
    _use(monkeypatch, _sample("2"), _sample("2"))
    with pytest.raises(ParseError, match="two samples have the id '2'"):
        write("made-up", tree.root, out)
    assert [path.name for path in out.iterdir()] == ["made-up.jsonl"]
    assert (out / "made-up.jsonl").read_bytes() == before


def test_an_empty_data_set_is_a_fault(
    tree: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.image("a.png")
    _use(monkeypatch)
    with pytest.raises(ParseError, match="holds no sample"):
        convert("made-up", tree.root, tmp_path / "out")


def test_wrong_names_and_folders_are_said(tree: Any, tmp_path: Path) -> None:
    file = tree.text("file", "x")
    with pytest.raises(UnknownNameError, match="Did you mean 'rsicd'"):
        write("rsicdd", tree.root, tmp_path)
    with pytest.raises(SettingsError, match="is no folder"):
        write("rsicd", tmp_path / "none", tmp_path)
    with pytest.raises(SettingsError, match="is a file"):
        write("rsicd", tree.root, file)


@pytest.mark.parametrize("name", CONVERTERS)
def test_every_converter_says_what_is_missing_in_an_empty_folder(
    name: str, tree: Any, tmp_path: Path
) -> None:
    tree.text("notes.txt", "nothing here")
    out = tmp_path / "out"
    with pytest.raises(ParseError, match=r"Name the folder|Point --root|Put the split"):
        write(name, tree.root, out)
    assert list(out.iterdir()) == []
