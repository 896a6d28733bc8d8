"""When a reply matches an answer: the rules in use, by name.

The name of a rule is part of a protocol's id. ``exact`` and ``exact-canonical`` are
ours; those of :data:`LEGACY` reproduce what published scores were made with, faults
included: under ``contains`` "not sure" matches "no", under ``pred-in-gt`` "e" matches
"yes". One fault is not reproduced: an empty reply is wrong under every rule.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from rsvlm.errors import UnknownNameError
from rsvlm.eval.metrics import wordnet
from rsvlm.eval.metrics.quantities import is_near
from rsvlm.eval.metrics.vqa import canonicalise, normalise, parse_yes_no
from rsvlm.eval.metrics.vqav2 import normalise_vqav2

Rule = Callable[[str, str], float]

#: Marks that the tokenizer of EarthDial's scorer splits off.
_MARKS = re.compile(r"([;@#$%&?!()\[\]{}<>\"]|[:,](?!\d)|--|\.\.\.)")


def match_score(
    prediction: str | None, answers: Sequence[str], match: str = "exact-canonical"
) -> float:
    """Return how well a reply matches the best of the accepted answers.

    Args:
        prediction: The reply, None where there is none.
        answers: The accepted answers; empty ones match nothing.
        match: Name of a rule in ``MATCHES``.

    Returns:
        0 or 1; under ``token-recall`` also between.

    Raises:
        UnknownNameError: If there is no such rule.
        SettingsError: If the rule needs WordNet and it is not there.

    >>> match_score("not sure", ["no"]), match_score("not sure", ["no"], "contains")
    (0.0, 1.0)
    """
    if match not in MATCHES:
        raise UnknownNameError("match", match, MATCHES)
    if prediction is None or not normalise(prediction):
        return 0.0
    rule = MATCHES[match]
    return max((rule(prediction, a) for a in answers if normalise(a)), default=0.0)


def exact(prediction: str, answer: str) -> float:
    """Compare normalised texts."""
    return float(normalise(prediction) == normalise(answer))


def exact_canonical(prediction: str, answer: str) -> float:
    """Compare normalised texts without articles, number words as digits."""
    return float(canonicalise(prediction) == canonicalise(answer))


def vqav2(prediction: str, answer: str) -> float:
    """Compare texts as the VQA v2 challenge normalises them."""
    said = normalise_vqav2(prediction)
    return float(bool(said) and said == normalise_vqav2(answer))


def contains(prediction: str, answer: str) -> float:
    """Look for the answer's letters anywhere in the reply (RSCoVLM, VRSBench)."""
    return float(normalise(answer) in normalise(prediction))


def pred_in_gt(prediction: str, answer: str) -> float:
    """Look for the reply's letters anywhere in the answer (ScoreRS)."""
    return float(normalise(prediction) in normalise(answer))


def first_word(prediction: str, answer: str) -> float:
    """Return whether a reply starts with the whole answer; the rest is not read.

    Yes and no are read by :func:`rsvlm.eval.metrics.vqa.parse_yes_no`, so that "no
    idea" is neither.

    >>> first_word("Two ships at the pier", "2"), first_word("2.5 ships", "2")
    (1.0, 0.0)
    """
    target = canonicalise(answer)
    if target in ("yes", "no"):
        same = canonicalise(prediction) == target  # "the no", with an article
        return float(same or parse_yes_no(prediction) is (target == "yes"))
    said, wanted = _words(prediction), _words(answer)
    return float(bool(wanted) and said[: len(wanted)] == wanted)


def token_recall(prediction: str, answer: str) -> float:
    """Return the share of the answer's tokens in the reply, spaces removed first.

    Without spaces a text is one token but for its marks, so this is close to equality.

    Source:
        EarthDial's VQA and classification scorers. Their tokenizer is NLTK's; of it
        the splitting of single marks is followed, not that of quotes and short forms.

    >>> token_recall("dense residential", "Dense Residential")
    1.0
    >>> token_recall("yes, there are", "yes")
    1.0
    """
    wanted, said = _tokens(answer), set(_tokens(prediction))
    return len(said.intersection(wanted)) / len(wanted) if wanted else 0.0


def synonym(prediction: str, answer: str) -> float:
    """Return whether two texts are equal or share a WordNet meaning (LRS-VQA)."""
    one, other = normalise(prediction), normalise(answer)
    if one == other:
        return 1.0
    return float(wordnet.load(wordnet.find_folder()).are_synonyms(one, other))


def relative_error(prediction: str, answer: str) -> float:
    """Compare numbers to within 10 %, units checked; other answers canonically."""
    near = is_near(prediction, answer, 0.1)
    return exact_canonical(prediction, answer) if near is None else float(near)


#: Rules by the name that protocols use; the judge is another metric.
MATCHES: Mapping[str, Rule] = {
    "exact": exact,
    "exact-canonical": exact_canonical,
    "vqav2": vqav2,
    "contains": contains,
    "pred-in-gt": pred_in_gt,
    "first-word": first_word,
    "token-recall": token_recall,
    "wordnet>0.8": synonym,
    "rel-error<10%": relative_error,
}
#: Those that exist to reproduce published scores only.
LEGACY = frozenset({"contains", "pred-in-gt", "token-recall"})


def _words(text: str) -> list[str]:
    """Return the canonical words without marks around them."""
    words = (word.strip(",;:.!?\"'*()[]`") for word in canonicalise(text).split())
    return [word for word in words if word]


def _tokens(text: str) -> list[str]:
    """Return the tokens of a lower-case text whose spaces have been removed."""
    bare = text.strip().lower().replace(" ", "")
    tokens = _MARKS.sub(r" \1 ", bare).split()
    if tokens and len(tokens[-1]) > 1 and tokens[-1].endswith("."):
        tokens[-1:] = [tokens[-1][:-1], "."]
    return tokens
