"""Steps of ``rsvlm train align`` are loaded ahead and stay what they are."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from rsvlm.errors import UnknownNameError
from rsvlm.samples import Sample, read_samples
from rsvlm.training import loader
from rsvlm.training.align_data import AlignRecipe, Sets
from rsvlm.training.align_steps import Steps, load_squares, micro_batches
from rsvlm.training.mix import Mix
from rsvlm.training.run import load_recipe


@pytest.fixture
def steps(smoke_data: Path) -> Steps:
    recipe = load_recipe(AlignRecipe, "smoke", "align")
    train = Sets(list(read_samples(smoke_data / "train.jsonl")))
    return Steps(recipe, train, smoke_data, {"sar": 14})


def test_only_pictures_that_are_learned_from_are_loaded(steps: Steps) -> None:
    step = steps[1]
    assert set(step.pictures) == {"sar", "pair_sar"}
    assert step.shown == sum(len(stream) for stream in step.streams.values())
    for name, parts in step.pictures.items():
        rows = [len(rows) for part in parts for rows, _ in part.groups]
        assert sum(rows) == len(step.streams[name])


def test_rows_say_where_a_picture_of_a_side_belongs(steps: Steps) -> None:
    shots = steps[2].streams["sar"].items
    found = load_squares(shots, steps.folder, 112, 14)
    assert sorted(i for rows, _ in found.groups for i in rows) == [*range(len(shots))]
    for rows, pictures in found.groups:
        for row, picture in zip(rows, pictures, strict=True):
            alone = load_squares([shots[row]], steps.folder, 112, 14)
            assert np.array_equal(alone.groups[0][1][0], picture)


def test_workers_change_nothing(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = list(steps.ahead(2, 4))
    monkeypatch.setattr(loader, "loader_workers", lambda: 2)
    ahead = list(steps.ahead(2, 4))
    assert [step.streams for step in ahead] == [step.streams for step in plain]
    assert len(plain) == 3
    for one, other in zip(plain, ahead, strict=True):
        for name, parts in one.pictures.items():
            for a, b in zip(parts, other.pictures[name], strict=True):
                assert a.groups[0][0] == b.groups[0][0]
                assert np.array_equal(a.groups[0][1], b.groups[0][1])


def test_a_step_may_draw_a_size(steps: Steps) -> None:
    def sides() -> set[int]:
        return {
            picture.shape[1]
            for number in range(1, 7)
            for parts in steps[number].pictures.values()
            for part in parts
            for _, picture in part.groups
        }

    size = steps.recipe.size
    assert max(sides()) == size
    plain = len(sides())
    steps.recipe = steps.recipe.model_copy(update={"smallest": 56})
    drawn = sides()
    assert plain < len(drawn)
    assert drawn <= set(range(56, size + 1, 14))
    assert drawn == sides()  # the same at every call


def test_a_process_loads_its_own_part(steps: Steps) -> None:
    parts = [
        Steps(steps.recipe, steps.train, steps.folder, steps.patches, (rank, 2))[3]
        for rank in range(2)
    ]
    whole = steps[3]
    for name, stream in whole.streams.items():
        own = sum((part.streams[name].items for part in parts), ())
        assert own == stream.items
    assert parts[0].shown == whole.shown


def test_a_mix_shares_the_texts_of_a_sensor(steps: Steps) -> None:
    plain = next(s for s in steps.train.captioned["sar"])
    samples = [
        Sample(id=f"{source}/{n}", images=(plain.ref,), task="caption", source=source,
               answers=(f"{source} {n}",), licence="l", split="train")
        for source, count in (("a", 8), ("b", 4))
        for n in range(count)
    ]  # fmt: skip
    optical = plain.ref.model_copy(update={"sensor": "optical"})
    samples.append(samples[0].model_copy(update={"images": (optical,), "source": "c"}))
    recipe = AlignRecipe(mix=Mix(weights={"b": 2.0, "c": 3.0}), batch=6)
    drawn = Counter[str]()
    for step in (1, 2):  # an epoch of 12
        found = Sets(samples).drawn("sar", recipe, step)
        drawn.update(item.source for item in found)
        assert len(found) == 6
    assert drawn == {"a": 6, "b": 6}
    wrong = recipe.model_copy(update={"mix": Mix(weights={"x": 1.0})})
    with pytest.raises(UnknownNameError, match=r"'x'.*Known: a, b, c"):
        Sets(samples).drawn("sar", wrong, 1)


def test_micro_batches_cover_all() -> None:
    assert micro_batches([1, 2, 3], 2) == [[1, 2], [3]]
    assert micro_batches([1, 2, 3], 0) == [[1, 2, 3]]
    assert micro_batches([], 0) == []
