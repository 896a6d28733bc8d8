from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from rsvlm.errors import ParseError, SettingsError, UnknownNameError
from rsvlm.eval.run_folder import sample_line
from rsvlm.eval.selection import is_meant, load_samples, read_ids, select
from rsvlm.eval.shards import Shard


def write(path: Path, samples: list[Any]) -> Path:
    path.write_text("".join(f"{sample_line(sample)}\n" for sample in samples))
    return path


def where(made: Any, **rules: Any) -> Any:
    data = {"file": "made.jsonl", "license": "none", "where": rules}
    return made.benchmark(data=data)


def test_a_filter_looks_at_fields_and_meta(made: Any) -> None:
    sample = made.sample(0, type="count", meta={"kind": "scene", "single": True})
    assert is_meant(where(made, type="count", kind="scene"), sample)
    assert is_meant(where(made, kind=["scene", "other"], single=True), sample)
    assert not is_meant(where(made, kind="other"), sample)
    assert not is_meant(where(made, single=False), sample)
    assert not is_meant(where(made, single=1), sample)
    assert not is_meant(where(made, unheard_of="x"), sample)


def test_samples_come_in_the_order_of_the_file(made: Any, tmp_path: Path) -> None:
    samples = [made.sample(number, meta={"odd": number % 2}) for number in range(5)]
    file = write(tmp_path / "made.jsonl", samples)
    assert load_samples(made.benchmark(), file) == samples
    assert load_samples(where(made, odd=1), file) == [samples[1], samples[3]]
    with pytest.raises(SettingsError, match=r"No sample of 'made\.jsonl'"):
        load_samples(where(made, odd=7), file)


def test_another_file_than_the_defined_one_is_refused(
    made: Any, tmp_path: Path
) -> None:
    file = write(tmp_path / "made.jsonl", [made.sample(0)])
    digest = sha256(file.read_bytes()).hexdigest()
    data = {"file": "made.jsonl", "license": "none", "sha256": digest.upper()}
    load_samples(made.benchmark(data=data), file)
    write(file, [made.sample(1)])
    with pytest.raises(ParseError, match="is defined on"):
        load_samples(made.benchmark(data=data), file)


def test_a_missing_file_and_a_repeated_id_are_named(made: Any, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--data"):
        load_samples(made.benchmark(), tmp_path / "made.jsonl")
    file = write(tmp_path / "made.jsonl", [made.sample(0), made.sample(0)])
    with pytest.raises(ParseError, match="'s0' twice"):
        load_samples(made.benchmark(), file)


def test_ids_then_limit_then_shard(made: Any) -> None:
    samples = [made.sample(number) for number in range(6)]
    ids = ["s4", "s1", "s2", "s5"]
    chosen = select(samples, ids=ids, limit=3, shard=Shard(1, 2))
    assert [sample.id for sample in chosen] == ["s2"]
    with pytest.raises(UnknownNameError, match="sample 's9'"):
        select(samples, ids=["s9"])
    with pytest.raises(SettingsError, match="No sample of 6"):
        select(samples, limit=1, shard=Shard(1, 2))


def test_ids_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "ids.txt"
    file.write_text("# these\n s1 \n\ns0\ns1\n")
    assert read_ids(file) == ["s1", "s0"]
    file.write_text("\n")
    with pytest.raises(SettingsError, match="holds no id"):
        read_ids(file)
    with pytest.raises(SettingsError, match="cannot be read"):
        read_ids(tmp_path / "none.txt")
