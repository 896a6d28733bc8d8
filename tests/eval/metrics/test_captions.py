"""Caption metrics: by hand, equal to pycocoevalcap, and by properties."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.errors import SettingsError
from rsvlm.eval.metrics.caption_corpus import Corpus
from rsvlm.eval.metrics.captions import (
    Floats,
    bleu,
    cider,
    cider_d,
    rouge_l,
    rouge_l_mean,
)

Pairs = list[tuple[list[str], list[list[str]]]]


def pairs_of(words: str, longest: int) -> st.SearchStrategy[Pairs]:
    sentence = st.lists(st.sampled_from(words.split()), min_size=1, max_size=longest)
    references = st.lists(sentence, min_size=1, max_size=4)
    hypothesis = st.one_of(sentence, st.just(list[str]()))
    copied = references.map(lambda refs: (list(refs[0]), refs))
    sample = st.one_of(st.tuples(hypothesis, references), copied)
    return st.lists(sample, min_size=1, max_size=5)


#: Few words repeat often and clip; many rarely meet; long ones leave a machine word.
captions = st.one_of(
    pairs_of("a b", 9),
    pairs_of("a the river 's is n't -lrb- 3.5 tree-lined some", 12),
    pairs_of("a b c", 90),
)


def build(pairs: Pairs) -> Corpus:
    return Corpus.build([h for h, _ in pairs], [refs for _, refs in pairs])


def words(*texts: str) -> list[list[str]]:
    return [text.split() for text in texts]


def test_bleu_by_hand() -> None:
    pairs = [([*"aaab"], words("a a c", "a b b c d"))]
    counts = bleu(build(pairs))
    # "a" is clipped to 2, "b" to 1; of a-a, a-a, a-b one of each kind is right.
    assert counts.correct.tolist() == [[3, 2, 0, 0]]
    assert counts.guessed.tolist() == [[4, 3, 2, 1]]
    assert counts.length.tolist() == [4]
    assert counts.reference_length.tolist() == [3]  # 3 and 5 are equally close
    first, second, *rest = counts.corpus()
    assert first == pytest.approx(3 / 4)
    assert second == pytest.approx(math.sqrt(3 / 4 * 2 / 3))
    assert max(rest) < 1e-4


def test_short_answers_are_punished() -> None:
    counts = bleu(build([(["a"], words("a b c"))]))
    assert counts.corpus()[0] == pytest.approx(math.exp(1 - 3))


def test_rouge_takes_best_precision_and_best_recall() -> None:
    pairs = [([*"abcd"], words("a b x y z d", "c d"))]
    # Common: a b d of 4 and 6, c d of 4 and 2: P = 3/4, R = 1.
    expected = (1 + 1.44) * 0.75 * 1 / (1 + 1.44 * 0.75)
    assert rouge_l(build(pairs)).tolist() == pytest.approx([expected])
    # F1 of (3/4, 1/2) is 0.6, of (1/2, 1) it is 2/3.
    assert rouge_l_mean(build(pairs)).tolist() == pytest.approx([(0.6 + 2 / 3) / 2])


def test_cider_by_hand() -> None:
    pairs = [(["a", "a"], words("a b")), (["c"], words("a c"))]
    # df: a 2, so weight 0; b and c 1, so log 2. Two sentences share no weight but "c",
    # once, in unigrams only: cosine 1 of 4 orders; bigrams 0 against 1.
    penalty = math.exp(-1 / (2 * 36))
    assert cider_d(build(pairs)).tolist() == pytest.approx([0, 10 / 4 * penalty])
    assert cider(build(pairs)).tolist() == pytest.approx([0, 10 / 4])


def test_clipping_keeps_repeated_words_from_winning() -> None:
    pairs = [([*"bbb"], words("b")), (["c"], words("c"))]
    # Weight of b: 3 log 2 against log 2. Clipped 1 / 3, plain cosine 1, of 4 orders.
    penalty = math.exp(-(2**2) / (2 * 36))
    assert cider_d(build(pairs))[0] == pytest.approx(10 / 4 / 3 * penalty)
    assert cider(build(pairs))[0] == pytest.approx(10 / 4)


def peers(pairs: Pairs) -> tuple[list[float], Floats, Floats, Floats]:
    """Return BLEU of corpus and samples, ROUGE-L and CIDEr-D of pycocoevalcap."""
    pytest.importorskip("pycocoevalcap.cider")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    given_texts = {i: [" ".join(h)] for i, (h, _) in enumerate(pairs)}
    truths = {i: [" ".join(r) for r in refs] for i, (_, refs) in enumerate(pairs)}
    whole, alone = Bleu(4).compute_score(truths, given_texts, verbose=0)
    _, rouge = Rouge().compute_score(truths, given_texts)
    _, consensus = Cider().compute_score(truths, given_texts)
    return whole, np.array(alone).T, np.array(rouge), np.array(consensus)


def assert_equal_to_peers(pairs: Pairs) -> None:
    corpus = build(pairs)
    whole, alone, rouge, consensus = peers(pairs)
    counts = bleu(corpus)
    np.testing.assert_allclose(counts.corpus(), whole, atol=1e-9)
    np.testing.assert_allclose(counts.sentences(), alone, atol=1e-9)
    np.testing.assert_allclose(rouge_l(corpus), rouge, atol=1e-9)
    np.testing.assert_allclose(cider_d(corpus), consensus, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(captions)
def test_equal_to_pycocoevalcap(pairs: Pairs) -> None:
    assert_equal_to_peers(pairs)


def test_equal_to_pycocoevalcap_on_many_captions() -> None:
    random = Random(1)
    vocabulary = [f"w{int(random.paretovariate(0.6)) % 500}" for _ in range(2000)]

    def sentence() -> list[str]:
        return random.choices(vocabulary, k=random.randint(1, 30))

    pairs = [(sentence(), [sentence() for _ in range(5)]) for _ in range(300)]
    for i in range(0, 300, 3):  # some that share much, and some that say nothing
        pairs[i] = (pairs[i][1][0][:9], pairs[i][1])
        pairs[i + 1] = ([], pairs[i + 1][1])
    assert_equal_to_peers(pairs)


@settings(deadline=None)
@given(captions, st.randoms(use_true_random=False))
def test_the_order_of_samples_and_references_is_irrelevant(
    pairs: Pairs, random: Random
) -> None:
    order = list(range(len(pairs)))
    random.shuffle(order)
    turned = [(pairs[i][0], pairs[i][1][::-1]) for i in order]
    corpus, other = build(pairs), build(turned)
    for metric in (rouge_l, rouge_l_mean, cider_d, cider):
        np.testing.assert_allclose(metric(corpus)[order], metric(other), atol=1e-9)
    np.testing.assert_allclose(bleu(corpus).corpus(), bleu(other).corpus())


@settings(deadline=None)
@given(captions)
def test_scores_stay_in_their_range_and_silence_scores_nothing(pairs: Pairs) -> None:
    corpus = build(pairs)
    empty = ~corpus.lengths[corpus.first].astype(bool)
    tops = ((rouge_l, 1), (rouge_l_mean, 1), (cider_d, 10), (cider, 10))
    for metric, top in tops:
        scores = metric(corpus)
        assert (scores >= 0).all()
        assert (scores <= top + 1e-9).all()
        assert not scores[empty].any()
    assert not bleu(corpus).sentences()[empty].any()


@settings(deadline=None)
@given(captions)
def test_the_reference_itself_is_right(pairs: Pairs) -> None:
    same = [(refs[0], [refs[0]]) for _, refs in pairs]
    assert rouge_l(build(same)).tolist() == pytest.approx([1] * len(same))
    assert bleu(build(same)).corpus()[0] == pytest.approx(1)


@settings(deadline=None)
@given(captions)
def test_corpus_bleu_of_a_part_is_that_of_its_samples_alone(pairs: Pairs) -> None:
    counts = bleu(build(pairs))
    chosen = [0, len(pairs) - 1, 0]
    alone = bleu(build([pairs[i] for i in chosen]))
    assert counts.corpus(chosen) == pytest.approx(alone.corpus())


def test_silence_throughout_is_nothing() -> None:
    corpus = build([([], words("a b")), ([], words("c"))])
    assert bleu(corpus).corpus() == (0, 0, 0, 0)
    assert rouge_l(corpus).tolist() == cider_d(corpus).tolist() == [0, 0]


def test_bleu_of_no_sample_is_refused() -> None:
    with pytest.raises(SettingsError, match="BLEU of 0 samples"):
        bleu(build([(["a"], words("a"))])).corpus([])
