"""Captions: Karpathy's JSON, NWPU's classes, AMFMN's text files."""

from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import amfmn, karpathy, nwpu_captions


def _sentences(*texts: str) -> list[dict[str, Any]]:
    return [{"raw": text, "tokens": text.split(), "sentid": 1} for text in texts]


def test_karpathy_drops_empty_captions_and_keeps_splits(tree: Any) -> None:
    tree.image("RSICD_images/airport_1.jpg", 9, 7)
    tree.image("RSICD_images/airport_2.jpg", 9, 7)
    entry = {"imgid": 0, "sentids": [0], "filename": "airport_1.jpg", "split": "test"}
    images = [
        entry | {"sentences": _sentences("many planes .", " ", "planes .")},
        entry | {"filename": "airport_2.jpg", "split": "restval",
                 "sentences": _sentences("a runway .")},
        entry | {"filename": "not-there.jpg", "sentences": _sentences("")},
    ]  # fmt: skip
    tree.json("dataset_rsicd.json", {"images": images, "dataset": "rsicd"})
    first, second = karpathy.rsicd(tree.root)
    assert first.id == "rsicd/airport_1.jpg"
    assert first.answers == ("many planes .", "planes .")
    assert first.images[0].path == "RSICD_images/airport_1.jpg"
    assert (first.images[0].width, first.images[0].height) == (9, 7)
    assert (first.task, first.split, second.split) == ("caption", "test", "train")
    assert first.conversation[0].text == "Describe the image."


def test_two_annotation_files_are_not_guessed_between(tree: Any) -> None:
    tree.json("dataset_a.json", {"images": []})
    tree.json("sub/dataset_b.json", {"images": [1]})
    with pytest.raises(ParseError, match=r"dataset_a\.json.*dataset_b\.json"):
        list(karpathy.rsitmd(tree.root))


def test_a_karpathy_entry_without_sentences_is_named(tree: Any) -> None:
    tree.json("dataset.json", {"images": [{"filename": "a.tif", "split": "test"}]})
    with pytest.raises(ParseError, match=r"dataset\.json, images\[0\]: 'sentences'"):
        list(karpathy.ucm_captions(tree.root))


def test_nwpu_takes_every_raw_key_in_order(tree: Any) -> None:
    tree.image("NWPU_images/airplane/airplane_001.jpg")
    tree.image("NWPU_images/lake/airplane_001.jpg", 20, 20)
    entry = {"filename": "airplane_001.jpg", "split": "test", "imgid": 1}
    entry |= {"raw_2": "three", "raw": "one", "raw_1": "two", "raw_3": "", "sentids": 3}
    tree.json("dataset_nwpu.json", {"airplane": [entry]})
    (sample,) = nwpu_captions.convert(tree.root)
    assert sample.answers == ("one", "two", "three")
    assert sample.type == "airplane"
    assert sample.images[0].path == "NWPU_images/airplane/airplane_001.jpg"


def test_nwpu_images_may_lie_flat(tree: Any) -> None:
    tree.image("NWPU_images/lake_1.jpg")
    entry = {"filename": "lake_1.jpg", "split": "val", "raw": "a lake"}
    tree.json("dataset_nwpu.json", {"lake": [entry]})
    (sample,) = nwpu_captions.convert(tree.root)
    assert (sample.images[0].path, sample.split) == ("NWPU_images/lake_1.jpg", "val")


@pytest.mark.parametrize("names", ["a.tif\n" * 5 + "b.tif\n" * 5, "a.tif\nb.tif\n"])
def test_amfmn_has_five_lines_an_image(tree: Any, names: str) -> None:
    tree.image("images/a.tif")
    tree.image("images/b.tif")
    lines = [f"caption {number}" for number in range(10)]
    lines[7] = ""
    tree.text("rsicd_precomp/test_caps.txt", "\n".join(lines) + "\n")
    tree.text("rsicd_precomp/test_filename.txt", names)
    first, second = amfmn.convert(tree.root)
    assert first.answers == tuple(lines[:5])
    assert second.answers == ("caption 5", "caption 6", "caption 8", "caption 9")
    assert second.id == "amfmn/b.tif"


def test_amfmn_lines_out_of_step_are_a_fault(tree: Any) -> None:
    tree.text("test_caps.txt", "one\ntwo\nthree\n")
    tree.text("test_filename.txt", "a.tif\nb.tif\n")
    with pytest.raises(ParseError, match=r"test_caps\.txt has 3 lines, .* 2\."):
        list(amfmn.convert(tree.root))
