"""Training images among the samples of a benchmark."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from rsvlm.errors import ParseError, SettingsError
from rsvlm.eval.leakage import Overlap, check, enforce
from rsvlm.samples import Sample

Make = Callable[..., Sample]


@pytest.fixture
def checkpoint(tmp_path: Path, image_folder: Path) -> Path:
    """A checkpoint that was trained on 0.png and on something else."""
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    digest = sha256((image_folder / "images/0.png").read_bytes()).hexdigest()
    (folder / "train-images.txt").write_text(f"{digest}\n{'f' * 64}\n")
    return folder


def test_an_image_that_was_trained_on_is_found(
    checkpoint: Path, image_folder: Path, make_sample: Make
) -> None:
    samples = [make_sample(number) for number in range(6)]  # three images
    overlap = check(samples, image_folder, checkpoint)
    assert overlap == Overlap(True, 3, ("images/0.png",), 0, ("s0", "s1"))
    with pytest.raises(SettingsError, match=r"1 of 3 images of toy \(images/0.png\)"):
        enforce(overlap, "toy")
    mark = enforce(overlap, "toy", allow=True)
    assert mark is not None
    assert "1 of 3 images (2 samples)" in mark


def test_the_hash_of_a_record_counts_without_its_file(
    checkpoint: Path, image_folder: Path, make_sample: Make
) -> None:
    plain = make_sample(0)
    image = plain.images[0].model_copy(update={"path": "gone.png", "sha256": "F" * 64})
    sample = plain.model_copy(update={"images": (image,)})
    assert check([sample], image_folder, checkpoint).leaked == ("gone.png",)


def test_other_images_pass_in_silence(
    checkpoint: Path, image_folder: Path, make_sample: Make
) -> None:
    overlap = check([make_sample(2)], image_folder, checkpoint)
    assert overlap == Overlap(True, 1)
    assert enforce(overlap, "toy") is None


def test_what_is_not_known_is_said(
    checkpoint: Path, tmp_path: Path, make_sample: Make
) -> None:
    samples = [make_sample(0), make_sample(2)]
    for folder in (None, tmp_path):  # a remote model; a checkpoint without a list
        overlap = check(samples, tmp_path, folder)
        assert overlap == Overlap(False, 2)
        note = enforce(overlap, "toy")
        assert note is not None
        assert "not known whether it was trained" in note
    missing = check(samples, tmp_path / "nowhere", checkpoint)
    assert missing.unchecked == 2
    assert "2 of 2 images could not be read" in str(missing.note)


def test_a_damaged_list_stops(
    checkpoint: Path, image_folder: Path, make_sample: Make
) -> None:
    (checkpoint / "train-images.txt").write_text("nonsense\n")
    with pytest.raises(ParseError, match="nonsense"):
        check([make_sample(0)], image_folder, checkpoint)
