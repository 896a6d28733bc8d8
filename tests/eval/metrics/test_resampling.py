"""Vectorised bootstrap: the same draws as the plain one."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import resampling
from rsvlm.eval.metrics.intervals import bootstrap_ci, by_cluster
from rsvlm.eval.metrics.resampling import cluster_numbers, mean_ci, resample_ci


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


samples = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["a", "b", "c", "d"])),
    min_size=2,
    max_size=25,
)


@given(samples, st.integers(0, 3))
def test_all_three_intervals_are_one(pairs: list[tuple[float, str]], seed: int) -> None:
    values, clusters = [v for v, _ in pairs], [c for _, c in pairs]
    plain = bootstrap_ci(by_cluster(values, clusters), mean, 40, seed)
    fast = mean_ci(values, clusters, 40, seed)
    anything = resample_ci(
        lambda rows: mean([values[row] for row in rows]),
        len(values),
        clusters,
        40,
        seed,
    )
    if plain is None:
        assert fast is None
        assert anything is None
    else:
        assert fast == pytest.approx(plain)
        assert anything == pytest.approx(plain)


def test_chunks_draw_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(30) / 30
    whole = mean_ci(values, None, 64, 5)
    monkeypatch.setattr(resampling, "_CHUNK", 70)  # two resamples at a time
    assert mean_ci(values, None, 64, 5) == whole


def test_the_order_of_samples_does_not_matter() -> None:
    values, clusters = [0.0, 1.0, 0.5, 1.0], ["b", "a", "b", "c"]
    backwards = mean_ci(values[::-1], clusters[::-1])
    assert mean_ci(values, clusters) == pytest.approx(backwards)


def test_a_sample_without_an_image_stands_alone() -> None:
    assert cluster_numbers(["b", None, "a", None, "b"], 5).tolist() == [1, 2, 0, 3, 1]
    assert cluster_numbers(None, 3).tolist() == [0, 1, 2]
    assert mean_ci([0.0, 1.0], [None, None]) == (0.0, 1.0)
    assert mean_ci([0.0, 1.0], ["a", "a"]) is None


def test_whole_clusters_are_drawn() -> None:
    seen = set[tuple[int, ...]]()

    def record(rows: Sequence[int]) -> float:
        seen.add(tuple(sorted(int(row) for row in rows)))
        return 0.0

    resample_ci(record, 3, ["a", "b", "a"], 50)
    assert seen == {(0, 0, 2, 2), (0, 1, 2), (1, 1)}


def test_resamples_without_a_value_are_left_out() -> None:
    def only_with_the_first(rows: Sequence[int]) -> float:
        if 0 not in list(rows):
            raise SettingsError("no first sample. Add it.")
        return 1.0

    assert resample_ci(only_with_the_first, 2, None) == (1.0, 1.0)

    def never(rows: Sequence[int]) -> float:
        raise SettingsError("undefined. Stop.")

    assert resample_ci(never, 2, None, 5) is None


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 samples"):
        mean_ci([])
    with pytest.raises(SettingsError, match="0 resamples"):
        mean_ci([1.0, 0.0], None, 0)
    with pytest.raises(SettingsError, match="2 predictions for 1 references"):
        resample_ci(lambda rows: 0.0, 2, ["a"])
