"""Classification metrics, and the reading of class names from replies.

Folder names and words differ ("MediumResidential", "medium residential"), which alone
moves published scores by up to 20 points; so replies are mapped to classes first
(:func:`read_class`), and a reply that names no class counts as wrong.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rsvlm.errors import SettingsError, UnknownNameError
from rsvlm.eval.metrics.checks import check_pairs, undefined
from rsvlm.eval.metrics.vqa import normalise
from rsvlm.labels import FORMS, canonical, plural_of

Match = Literal["whole", "named"]

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NEGATION = re.compile(r"\b(not?|nor|neither|without|never|cannot|\w+n['\u2019]t)\b")


def read_class(
    reply: str | None, classes: Sequence[str], match: Match = "whole"
) -> str | None:
    """Return the class that a reply names, None when it names none of them.

    Case, spaces, hyphens, underscores, CamelCase, a leading article and the plural do
    not matter. Synonyms are those of :func:`rsvlm.labels.canonical`; one that fits two
    classes of the list decides nothing.

    Args:
        reply: The model's text.
        classes: The class list, as the benchmark writes it.
        match: ``whole``: the reply is a class name and nothing else. ``named``: a
            sentence may stand around it, as long as exactly one class is named and
            nothing is negated; "dense residential" then names "residential".

    Raises:
        SettingsError: If two classes of the list differ in spelling only.

    >>> read_class("a medium residential", ["MediumResidential", "River"])
    'MediumResidential'
    >>> read_class("This is a woodland.", ["Forest", "River"], match="named")
    'Forest'
    """
    forms = _forms(tuple(classes))
    text = _tidy(reply or "")
    if match == "named":
        found = _named(text, forms)
        return found.pop() if len(found) == 1 and not _NEGATION.search(text) else None
    squeezed = {form.replace(" ", ""): name for form, name in forms.items()}
    for form in (text, plural_of(text)):
        if name := squeezed.get(form.replace(" ", "")):
            return name
    return None


def accuracy(predictions: Sequence[object], references: Sequence[object]) -> float:
    """Return the share of predictions that equal their reference; None is wrong.

    Args:
        predictions: One class (or truth value) a sample, None where none was read.
        references: The true ones, in the same order.

    Returns:
        Accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "accuracy")
    right = [
        p is not None and p == r for p, r in zip(predictions, references, strict=True)
    ]
    return sum(right) / len(right)


def per_class_accuracy(
    predictions: Sequence[str | None], references: Sequence[str]
) -> dict[str, float]:
    """Return the accuracy (recall) of each class that has references.

    Args:
        predictions: One class a sample, None where none was read.
        references: The true classes, in the same order.

    Returns:
        Accuracy by class, sorted by class.

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
    """
    check_pairs(predictions, references, "accuracy per class")
    total = Counter(references)
    right = Counter(r for p, r in zip(predictions, references, strict=True) if p == r)
    return {name: right[name] / total[name] for name in sorted(total)}


def mean_per_class(
    predictions: Sequence[str | None], references: Sequence[str]
) -> float:
    """Return the mean of :func:`per_class_accuracy`: rare classes weigh alike."""
    per_class = per_class_accuracy(predictions, references)
    return sum(per_class.values()) / len(per_class)


def macro_f1(predictions: Sequence[str | None], references: Sequence[str]) -> float:
    """Return the mean F1 of the classes that have references.

    A class that is predicted and never true lowers the others' recall only.

    Args:
        predictions: One class a sample, None where none was read.
        references: The true classes, in the same order.

    Returns:
        Macro F1, in [0, 1].

    Raises:
        SettingsError: If there is no reference, or the lengths differ.

    >>> macro_f1(["a", "a", None], ["a", "b", "a"])  # a: 2 * 1 / (2 + 2), b: 0
    0.25
    """
    check_pairs(predictions, references, "macro F1")
    total, said = Counter(references), Counter(predictions)
    right = Counter(r for p, r in zip(predictions, references, strict=True) if p == r)
    return sum(2 * right[c] / (total[c] + said[c]) for c in total) / len(total)


def balanced_accuracy(
    predictions: Sequence[bool | None], references: Sequence[bool]
) -> float:
    """Return the mean of sensitivity and specificity of a yes/no question.

    A constant answer scores 0.5, whatever the share of "yes". A missing prediction
    (None) is wrong on either side.

    Args:
        predictions: One truth value a sample, None where none was read.
        references: The true ones, in the same order.

    Returns:
        Balanced accuracy, in [0, 1].

    Raises:
        SettingsError: If there is no reference of either side, or the lengths differ.
    """
    check_pairs(predictions, references, "balanced accuracy")
    shares = list[float]()
    for side in (True, False):
        given = [
            p for p, r in zip(predictions, references, strict=True) if bool(r) is side
        ]
        if not given:
            raise undefined("balanced accuracy", f"0 references that are {side}")
        right = [p is not None and bool(p) is side for p in given]
        shares.append(sum(right) / len(right))
    return sum(shares) / 2


def confusion(
    predictions: Sequence[str | None],
    references: Sequence[str],
    classes: Sequence[str],
) -> NDArray[np.int64]:
    """Count the samples of each true and predicted class.

    Args:
        predictions: One class a sample, None where none was read.
        references: The true classes, in the same order.
        classes: The class list; K classes.

    Returns:
        Counts, shape (K, K + 1): row = true class, column = predicted class, the last
        column = no class of the list.

    Raises:
        SettingsError: If there is no reference, or the lengths differ.
        UnknownNameError: If a reference is not in the list.
    """
    check_pairs(predictions, references, "confusion")
    index = {name: position for position, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes) + 1), dtype=np.int64)
    for prediction, reference in zip(predictions, references, strict=True):
        if reference not in index:
            raise UnknownNameError("class", reference, classes)
        column = len(classes) if prediction is None else index.get(prediction)
        counts[index[reference], len(classes) if column is None else column] += 1
    return counts


def out_of_list_rate(
    predictions: Sequence[str | None], classes: Sequence[str]
) -> float:
    """Return the share of predictions that are none of the classes; None is none.

    Raises:
        SettingsError: If there is no prediction.
    """
    if len(predictions) == 0:
        raise undefined("out-of-list rate", "0 predictions")
    known = set(classes)
    return sum(p not in known for p in predictions) / len(predictions)


def _tidy(text: str) -> str:
    """Return lower-case words: CamelCase split, no marks, no leading article."""
    words = re.sub(r"[\s_\-/]+", " ", normalise(_CAMEL.sub(" ", text)))
    return re.sub(r"^(an?|the) (?=\w)", "", words.strip(" \"'*`()[].,:;"))


@lru_cache(maxsize=8)
def _forms(classes: tuple[str, ...]) -> dict[str, str]:
    """Map every word form, tidied, to its class of the list."""
    names = {_tidy(name): name for name in classes}
    if len(names) < len(classes):
        raise SettingsError(
            f"Two of the {len(classes)} classes differ in spelling only. "
            "List each class once."
        )
    # Only a class name that is a known word as a whole has synonyms: canonical()
    # would also find "forest" in "forest fire".
    meaning = {name: canonical(name) for name in names if name in FORMS}
    users = Counter(meaning.values())
    forms: dict[str, str] = {}
    for form, target in FORMS.items():
        for name, listed in names.items():
            if meaning.get(name) == target and users[target] == 1:
                forms[form] = listed
    forms |= {plural_of(name): listed for name, listed in names.items()}
    return forms | names  # a class name outranks every derived form


def _named(text: str, forms: dict[str, str]) -> set[str]:
    """Return the classes named in a text, longest forms first and read once."""
    found = set()
    for form in sorted(forms, key=len, reverse=True):
        text, count = re.subn(rf"(?<!\w){re.escape(form)}(?!\w)", "|", text)
        if count:
            found.add(forms[form])
    return found
