"""The list of images that a checkpoint was trained on."""

from hashlib import sha256
from pathlib import Path

import pytest

from rsvlm.errors import ImageError, ParseError
from rsvlm.samples import ImageRef, Sample
from rsvlm.training.images import FILE, read_train_images, write_train_images


def sample(*images: ImageRef) -> Sample:
    return Sample(
        id="s", images=images, task="vqa", source="x", licence="x", split="train"
    )


def ref(path: str, sha: str | None = None) -> ImageRef:
    return ImageRef(path=path, width=1, height=1, sha256=sha)


def test_hashes_are_taken_from_records_or_files(tmp_path: Path) -> None:
    (tmp_path / "b.png").write_bytes(b"b")
    known, found = "A" * 64, sha256(b"b").hexdigest()
    samples = [sample(ref("a.png", known), ref("b.png")), sample(ref("b.png"))]
    path = write_train_images(tmp_path, samples, tmp_path)
    assert path.read_text() == "".join(f"{d}\n" for d in sorted([known.lower(), found]))
    assert read_train_images(tmp_path) == frozenset({known.lower(), found})


def test_a_later_stage_adds_to_the_list(tmp_path: Path) -> None:
    for letter in "ab":
        write_train_images(tmp_path, [sample(ref("x", letter * 64))], tmp_path)
    assert read_train_images(tmp_path) == frozenset({"a" * 64, "b" * 64})
    assert [p.name for p in tmp_path.iterdir()] == [FILE]


def test_no_list_is_not_an_empty_list(tmp_path: Path) -> None:
    assert read_train_images(tmp_path) is None
    (tmp_path / FILE).write_text("")
    assert read_train_images(tmp_path) == frozenset()


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png: No such file"):
        write_train_images(tmp_path, [sample(ref("gone.png"))], tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["abc", "g" * 64, "A" * 64, ""])
def test_a_damaged_line_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(f"{'a' * 64}\n{line}\n")
    with pytest.raises(ParseError, match="line 2"):
        read_train_images(tmp_path)
