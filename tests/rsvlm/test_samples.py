"""Records: old files stay valid, new fields are optional, faults name the line."""

from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError
from rsvlm.samples import Sample, content_hash, read_samples, stamped, to_json

#: A line as it was written before records had a place and a hash.
OLD = (
    '{"id":"a","images":[{"path":"i/a.webp","width":8,"height":6,"sha256":"00"}],'
    '"task":"caption","answers":["é"],"source":"s","licence":"l","split":"train",'
    '"schema":"rsvlm.sample/1"}'
)


def test_an_old_line_is_read_and_written_as_it_was() -> None:
    sample = Sample.model_validate_json(OLD)
    assert to_json(sample) == OLD
    assert sample.sha256 is None
    assert sample.images[0].crs is None


def test_the_hash_covers_everything_but_itself() -> None:
    sample = Sample.model_validate_json(OLD)
    line = stamped(sample)
    again = Sample.model_validate_json(line)
    assert again.sha256 == content_hash(sample) == content_hash(again)
    changes: tuple[dict[str, Any], ...] = (
        {"answers": ("e",)}, {"split": "val"}, {"meta": {"x": 1}},
        {"images": (sample.images[0].model_copy(update={"sha256": "11"}),)},
    )  # fmt: skip
    for change in changes:
        assert content_hash(sample.model_copy(update=change)) != again.sha256


def test_half_a_surrogate_pair_has_a_hash() -> None:
    sample = Sample.model_validate_json(OLD).model_copy(update={"answers": ("\ud800",)})
    assert len(content_hash(sample)) == 64


def test_a_fault_names_file_line_and_field(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{OLD}\n\n{OLD.replace('train', 'dev')}\n", encoding="utf-8")
    lines = read_samples(path)
    assert next(lines).id == "a"
    with pytest.raises(ParseError, match=r"a\.jsonl, line 3: split: "):
        next(lines)
