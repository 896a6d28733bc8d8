"""Longest common subsequences against the textbook recursion."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.eval.metrics.caption_corpus import Corpus
from rsvlm.eval.metrics.subsequence import common_lengths

Words = list[str]


def plain(a: Words, b: Words) -> int:
    """Return the length by the recursion of textbooks."""

    @cache
    def of(i: int, j: int) -> int:
        if not i or not j:
            return 0
        if a[i - 1] == b[j - 1]:
            return of(i - 1, j - 1) + 1
        return max(of(i - 1, j), of(i, j - 1))

    return of(len(a), len(b))


def found(hypothesis: Words, *references: Words) -> list[int]:
    lengths: list[int] = common_lengths(
        Corpus.build([hypothesis], [references])
    ).tolist()
    return lengths


def test_by_hand() -> None:
    # a..b..d; the words need not be neighbours, their order counts. 0: the hypothesis.
    assert found([*"abcd"], [*"axbyd"], [*"dcba"], [*"zzz"]) == [0, 3, 1, 0]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("abc"), max_size=12),
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=12), min_size=1),
)
def test_equal_to_the_textbook(hypothesis: Words, references: list[Words]) -> None:
    expected = [plain(hypothesis, reference) for reference in references]
    assert found(hypothesis, *references) == [0, *expected]


@pytest.mark.parametrize("length", [1, 63, 64, 65, 130])
def test_around_the_size_of_a_machine_word(length: int) -> None:
    hypothesis = [f"w{i % 7}" for i in range(length)]
    reference = [f"w{i % 5}" for i in range(90)]
    common = plain(hypothesis, reference)
    assert found(hypothesis, hypothesis, reference) == [0, length, common]
    assert found(reference[:40], hypothesis)[1] == plain(reference[:40], hypothesis)


def test_pairs_of_many_samples_do_not_mix() -> None:
    texts = ["abc", "", "c" * 70, "cab"]
    references = [["ab", "c"], ["abc"], ["c" * 80], ["abc", "b"]]
    corpus = Corpus.build(texts, references)
    assert common_lengths(corpus).tolist() == [0, 2, 1, 0, 0, 0, 70, 0, 2, 1]
