"""Retrieval: by hand, and ties that must not pay."""

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import retrieval
from rsvlm.eval.metrics.retrieval import (
    random_ndcg,
    random_recall,
    rank,
    rank_listed,
    two_way,
)

matrices = st.integers(1, 5).flatmap(
    lambda items: st.lists(
        st.tuples(
            st.lists(st.integers(0, 3), min_size=items, max_size=items),
            st.lists(st.integers(0, 2), min_size=items, max_size=items),
        ),
        min_size=1,
        max_size=5,
    )
)


def test_one_query_by_hand() -> None:
    # Order: c (grade 2), a (0), d (1), b (0), e (3).
    found = rank([[0.8, 0.3, 0.9, 0.5, 0.1]], [[0, 0, 2, 1, 3]], ndcg_at=(2, 10))
    assert found.first.tolist() == [1]
    assert found.average_precision[0] == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)
    ideal2 = 3 + 2 / math.log2(3)
    assert found.ndcg[2][0] == pytest.approx(2 / ideal2)
    gained = 2 + 1 / math.log2(4) + 3 / math.log2(6)
    assert found.ndcg[10][0] == pytest.approx(gained / (ideal2 + 1 / math.log2(4)))
    assert found.recall(1) == 1


def test_recalls_and_median() -> None:
    scores = np.eye(4)[[0, 1, 3, 2]]  # right, right, wrong, wrong
    found = rank(scores, np.eye(4))
    # A wrong one ties with two others at 0, and comes behind all of them.
    assert found.first.tolist() == [1, 1, 4, 4]
    assert found.recall(1) == 0.5
    assert found.recall(4) == 1
    assert found.median == 2.5
    assert rank([[1, 0]], [[0, 0]]).median == math.inf
    assert rank(np.eye(3), np.eye(3)).median == 1


@given(st.integers(2, 30), st.integers(1, 5))
def test_a_constant_matrix_gets_no_credit(items: int, queries: int) -> None:
    grades = np.zeros((queries, items))
    grades[:, 0] = 1
    found = rank(np.full((queries, items), 0.7), grades, ndcg_at=(1,))
    assert found.first.tolist() == [items] * queries
    assert found.recall(1) == 0
    assert found.ndcg[1].tolist() == [0] * queries
    assert found.mean_average_precision == pytest.approx(1 / items)


def test_nan_ranks_last() -> None:
    assert rank([[math.nan, 0.1]], [[1, 0]]).first.tolist() == [2]
    # Among NaN the relevant one comes last, too.
    assert rank([[math.nan, math.nan]], [[1, 0]]).first.tolist() == [2]


@given(matrices)
def test_no_order_of_ties_is_worse(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    scores = np.array([s for s, _ in rows], dtype=float)
    grades = np.array([g for _, g in rows], dtype=float)
    found = rank(scores, grades, ndcg_at=(3,))
    # Breaking ties at random can only help.
    broken = scores + np.random.default_rng(0).random(scores.shape) * 0.5
    better = rank(broken, grades, ndcg_at=(3,))
    assert (better.first <= found.first).all()
    assert (better.average_precision >= found.average_precision - 1e-12).all()
    assert (better.ndcg[3] >= found.ndcg[3] - 1e-12).all()


@given(matrices)
def test_columns_may_come_in_any_order(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    scores = np.array([s for s, _ in rows], dtype=float)
    grades = np.array([g for _, g in rows], dtype=float)
    one, other = rank(scores, grades), rank(scores[:, ::-1], grades[:, ::-1])
    assert one.first.tolist() == other.first.tolist()
    assert one.average_precision == pytest.approx(other.average_precision)
    assert one.ndcg[10] == pytest.approx(other.ndcg[10])


@given(matrices)
def test_listed_items_rank_as_a_matrix(
    rows: list[tuple[list[int], list[int]]],
) -> None:
    listed = [{f"i{k}": float(v) for k, v in enumerate(s)} for s, _ in rows]
    relevant = [{f"i{k}": float(g) for k, g in enumerate(g) if g} for _, g in rows]
    one = rank_listed(listed, relevant, (3,))
    other = rank([s for s, _ in rows], [g for _, g in rows], (3,))
    assert one.first.tolist() == other.first.tolist()
    assert one.average_precision == pytest.approx(other.average_precision)
    assert one.ndcg[3] == pytest.approx(other.ndcg[3])


def test_items_that_are_not_listed_are_not_found() -> None:
    found = rank_listed([["b", "a"], [], ["x", "x", "a"]], [{"a": 1, "z": 1}] * 3, (2,))
    assert found.first.tolist() == [2, math.inf, 2]  # x is listed twice, counts once
    # One of two relevant ones at rank 2: precision 1/2, by both.
    assert found.average_precision.tolist() == pytest.approx([0.25, 0, 0.25])
    discount = 1 / math.log2(3)
    assert found.ndcg[2][0] == pytest.approx(discount / (1 + discount))
    assert rank_listed([["a"]], [{}]).ndcg[10].tolist() == [0]


def test_both_ways_with_and_without_merging_texts() -> None:
    # Images 0 and 1 share the text "a river"; both texts rank image 0 first.
    scores = np.array([[0.9, 0.9, 0.1], [0.8, 0.8, 0.2], [0.1, 0.1, 0.7]])
    texts, owners = ["a river", "a river", "a road"], [0, 1, 2]
    apart = two_way(scores, owners)
    merged = two_way(scores, owners, texts)
    # Apart: text 1 finds image 0, not its own; images 0 and 1 tie between twins.
    assert apart.text_to_image.recall(1) == pytest.approx(2 / 3)
    assert apart.image_to_text.recall(1) == pytest.approx(1 / 3)
    assert merged.text_to_image.recall(1) == 1
    assert merged.image_to_text.recall(1) == 1
    assert len(merged.text_to_image.first) == 2
    assert merged.mean_recall == 1
    assert apart.mean_recall == pytest.approx((2 / 3 + 1 / 3 + 4) / 6)


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    scores, grades = random.random((9, 7)), random.integers(0, 2, (9, 7))
    whole = rank(scores, grades)
    monkeypatch.setattr(retrieval, "_CHUNK", 14)
    parts = rank(scores, grades)
    assert parts.first.tolist() == whole.first.tolist()
    assert parts.ndcg[10].tolist() == whole.ndcg[10].tolist()


def test_random_recall_by_hand() -> None:
    assert random_recall(5, 1, 100) == pytest.approx(0.05)
    assert random_recall(2, 2, 4) == pytest.approx(1 - (2 / 4) * (1 / 3))
    assert random_recall(10, 1, 4) == 1
    assert random_recall(1, 0, 4) == 0


@pytest.mark.parametrize("k", [1, 2, 3, 10])
@pytest.mark.parametrize("grades", [[1.0], [2.0, 1.0], [3.0, 1.0, 0.5, 0.25]])
def test_random_ndcg_is_the_mean_over_all_orders(k: int, grades: list[float]) -> None:
    gains = [*grades, 0.0]
    orders = [[gains[i] for i in order] for order in permutations(range(len(gains)))]
    similarity = np.tile(-np.arange(len(gains)), (len(orders), 1))
    measured = rank(similarity, orders, ndcg_at=(k,)).ndcg[k]
    assert random_ndcg(k, grades, len(gains)) == pytest.approx(measured.mean())


def test_random_ndcg_without_a_relevant_item_is_none() -> None:
    assert random_ndcg(10, [], 5) == 0


def test_unusable_input_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"shape \(1, 2\) do not fit"):
        rank([[1, 2]], [[1]])
    with pytest.raises(SettingsError, match="0 queries or items"):
        rank(np.zeros((0, 3)), np.zeros((0, 3)))
    with pytest.raises(SettingsError, match="1 rankings do not fit 2"):
        rank_listed([[]], [{}, {}])
    with pytest.raises(SettingsError, match="0 queries"):
        rank_listed([], [])
    with pytest.raises(SettingsError, match="2 owners and 1 texts"):
        two_way(np.eye(2), [0, 1], ["a"])
