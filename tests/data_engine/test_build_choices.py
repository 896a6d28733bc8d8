"""What a recipe and its options leave out or add: limits, absent sources, mix, rewrites."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.data_engine.build import build
from rsvlm.data_engine.collecting import Limit
from rsvlm.data_engine.filters import Dropped, Filters, Sieve
from rsvlm.data_engine.recipes import RECIPES
from rsvlm.data_engine.records import SPLITS
from rsvlm.data_engine.reworded import REPLIES
from rsvlm.data_engine.sources import SOURCES, Parts, Source, synthetic
from rsvlm.engines.base import Capabilities
from rsvlm.errors import EngineError, SettingsError, UnknownNameError
from rsvlm.messages import Generation, Message
from rsvlm.samples import Sample, read_samples
from tests.conftest import Tree

Write = Callable[..., Path]


def _samples(out: Path) -> list[Sample]:
    return [s for split in SPLITS for s in read_samples(out / f"{split}.jsonl")]


def _images(out: Path, source: str) -> dict[str, list[str]]:
    """Return split -> images of a source that are asked about first."""
    found: dict[str, set[str]] = {}
    for sample in _samples(out):
        if sample.source == source:
            found.setdefault(sample.split, set()).add(sample.images[0].path)
    return {split: sorted(paths) for split, paths in found.items()}


@given(st.integers(1, 400), st.integers(1, 50), st.integers(0, 9))
def test_what_is_chosen_is_spread_evenly(total: int, count: int, seed: int) -> None:
    chosen = Limit(count, seed).chosen(total, "a/train")
    assert len(chosen) == len(set(chosen)) == min(total, count)
    assert chosen == sorted(chosen)
    assert 0 <= chosen[0] <= chosen[-1] < total
    step = total / len(chosen)
    gaps = [b - a for a, b in pairwise(chosen)]
    assert all(step - 1 < gap < step + 1 for gap in gaps)


def test_another_seed_or_place_chooses_others() -> None:
    chosen = {tuple(Limit(3, s).chosen(1000, p)) for s in range(5) for p in "ab"}
    assert len(chosen) == 10


def test_a_limit_takes_so_many_images_of_a_source_and_split(tmp_path: Path) -> None:
    build("smoke", tmp_path, tmp_path / "out", limit=3)
    for source in ("synthetic", "synthetic_pairs"):
        images = _images(tmp_path / "out", source)
        assert {split: len(names) for split, names in images.items()} == dict.fromkeys(
            SPLITS, 3
        )
    for sample in _samples(tmp_path / "out"):
        for image in sample.images:  # the other half of a pair as well
            assert (tmp_path / "out" / image.path).is_file()


def test_a_limit_spreads_over_parts(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def part(root: Path, split: Any, number: int) -> Any:
        read.append(number)
        yield from list(synthetic.read(root, split))[4 * number : 4 * number + 4]

    parts = Parts(lambda root, split: 6 if split == "train" else 0, part, together=2)
    source = Source("parted", synthetic.read, "CC0-1.0", parts=parts)
    monkeypatch.setitem(SOURCES, "parted", source)
    recipe = str(tree.text("my.toml", 'sources = ["parted"]'))
    build(recipe, tree.root, tree.root / "few", limit=4)
    assert len(read) == len(set(read)) == 4  # nothing else is drawn
    assert len(_images(tree.root / "few", "parted")["train"]) == 4
    build(recipe, tree.root, tree.root / "most", limit=9)
    names = _images(tree.root / "most", "parted")["train"]
    assert len(names) == 9
    build(recipe, tree.root, tree.root / "all", limit=10_000)
    assert len(_images(tree.root / "all", "parted")["train"]) == 24


def test_optional_sources_are_taken_where_they_are(
    tree: Tree, tmp_path: Path, vhr10: Write
) -> None:
    text = 'sources = ["synthetic", {kind = "vhr10", optional = true}]'
    recipe = str(tree.text("my.toml", text))
    lines: list[str] = []
    run = build(recipe, tmp_path, tree.root / "without", progress=lines.append)
    assert run["absent"] == ["vhr10"]
    assert "vhr10: not there, left out" in lines
    assert set(run["licences"]) == {"synthetic"}
    vhr10([f"{n:03d}" for n in range(60)])
    run = build(recipe, tmp_path, tree.root / "with")
    assert run["absent"] == []
    assert set(run["licences"]) == {"synthetic", "vhr10"}
    assert run["filters"]["blank"]["vhr10"]["train"] == 8
    with pytest.raises(SettingsError, match="other optional sources"):
        build(recipe, tmp_path, tree.root / "without")


def test_a_recipe_none_of_whose_sources_is_there_says_so(tree: Tree) -> None:
    recipe = str(tree.text("my.toml", 'sources = [{kind = "vhr10", optional = true}]'))
    with pytest.raises(SettingsError, match=r"None of the sources .*: vhr10\. Name"):
        build(recipe, tree.root, tree.root / "out")
    assert not (tree.root / "out").exists()


def test_large_needs_no_data_beside_the_package() -> None:
    needed = [e for e in RECIPES["large"].sources if not e.optional]
    assert {entry.kind for entry in needed} == {"synth", "synth-sar"}
    assert not [f for entry in needed for f in SOURCES[entry.kind].files]


def test_a_mix_belongs_to_a_recipe(tree: Tree) -> None:
    text = (
        'sources = ["synthetic", "synthetic_pairs", {kind = "vhr10", optional = true}]\n'
        "[mix]\nsize = 100\nweights = {synthetic = 3, vhr10 = 9}\n"
    )
    recipe = str(tree.text("my.toml", text))
    run = build(recipe, tree.root, tree.root / "out")
    sizes = {
        name: sum(tasks.values()) for name, tasks in run["counts"]["train"].items()
    }
    share = 3 * sizes["synthetic"]
    share /= share + sizes["synthetic_pairs"]
    assert run["mix"]["synthetic"] == round(100 * share)
    assert sum(run["mix"].values()) == 100
    assert run["recipe"]["mix"]["weights"] == {"synthetic": 3, "vhr10": 9}
    tree.text("my.toml", text.replace("vhr10 = 9", "vhr01 = 9"))
    with pytest.raises(UnknownNameError, match=r"source of the mix 'vhr01'.*vhr10"):
        build(recipe, tree.root, tree.root / "other")


def test_a_sieve_takes_in_what_others_saw() -> None:
    key = ("blank", "s", "train")
    gone = Dropped("train", "s", "a.png", "blank", "one colour")
    sieve = Sieve(Filters())
    sieve.take([], [gone], {("object clipped", "s", "train"): 2})
    sieve.take([], [], {("object clipped", "s", "train"): 3})
    assert sieve.counts == Counter({("object clipped", "s", "train"): 5, key: 1})
    assert sieve.dropped == {("train", "s", "a.png"): gone}


class _Model:
    """Rewords as it is told; it is away after so many texts."""

    name, kind, revision = "m", "stub", "1"
    capabilities = Capabilities()

    def __init__(self, answers: int = 10**9, change: str = "") -> None:
        self.asked, self.answers, self.change = 0, answers, change

    def generate(
        self, messages: Sequence[Message], *, max_tokens: int, **settings: Any
    ) -> Generation:
        self.asked += 1
        if self.asked > self.answers:
            raise EngineError("The server is away. Start it.")
        text = str(messages[0].parts[0]).splitlines()[-1]
        return Generation(text=f"{self.change}{text}", finish_reason="stop")


def test_training_texts_are_reworded_and_the_rate_is_told(tmp_path: Path) -> None:
    plain, out = tmp_path / "plain", tmp_path / "out"
    build("smoke", tmp_path, plain, limit=4)
    run = build("smoke", tmp_path, out, limit=4, rewriter=_Model(change="Please: "))
    for split in ("val", "test"):
        assert (out / f"{split}.jsonl").read_bytes() == (
            plain / f"{split}.jsonl"
        ).read_bytes()
    samples = list(read_samples(out / "train.jsonl"))
    reworded = [s for s in samples if "rewritten" in s.meta]
    rates = run["rewrites"]
    assert rates["kept"] == len(reworded) > 20
    assert rates["texts"] == rates["kept"] + sum(rates["refused"].values())
    assert rates["unanswered"] == 0
    share = 1 - rates["kept"] / rates["texts"]
    assert rates["refused_share"] == pytest.approx(share, abs=1e-4)
    assert [s.id for s in samples] == [
        s.id for s in read_samples(plain / "train.jsonl")
    ]
    assert len((out / REPLIES).read_text().splitlines()) == rates["texts"]


def test_an_untrue_rewrite_is_refused(tmp_path: Path) -> None:
    run = build(
        "smoke", tmp_path, tmp_path / "out", limit=4, rewriter=_Model(change="Seven ")
    )
    assert run["rewrites"]["kept"] == 0
    assert run["rewrites"]["refused"]["number"] > 20
    assert run["rewrites"]["refused_share"] == 1


def test_a_server_that_goes_away_costs_rewrites_and_no_build(tmp_path: Path) -> None:
    plain, out = tmp_path / "plain", tmp_path / "out"
    build("smoke", tmp_path, plain, limit=4)
    lines: list[str] = []
    run = build(
        "smoke", tmp_path, out, progress=lines.append, limit=4, rewriter=_Model(0)
    )
    assert run["rewrites"]["unanswered"] == run["rewrites"]["texts"] > 20
    assert (out / "train.jsonl").read_bytes() == (plain / "train.jsonl").read_bytes()
    assert "stay as they were: The server is away." in lines[-1]
    away = _Model(10, change="Please: ")
    run = build("smoke", tmp_path, tmp_path / "part", limit=4, rewriter=away)
    assert 0 < run["rewrites"]["unanswered"] < run["rewrites"]["texts"]
    assert json.loads((tmp_path / "part/run.json").read_text())["rewriter"] == "m"
