"""RRSIS-D: a pickle that runs nothing, masks whose runs fill the image."""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.errors import ParseError
from rsvlm.eval.convert import rrsisd
from rsvlm.formats import unpickle
from rsvlm.formats.unpickle import read_pickle
from rsvlm.geometry import HBB, Mask

PIXELS = np.zeros((6, 8), dtype=bool)
PIXELS[1:4, 2:7] = True
CODE = Mask.from_array(PIXELS).counts

REF: dict[str, Any] = {
    "ref_id": 9, "image_id": 1, "ann_id": 5, "split": "test", "category_id": 2,
    "file_name": "1.jpg", "sent_ids": [0, 1],
    "sentences": [
        {"raw": "the tank on the left", "sent": "the tank", "sent_id": 0, "tokens": []},
        {"raw": "a tank", "sent": "a tank", "sent_id": 1, "tokens": []},
    ],
}  # fmt: skip


def _put(tree: Any, segmentation: Any, protocol: int = 4, **changes: Any) -> None:
    tree.image("images/rrsisd/JPEGImages/1.jpg", 8, 6)
    data = pickle.dumps([REF | changes], protocol=protocol)
    tree.at("rrsisd/refs(unc).p").write_bytes(data)
    tree.json(
        "rrsisd/instances.json",
        {
            "images": [{"id": 1, "file_name": "1.jpg", "width": 8, "height": 6}],
            "annotations": [{"id": 5, "category_id": 2, "segmentation": segmentation}],
            "categories": [{"id": 2, "name": "storage tank"}],
        },
    )


def _array(sample: Any) -> Any:
    return Mask(sample.mask.counts, sample.mask.size, HBB(0, 0, 8, 6)).to_array()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_the_first_sentence_is_asked_and_the_mask_is_kept(
    tree: Any, protocol: int
) -> None:
    _put(tree, [{"size": [6, 8], "counts": CODE}], protocol)
    (sample,) = rrsisd.convert(tree.root)
    assert (sample.id, sample.type, sample.split) == (
        "rrsis-d/9",
        "storage tank",
        "test",
    )
    assert sample.conversation[0].text == "the tank on the left"
    assert sample.meta == {"other_sentences": ["a tank"]}
    assert np.array_equal(_array(sample), PIXELS)


def test_plain_runs_polygons_and_several_parts_are_united(tree: Any) -> None:
    # Runs go down the columns: 8 columns of 6, set in columns 0 and 1.
    _put(tree, [{"size": [6, 8], "counts": [0, 12, 36]}, [4, 0, 8, 0, 8, 6, 4, 6]])
    array = _array(next(rrsisd.convert(tree.root)))
    assert array[:, :2].all()
    assert not array[:, 2:4].any()
    assert array[:, 4:].all()


def test_a_mask_without_a_pixel_is_none(tree: Any) -> None:
    _put(tree, {"size": [6, 8], "counts": [48]})
    assert next(rrsisd.convert(tree.root)).mask is None


@pytest.mark.parametrize(
    ("segmentation", "what"),
    [
        ([{"size": [8, 6], "counts": CODE}], "'size' is 8 x 6"),
        ([{"size": [6, 8], "counts": "0000"}], "do not fill"),
        ([{"size": [6, 8], "counts": "~~~~\x7f"}], "do not fill"),
        ([{"size": [6, 8], "counts": [0, 12]}], "do not fill"),
        ([{"size": [6, 8], "counts": [60, -12]}], "do not fill"),
        ([[1, 2, 3, 4]], "a ring of 4 numbers"),
        ([[0, 0, 1e7, 0, 5, 5]], "leaves every image"),
        (["abc"], "a ring of 0 numbers"),
    ],
)
def test_masks_that_do_not_fit_are_a_fault(
    tree: Any, segmentation: Any, what: str
) -> None:
    _put(tree, segmentation)
    with pytest.raises(ParseError, match=what):
        list(rrsisd.convert(tree.root))


def test_an_unknown_annotation_is_named(tree: Any) -> None:
    _put(tree, [], ann_id=6)
    with pytest.raises(ParseError, match=r"refs\(unc\)\.p\[0\]: 'ann_id'"):
        list(rrsisd.convert(tree.root))


class _Runs:
    """A value whose pickle runs a command when it is read as usual."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.system, (f"touch {self.path}",))


def test_a_pickle_that_would_run_a_command_is_refused(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    path = tmp_path / "refs.p"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps([_Runs(trace)], protocol=protocol))
        with pytest.raises(ParseError, match=r"refs\.p is refused: wants to import"):
            read_pickle(path)
        assert not trace.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"garbage", pickle.dumps([1, 2])[:-3], b"\x80\x04\x82\x01.",
        b"cos\nsystem\n(S'true'\ntR.", b"(lp0\nP1\na.", b"\x80\x04e.", b"h\x05.",
    ],
)  # fmt: skip
def test_broken_and_hostile_pickles_are_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(data)
    with pytest.raises(ParseError, match=r"refs\.p is refused"):
        read_pickle(path)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", [1j], bytearray(b"x")])
def test_other_types_are_refused(tmp_path: Path, value: Any) -> None:
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps([value], protocol=4))
    with pytest.raises(ParseError, match=r"refused|holds a value of type"):
        read_pickle(path)


def test_what_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "refs.p"
    tower: list[Any] = [0] * 100
    for _ in range(6):
        tower = [tower] * 100
    path.write_bytes(pickle.dumps(tower))
    with pytest.raises(ParseError, match="unfolds to more than"):
        read_pickle(path)
    loop: list[Any] = []
    loop.append(loop)
    path.write_bytes(pickle.dumps(loop))
    with pytest.raises(ParseError, match="nested deeper than 32"):
        read_pickle(path)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpickle, "MOST_BYTES", 10)
    path = tmp_path / "refs.p"
    path.write_bytes(pickle.dumps(list(range(50))))
    with pytest.raises(ParseError, match="more than 0"):
        read_pickle(path)
