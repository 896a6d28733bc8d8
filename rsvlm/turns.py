"""The turns of a conversation, and what words such as "it" and "the second" point to.

:mod:`rsvlm.followup` has the rules; here is what they look up.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from rsvlm.answer import Answer, TraceStep
from rsvlm.focus import Focus
from rsvlm.followup_words import ORDINALS
from rsvlm.geometry import HBB, Region, iou
from rsvlm.labels import FORMS
from rsvlm.subjects import subject

#: IoU from which regions of two answers are one thing.
SAME = 0.5
_FEW = {"two": 2, "three": 3, "four": 4, "five": 5}


@dataclass(frozen=True, slots=True)
class Turn:
    """A question of a conversation and its answer.

    Attributes:
        question: What the user wrote.
        text: The answer in words.
        regions: What was found, in raster pixels.
        task: Name of the kind of answer.
        confidence: Of the answer; None where only its words are known.
        trace: Steps on the way to it.

    .. versionadded:: 0.1
    """

    question: str
    text: str
    regions: tuple[Region, ...] = ()
    task: str = "auto"
    confidence: float | None = None
    trace: tuple[TraceStep, ...] = ()

    @classmethod
    def of(cls, answer: Answer) -> "Turn":
        """Return the turn that an answer ends."""
        return cls(
            answer.question, answer.text, tuple(answer.to_regions()), answer.task,
            answer.confidence, answer.trace,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Resolved:
    """A question that needs no earlier one.

    Attributes:
        question: In words; as the user wrote it where it stood on its own.
        task: Kind of answer; None to choose by the words.
        focus: Places that it is about.
        note: How a follow-up was understood; "" for a question of its own.
        warning: What the user should know of that.
        reply: The turn whose answer is asked about ("why?"); nothing else is answered.
    """

    question: str
    task: str | None = None
    focus: tuple[Focus, ...] = ()
    note: str = ""
    warning: str = ""
    reply: Turn | None = None


#: Answers the turn of an index again, so that its regions are known.
Again = Callable[[int], Turn]


@dataclass(frozen=True, slots=True)
class Past:
    """A turn and what it meant.

    Attributes:
        turn: The turn.
        index: Its place in the history.
        meant: Its question, resolved.
        own: Whether that begins a subject, rather than pointing back.
    """

    turn: Turn
    index: int
    meant: Resolved
    own: bool


class Talk:
    """The conversation so far; follow-ups are read against it.

    Attributes:
        turns: Its turns.
        base: The last question that named what it was about, plain.
        task: Its kind of answer.
        pointed: The last question about what was pointed to, "it" in place of that.
    """

    def __init__(self, again: Again | None = None) -> None:
        """Begin a conversation; see :func:`rsvlm.followup.resolve`."""
        self.again = again
        self.turns: list[Past] = []
        self.base, self.task, self.pointed = "", "vqa", ""

    def regions(self, place: int) -> tuple[Region, ...]:
        """Return the regions of a turn, found again where they are not known."""
        past = self.turns[place]
        if past.turn.confidence is None and not past.turn.regions and self.again:
            found = self.again(past.index)
            self.turns[place] = replace(past, turn=found)
        turn, focus = self.turns[place].turn, self.turns[place].meant.focus
        pointed = tuple(f.region for f in focus if f.region is not None)
        if pointed and (turn.task == "caption" or not turn.regions):
            return pointed  # what was described, not what was mentioned with it
        return turn.regions or tuple(
            Region(HBB(*step.window), "", 1.0, step.image or 0)
            for step in turn.trace
            if step.step == "focus" and step.window
        )

    def recent(self) -> list[int]:
        """Return the turns since the last question of its own, the newest first."""
        places = []
        for place in reversed(range(len(self.turns))):
            places.append(place)
            if self.turns[place].own:
                break
        return places

    def last_regions(self) -> tuple[Region, ...]:
        """Return what "it" and "they" mean: the newest regions of this subject."""
        for place in self.recent():
            if found := self.regions(place):
                return found
        return ()

    def all_regions(self) -> tuple[Region, ...]:
        """Return what "all of them" means: the longest list of this subject."""
        return max(
            (self.regions(place) for place in self.recent()), key=len, default=()
        )

    def nth(self, match: re.Match[str]) -> tuple[Region, ...]:
        """Return the region that an ordinal points to, () where there is none."""
        groups = match.groupdict()
        noun = next(
            (groups[k] for k in ("noun", "noun2", "noun3", "noun4") if groups[k]), ""
        )
        label = FORMS.get(noun)
        word = groups["word"] or ""
        number = ORDINALS.get(word) or int(
            groups["digits"] or groups["number"] or groups["index"] or 0
        )
        places = list(reversed(range(len(self.turns)))) if label else self.recent()
        if word in ("next", "previous", "other"):
            return self._neighbour(word, label)
        alone: tuple[Region, ...] = ()
        few = _FEW.get(groups["few"] or "", 0)
        for place in places:
            found = [r for r in self.regions(place) if label in (None, r.label)]
            if few and len(found) >= few and abs(number) == 1:
                return tuple(found[:few] if number == 1 else found[-few:])
            if len(found) > 1 and len(found) >= number and not few:
                return (found[number - 1 if number > 0 else -1],)
            alone = alone or tuple(found[:1])
        return alone if number == 1 else ()

    def _neighbour(self, word: str, label: str | None) -> tuple[Region, ...]:
        """Return the region behind or before the last one in its list."""
        here = self.last_regions()
        if label and here and here[0].label != label:
            return ()  # "the next harbor", and the last answer is about ships
        if len(here) != 1:
            return here[:1] if word == "next" else ()
        for place in self.recent():
            listed = [r for r in self.regions(place) if label in (None, r.label)]
            same = [
                i for i, region in enumerate(listed)
                if region.image == here[0].image
                and iou(region.shape.hbb, here[0].shape.hbb) >= SAME
            ]  # fmt: skip
            if len(listed) > 1 and same:
                if word == "other":
                    return tuple(listed[1 - same[0]] for _ in (0,) if len(listed) == 2)
                step = same[0] + (1 if word == "next" else -1)
                return (listed[step],) if 0 <= step < len(listed) else ()
        return ()

    def about(self) -> str:
        """Return what was asked about, in the singular; "" where nothing was."""
        about = subject(self.base)
        if about is not None and about.label:
            return about.label
        known = (self.turns[place].turn.regions for place in self.recent())
        labels = {region.label for region in next(filter(None, known), ())}
        return labels.pop() if len(labels) == 1 else ""
