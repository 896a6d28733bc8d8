"""What a build leaves out: copies, leaks between splits and towards evaluation sets."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from rsvlm.data_engine.filters import Filters, Sieve, dropped_rows
from rsvlm.data_engine.filters.twins import same_vector
from rsvlm.data_engine.records import Record
from rsvlm.errors import SettingsError
from rsvlm.samples import ImageRef, Sample, to_json


def _picture(seed: int) -> NDArray[np.uint8]:
    cells = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return np.asarray(
        Image.fromarray(cells).resize((64, 64), Image.Resampling.BILINEAR)
    )


def _encoded(pixels: NDArray[np.uint8], form: str = "PNG", **options: Any) -> bytes:
    data = BytesIO()
    Image.fromarray(pixels).save(data, format=form, **options)
    return data.getvalue()


def _record(name: str, data: bytes, **fields: Any) -> Record:
    return Record(
        image=data, name=name, width=64, height=64, source="s", licence="l", **fields
    )


def _sieve(records: list[tuple[str, Record]], **settings: Any) -> Sieve:
    sieve = Sieve(Filters(**settings))
    for split, record in records:
        sieve.look(record, split)
    sieve.decide()
    return sieve


ONE = _encoded(_picture(1))
JPEG = _encoded(_picture(1), "JPEG", quality=60)
TURNED = _encoded(np.rot90(_picture(1)))
OTHER = _encoded(_picture(2))


@pytest.mark.parametrize(
    ("data", "reason"), [(ONE, "equal file"), (JPEG, "near"), (TURNED, "near")]
)
def test_a_copy_in_training_goes_for_the_test_image(data: bytes, reason: str) -> None:
    records = [("test", _record("a", ONE)), ("train", _record("b", data)),
               ("train", _record("c", OTHER))]  # fmt: skip
    sieve = _sieve(records)
    (gone,) = sieve.dropped.values()
    assert (gone.split, gone.name, gone.filter) == ("train", "b", "leak")
    assert gone.reason.startswith(reason)
    assert gone.twin == "test/s/a"
    assert sieve.report() == {"leak": {"s": {"train": 1}}}


def test_of_copies_in_one_split_the_first_stays() -> None:
    records = [
        ("train", _record(n, d)) for n, d in (("a", ONE), ("b", JPEG), ("c", ONE))
    ]
    sieve = _sieve(records)
    assert {d.name: (d.filter, d.twin) for d in sieve.dropped.values()} == {
        "b": ("duplicate", "train/s/a"),
        "c": ("duplicate", "train/s/a"),
    }
    assert sieve.stays(records[0][1], "train")
    assert not sieve.stays(records[1][1], "train")


def test_filters_are_chosen() -> None:
    records = [("test", _record("a", ONE)), ("train", _record("b", JPEG))]
    assert not _sieve(records, near=None).dropped
    records = [("test", _record("a", ONE)), ("train", _record("b", ONE))]
    assert not _sieve(records, near=None, exact=False).dropped


def test_blank_and_unreadable_images_go() -> None:
    blank = _encoded(np.full((64, 64, 3), 9, np.uint8))
    records = [("train", _record("a", blank)), ("train", _record("b", b"no image")),
               ("train", _record("c", ONE))]  # fmt: skip
    sieve = _sieve(records)
    assert {d.name: d.filter for d in sieve.dropped.values()} == {
        "a": "blank",
        "b": "unreadable",
    }
    assert [row["name"] for row in dropped_rows(sieve.dropped.values())] == ["a", "b"]


def test_common_ground_of_two_splits_is_a_leak() -> None:
    here, beside = (10.0, 50.0, 11.0, 51.0), (10.9, 50.0, 11.9, 51.0)
    records = [
        ("test", _record("a", ONE, bounds_lonlat=here)),
        ("val", _record("b", OTHER, bounds_lonlat=beside)),
        ("train", _record("c", _encoded(_picture(3)), bounds_lonlat=here)),
        ("train", _record("d", _encoded(_picture(4)), bounds_lonlat=here)),
        ("train", _record("e", _encoded(_picture(5)), bounds_lonlat=(11, 50, 12, 51))),
        ("train", _record("f", _encoded(_picture(6)))),
    ]
    sieve = _sieve(records)
    # "e" touches the test image; it lies on the ground of "b", which is gone itself.
    assert {d.name: d.reason for d in sieve.dropped.values()} == {
        "b": "place 0.10",
        "c": "place 1.00",
        "d": "place 1.00",
    }
    assert not _sieve(records, place=None).dropped


@pytest.mark.parametrize(
    ("bounds", "is_copy"),
    [((10, 50, 11, 51), True), ((11, 50, 12, 51), False), (None, True)],
)
def test_what_looks_alike_on_other_ground_is_no_copy(
    bounds: Any, is_copy: bool
) -> None:
    one = _record("a", ONE, bounds_lonlat=(10, 50, 11, 51))
    sieve = _sieve(
        [("train", one), ("train", _record("b", JPEG, bounds_lonlat=bounds))]
    )
    assert bool(sieve.dropped) is is_copy


def _set(tmp_path: Path, data: bytes) -> str:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/x.png").write_bytes(data)
    sample = Sample(
        id="x", images=(ImageRef(path="pictures/x.png", width=64, height=64),),
        task="caption", source="theirs", licence="l", split="test",
    )  # fmt: skip
    (tmp_path / "bench.jsonl").write_text(to_json(sample) + "\n")
    return "bench.jsonl"


def test_an_evaluation_set_stays_unseen_by_every_split(tmp_path: Path) -> None:
    name = _set(tmp_path, ONE)
    sieve = Sieve(Filters(against=(name,)))
    sieve.look_at_evaluation(tmp_path)
    for split in ("test", "train"):
        sieve.look(_record(f"{split}-copy", JPEG), split)
    sieve.look(_record("fine", OTHER), "train")
    sieve.decide()
    assert {(d.split, d.filter, d.twin) for d in sieve.dropped.values()} == {
        ("test", "leak", "against/bench.jsonl/pictures/x.png"),
        ("train", "leak", "against/bench.jsonl/pictures/x.png"),
    }


def test_an_evaluation_set_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    name = _set(tmp_path, ONE)
    (tmp_path / "pictures/x.png").unlink()
    with pytest.raises(
        SettingsError, match=r"bench\.jsonl: the image 'pictures/x\.png'"
    ):
        Sieve(Filters(against=(name,))).look_at_evaluation(tmp_path)
    with pytest.raises(SettingsError, match=r"no 'none\.jsonl'"):
        Sieve(Filters(against=("none.jsonl",))).look_at_evaluation(tmp_path)


def test_a_pair_whose_other_half_is_gone_is_no_pair() -> None:
    radar = _record("r", ONE, sensor="sar")
    optical = replace(_record("o", OTHER), partner=radar)
    sieve = _sieve([("test", _record("a", ONE)), ("train", optical), ("train", radar)])
    assert sieve.paired(optical, "train").partner is None
    assert sieve.paired(optical, "val").partner == radar


class _Encoder:
    """Sees red and blue; knows the words "red" and "blue"."""

    def encode_image(self, views: Any) -> Any:
        means = np.stack([v.pixels.mean((0, 1))[[0, 2]] for v in views])
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def encode_text(self, texts: Any) -> Any:
        return np.array([[float("red" in t), float("blue" in t)] for t in texts])


def _with_encoder(sieve: Sieve) -> Sieve:
    sieve._encoder = _Encoder()  # type: ignore[assignment]
    return sieve


def test_captions_that_do_not_fit_go() -> None:
    red = _encoded(np.dstack([_picture(1)[..., :1], *[_picture(1)[..., 1:] // 9]]))
    record = _record("a", red, captions=("a red roof", "a blue lake"))
    sieve = _with_encoder(Sieve(Filters(agreement=0.5)))
    assert sieve.agreeing(record, "train").captions == ("a red roof",)
    assert sieve.report() == {"caption left out": {"s": {"train": 1}}}
    assert Sieve(Filters()).agreeing(record, "train") is record


def test_vectors_find_copies_of_one_sensor() -> None:
    sieve = _with_encoder(Sieve(Filters(embedding=0.999, near=None, place=None)))
    for number, sensor in enumerate(("optical", "optical", "sar")):
        data = _encoded(np.roll(_picture(1), 13 * number, (0, 1)))
        sieve.look(_record(f"{number}", data, sensor=sensor), "train")
    sieve.decide()
    assert [(d.name, d.reason) for d in sieve.dropped.values()] == [
        ("1", "embedding 1.00")
    ]
    assert len(list(same_vector(sieve._prints, 0.999))) == 1
