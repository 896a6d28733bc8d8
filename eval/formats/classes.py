"""Class lists in prompts, and the two readings of a classification file.

Folder names and words differ ("MediumResidential", "Medium Residential"), which alone
moved published scores by 20 points; so references are put into the spelling of the
list, and the spelling of the file is scored beside it.
"""

import re
from collections.abc import Sequence
from itertools import zip_longest

from rsvlm.eval.formats.foreign import Foreign, Reading, counted
from rsvlm.eval.formats.protocols import CLASSIFY
from rsvlm.eval.metrics.classification import read_class
from rsvlm.eval.records import Prediction
from rsvlm.samples import Sample

_LIST = re.compile(
    r"(?:\bclasses|\boptions|\bcategories)\s*:\s*(?P<list>[^:]+?)\s*"
    r"(?:\.?\s*\"|\.\s*(?:\\n|answer\b|\Z)|\s+answer\b|\.\s+[A-Z]|\Z)",
    re.IGNORECASE | re.DOTALL,
)


def class_list(prompt: str) -> tuple[str, ...] | None:
    """Return the classes that a prompt lists, None where it lists none.

    >>> class_list("Classify it. Classes: Bare Land, Beach, Port. Answer in one word.")
    ('Bare Land', 'Beach', 'Port')
    >>> class_list("How many ships are there?") is None
    True
    """
    # The last list: "in one of the following classes. Classes: a, b".
    found = None
    for match in _LIST.finditer(prompt):
        names = [name.strip(" .\"'\n") for name in match["list"].split(",")]
        names = [name for name in names if name]
        if len(names) > 1:
            found = tuple(dict.fromkeys(names))
    return found


def classified(
    samples: Sequence[Sample],
    predictions: Sequence[Prediction],
    notes: Sequence[str] = (),
) -> Foreign:
    """Return a classification file with its readings.

    The main reading writes every reference as the class list does; classes of
    references that the list lacks are added to it. The protocols ``raw-string`` and
    ``contains`` compare with the reference as the file writes it. Where the list lacks
    classes, ``listed-classes`` leaves their samples out.

    Args:
        samples: Samples with one reference, and the class list in ``options``.
        predictions: Their predictions, in the same order.
        notes: Notes of the reader.
    """
    mapped, outside = _mapped(samples)
    lines = list(notes)
    respelt = sum(
        a.answers != b.answers for a, b in zip(samples, mapped, strict=True)
    ) - sum(bool(name) for name in outside)
    if respelt > 0:
        lines.append(
            f"{respelt} of {len(samples)} references spelt otherwise than in the "
            "class list: raw-string counts the right class as wrong there."
        )
    as_written = Reading(tuple(samples), tuple(predictions))
    readings = {"raw-string": as_written, "contains": as_written}
    protocols = CLASSIFY
    missing = sorted({name for name in outside if name})
    if missing:
        kept = [i for i, name in enumerate(outside) if not name]
        shown = ", ".join(missing[:6]) + (", .." if len(missing) > 6 else "")
        lines.append(
            f"The class list of the prompt lacks {counted(len(missing), 'class', 'classes')} of "
            f"the references ({shown}), {counted(len(samples) - len(kept), 'sample')}: "
            "a model can only guess them. listed-classes leaves them out."
        )
        if kept:
            listed = CLASSIFY[0].model_copy(
                update={"id": "listed-classes", "primary": False}
            )
            protocols = (CLASSIFY[0], listed, *CLASSIFY[1:])
            readings["listed-classes"] = Reading(
                tuple(mapped[i] for i in kept), tuple(predictions[i] for i in kept)
            )
    return Foreign(
        tuple(mapped), tuple(predictions), protocols, tuple(lines), readings=readings
    )


def _mapped(samples: Sequence[Sample]) -> tuple[list[Sample], list[str]]:
    """Return samples with references of the list, and "" or the class it lacks."""
    answers = [sample.answers[0] if sample.answers else "" for sample in samples]
    known = list(dict.fromkeys(name for s in samples for name in s.options))
    spelling: dict[str, str | None] = {}
    for answer in answers:
        if answer not in spelling:
            spelling[answer] = answer if answer in known else _read(answer, known)
    lacking: dict[str, str] = {}
    for answer, name in spelling.items():
        if answer and name is None:
            close = {_squeezed(other): other for other in lacking.values()}
            lacking[answer] = close.get(_squeezed(answer), answer)
    options = (*known, *dict.fromkeys(lacking.values()))
    mapped, outside = [], []
    for sample, answer in zip_longest(samples, answers):
        name = spelling[answer] or lacking.get(answer, answer)
        answers_of = (name,) if name else ()
        mapped.append(
            sample.model_copy(update={"answers": answers_of, "options": options})
        )
        outside.append(lacking.get(answer, ""))
    return mapped, outside


def _read(answer: str, known: Sequence[str]) -> str | None:
    """Return the class of the list that a reference means."""
    squeezed = {_squeezed(name): name for name in known}
    if (name := squeezed.get(_squeezed(answer))) is not None:
        return name
    # A list that spells one class twice cannot be read by name.
    return read_class(answer, known) if len(squeezed) == len(known) else None


def _squeezed(name: str) -> str:
    return re.sub(r"[\s_\-/]+", "", name).lower()
