"""Interned captions and their n-grams: worked by hand, and against plain counting."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics import caption_corpus
from rsvlm.eval.metrics.caption_corpus import Corpus, ngrams, sort_keys

sentence = st.lists(st.sampled_from("abc"), min_size=1, max_size=6)
samples = st.lists(
    st.tuples(
        st.lists(st.sampled_from("abc"), max_size=6),
        st.lists(sentence, min_size=1, max_size=3),
    ),
    min_size=1,
    max_size=4,
)
Pairs = list[tuple[list[str], list[list[str]]]]


def build(pairs: Pairs) -> Corpus:
    return Corpus.build([h for h, _ in pairs], [refs for _, refs in pairs])


def test_layout_by_hand() -> None:
    corpus = build([(["a", "b"], [["b"], [], ["a", "a"]]), ([], [["c"]])])
    assert corpus.tokens.tolist() == [0, 1, 1, 0, 0, 2]
    assert corpus.lengths.tolist() == [2, 1, 2, 0, 1]  # the empty reference is gone
    assert corpus.first.tolist() == [0, 3]
    assert corpus.owner.tolist() == [0, 0, 0, 1, 1]
    assert corpus.starts.tolist() == [0, 2, 3, 5, 5]
    assert corpus.is_hypothesis.tolist() == [True, False, False, True, False]
    assert corpus.reference_counts.tolist() == [2, 1]
    assert (len(corpus), corpus.vocabulary) == (2, 3)


def counted(corpus: Corpus, order: int, block: int) -> Counter[tuple[int, int, int]]:
    """Return how many (n, sentence, count) triples there are."""
    return Counter(
        (grams.n, int(s), int(c))
        for grams in ngrams(corpus, order, block)
        for s, c in zip(grams.sentence, grams.count, strict=True)
    )


@settings(deadline=None)
@given(samples, st.sampled_from([1, 3, 1000]))
def test_runs_are_the_counts_of_every_sentence(pairs: Pairs, block: int) -> None:
    corpus = build(pairs)
    sentences = [s for h, refs in pairs for s in (h, *refs)]
    expected = Counter(
        (n, number, count)
        for number, words in enumerate(sentences)
        for n in range(1, 5)
        for count in Counter(
            tuple(words[i : i + n]) for i in range(len(words) - n + 1)
        ).values()
    )
    assert counted(corpus, 4, block) == expected


@settings(deadline=None)
@given(samples, st.sampled_from([1, 3, 1000]))
def test_an_n_gram_is_in_one_block_and_pairs_begin_with_the_hypothesis(
    pairs: Pairs, block: int
) -> None:
    corpus = build(pairs)
    distinct = {
        (n, tuple(words[i : i + n]))
        for h, refs in pairs
        for words in (h, *refs)
        for n in range(1, 5)
        for i in range(len(words) - n + 1)
    }
    found = 0
    for grams in ngrams(corpus, 4, block):
        assert sorted(set(grams.gram.tolist())) == list(range(grams.gram[-1] + 1))
        found += int(grams.gram[-1]) + 1
        assert (corpus.owner[grams.sentence[grams.pairs]] == grams.sample).all()
        inside = np.ones(len(grams.gram), dtype=bool)
        inside[grams.pairs] = False
        assert not corpus.is_hypothesis[grams.sentence[inside]].any()
    assert found == len(distinct)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1))
def test_keys_too_wide_to_pack_are_sorted_alike(values: list[int]) -> None:
    order, new = sort_keys(np.array(values, dtype=np.int64))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(caption_corpus, "_BITS", 0)
        wide_order, wide_new = sort_keys(np.array(values, dtype=np.int64))
    assert (
        order.tolist()
        == wide_order.tolist()
        == sorted(range(len(values)), key=values.__getitem__)
    )
    assert new.tolist() == wide_new.tolist()


def test_a_sample_without_reference_is_named() -> None:
    with pytest.raises(SettingsError, match=r"Sample river-7 has no reference"):
        Corpus.build([["a"], ["a"]], [[["a"]], [[]]], ["lake-1", "river-7"])
    with pytest.raises(SettingsError, match=r"Sample 1 has no reference"):
        Corpus.build([["a"], ["a"]], [[["a"]], []])


@pytest.mark.parametrize("hypotheses", [[], [["a"]], [["a"]] * 3])
def test_lengths_must_fit(hypotheses: list[list[str]]) -> None:
    with pytest.raises(SettingsError, match="not as many hypotheses"):
        Corpus.build(hypotheses, [[["a"]]] * 2)


def test_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="0 samples"):
        Corpus.build([], [])
