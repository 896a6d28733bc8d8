"""A look through a file of samples: every fault with its line, nothing else."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from rsvlm.data_engine.shards import write_shards
from rsvlm.data_engine.validate import Counts, faults_of, validate
from rsvlm.errors import SettingsError
from rsvlm.geometry import Mask
from rsvlm.samples import Sample, content_hash, read_samples, stamped

GOOD: dict[str, Any] = {
    "schema": "rsvlm.sample/1", "id": "a", "task": "ground", "source": "s",
    "licence": "CC0-1.0", "split": "train",
    "images": [{"path": "images/a.png", "width": 8, "height": 6}],
    "conversation": [{"role": "user", "text": "Where is the ship?"}],
    "targets": [{"label": "ship", "hbb": [1, 2, 4, 5], "polygons": [[1, 2, 4, 2, 4, 5]]}],
}  # fmt: skip
TARGET = GOOD["targets"][0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 6), (90, 120, 60)).save(tmp_path / "images/a.png")
    return tmp_path


def _faults(folder: Path, *rows: Any, images: bool = True) -> list[str]:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path = folder / "a.jsonl"
    path.write_text("".join(f"{line}\n" for line in lines))
    return list(validate(path, Counts(), images))


def test_good_records_have_no_fault(folder: Path) -> None:
    path = folder / "a.jsonl"
    path.write_text(json.dumps(GOOD) + "\n\n" + json.dumps(GOOD | {"id": "b"}) + "\n")
    counts = Counts()
    assert list(validate(path, counts)) == []
    assert (counts.samples, counts.images, counts.faults) == (2, 1, 0)
    assert counts.tasks == {"ground": 2}


def test_every_fault_of_a_file_is_told(folder: Path) -> None:
    faults = _faults(
        folder,
        "{",
        GOOD | {"split": "dev", "extra": 1},
        GOOD,
        GOOD,
        GOOD | {"id": "c", "relevant": {"a": 1.0, "z": 1.0}},
    )
    places = [fault.split(": ")[:2] for fault in faults]
    assert places == [
        ["a.jsonl:1", "the line"],
        ["a.jsonl:2", "split"],
        ["a.jsonl:2", "extra"],
        ["a.jsonl:4", "id"],
        ["a.jsonl:5", "relevant"],
    ]
    assert "'a' stands in a.jsonl:3 too" in faults[3]
    assert "there is no sample 'z'" in faults[4]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (
            {"targets": [TARGET | {"hbb": [4, 2, 1, 5]}]},
            "targets.0: the box 4 2 1 5 is",
        ),
        ({"targets": [TARGET | {"hbb": [1, 2, 12, 5]}]}, "leaves the image of 8 x 6"),
        ({"targets": [TARGET | {"polygons": [[1, 2, 3, 4]]}]}, "a ring has 4 numbers"),
        (
            {"mask": {"size": [5, 8], "counts": "0"}},
            "mask: is 8 x 5 px, the image 8 x 6",
        ),
        ({"mask": {"size": [6, 8], "counts": "01"}}, "mask: its runs do not fill"),
        (
            {"conversation": [{"role": "assistant", "text": "Here."}]},
            "conversation: turns are assistant",
        ),
        ({"conversation": [{"role": "user", "text": " "}]}, "the text is empty"),
        ({"options": ["x", "y"], "answers": ["z"]}, "answers: 'z' is none"),
        ({"sha256": "0" * 64}, "sha256: is not that of the record"),
    ],
)
def test_what_the_schema_cannot_see(folder: Path, change: Any, what: str) -> None:
    (fault,) = _faults(folder, GOOD | change)
    assert fault.startswith("a.jsonl:1: ")
    assert what in fault


@pytest.mark.parametrize(
    "change",
    [
        {"options": ["forest", "lake"], "answers": ["Lake"]},
        {"options": ["forest", "lake"], "answers": ["B"]},
        {"targets": [TARGET | {"hbb": [-0.5, 0, 8.9, 6]}]},  # rounding
        {"targets": [], "mask": {"size": [6, 8], "counts": None}},
        {"conversation": []},
    ],
)
def test_what_is_allowed(folder: Path, change: Any) -> None:
    if "mask" in change:
        import numpy as np

        change["mask"]["counts"] = Mask.from_array(np.eye(6, 8, dtype=bool)).counts
    assert _faults(folder, GOOD | change) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"path": "images/b.png"}, "there is no 'images/b.png'"),
        ({"width": 9}, "has 8 x 6 px, not 9 x 6"),
        ({"sha256": "0" * 64}, "another SHA-256"),
    ],
)
def test_images_are_looked_at(folder: Path, change: Any, what: str) -> None:
    row = GOOD | {"images": [GOOD["images"][0] | change], "targets": []}
    (fault,) = _faults(folder, row)
    assert fault.startswith("a.jsonl:1: images.0: ")
    assert what in fault
    assert _faults(folder, row, images=False) == []


def test_an_image_is_described_one_way(folder: Path) -> None:
    other = GOOD["images"][0] | {"gsd_m": 0.5}
    (fault,) = _faults(folder, GOOD, GOOD | {"id": "b", "images": [other]})
    assert fault == "a.jsonl:2: images.0: 'images/a.png' is described otherwise above"


def test_a_damaged_image_is_a_fault(folder: Path) -> None:
    (folder / "images/a.png").write_bytes(b"no image")
    (fault,) = _faults(folder, GOOD)
    assert "images.0" in fault


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"no file 'x\.jsonl'"):
        list(validate(tmp_path / "x.jsonl", Counts()))


def test_a_changed_record_no_longer_fits_its_hash(folder: Path) -> None:
    sample = Sample.model_validate(GOOD)
    line = stamped(sample)
    assert json.loads(line)["sha256"] == content_hash(sample)
    assert stamped(Sample.model_validate_json(line)) == line
    assert _faults(folder, line) == []
    assert len(_faults(folder, line.replace("ship", "boat"))) == 1


def _packed(folder: Path, *rows: Any) -> list[Path]:
    path = folder / "a.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return write_shards(read_samples(path), folder, folder / "out", "a")


def test_shards_are_looked_through_alike(folder: Path) -> None:
    digest = sha256((folder / "images/a.png").read_bytes()).hexdigest()
    image = GOOD["images"][0] | {"sha256": digest}
    (path,) = _packed(folder, GOOD | {"images": [image]})
    assert list(validate(path, Counts())) == []
    (path,) = _packed(
        folder, GOOD, GOOD | {"targets": [TARGET | {"hbb": [1, 1, 1, 2]}]}
    )
    faults = list(validate(path, Counts()))
    assert [fault.split(": ")[1] for fault in faults] == ["id", "targets.0"]
    path.write_bytes(path.read_bytes()[:700])
    (fault,) = validate(path, Counts())
    assert "is no readable tar" in fault or "no samples follow" in fault


def test_a_mask_that_covers_the_image_is_whole(folder: Path) -> None:
    import numpy as np

    counts = Mask.from_array(np.ones((6, 8), bool)).counts
    sample = Sample.model_validate(GOOD | {"mask": {"size": [6, 8], "counts": counts}})
    assert list(faults_of(sample)) == []
