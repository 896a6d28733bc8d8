"""What a follow-up means: "and the second one?" as a question of its own.

Rules over English words, for every engine: a model that reads one question at a time
can answer a conversation, and a wrong reading can be named. A question that stands on
its own is not touched. What a follow-up points to are regions of earlier answers
(:mod:`rsvlm.turns`); a client that sends back only words has them found again.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from rsvlm.choice import choose_task
from rsvlm.focus import Focus
from rsvlm.followup_words import (
    AGAIN,
    BARE,
    COUNT,
    COUNT_BESIDE,
    COUNT_OF,
    DEFINITE,
    DOUBT,
    DRAWN,
    ELSE,
    ELSEWHERE,
    EXPLAIN,
    FAR,
    INSIDE,
    LARGER,
    ONE,
    ORDINAL,
    OUTLINE,
    POINTED,
    PRONOUN,
    THERE,
    WHICH,
    WHICH_ARE,
    WHOLE,
    WITHIN,
    WITHIN_ONE,
    ZOOM,
)
from rsvlm.geometry import Region
from rsvlm.labels import COVERS, FORMS, PLACES, SCENES, plural_of
from rsvlm.questions import ASKING, asks_scene, head_label, plain
from rsvlm.rephrasing import (
    IN_IMAGE,
    another,
    asked_of,
    in_image,
    predicate,
    said_of,
    sentence,
    without_lead,
)
from rsvlm.replies import counts
from rsvlm.subjects import subject
from rsvlm.turns import Again, Past, Resolved, Talk, Turn

__all__ = ["Again", "Resolved", "Turn", "resolve"]

#: Earlier turns that are read.
MOST_TURNS = 12
#: Most words of a follow-up.
LONGEST = 16
_SAY = "Say which, as in: the second one."
#: What was found before, by any word for it.
_OLD = re.compile(rf"{PRONOUN.pattern}|{ORDINAL.pattern}")


def resolve(
    question: str,
    history: Sequence[Turn],
    again: Again | None = None,
    drawn: Sequence[Focus] = (),
) -> Resolved:
    """Return what a question means after a conversation.

    Args:
        question: What the user wrote.
        history: The turns before it, oldest first.
        again: Called for a turn whose regions are needed and not known; None leaves
            those to the words: "the ships" instead of the regions that were found.
        drawn: Places that were drawn or clicked with the question. "It" is what was
            drawn, unless it is measured against "this": "is it larger than this?".

    Returns:
        The question and its places, those that were drawn among them.

    >>> before = [Turn("How many ships are there?", "3 ships.")]
    >>> resolve("and the storage tanks?", before).question
    'How many storage tanks are there?'
    """
    places = tuple(drawn)
    if not history:
        return Resolved(question, focus=places)
    talk = Talk()
    for index in range(max(0, len(history) - MOST_TURNS), len(history)):
        _take(talk, history[index], index)
    talk.again = again
    found = _Reader(talk, bool(places)).resolve(question)
    if not places:
        return found
    here, old = (p.search(_bare(question)) for p in (DRAWN, _OLD))
    first = here and old and here.start() < old.start()
    order = (*places, *found.focus) if first else (*found.focus, *places)
    return replace(found, focus=order)


def _take(talk: Talk, turn: Turn, index: int) -> None:
    """Add a turn to a conversation, read against those before it."""
    read = _Reader(talk).resolve(turn.question) if talk.turns else None
    meant = read or Resolved(turn.question)
    text = _bare(turn.question)
    # "The second one" of words alone: what it is, is known when it is asked for.
    lost = bool(
        talk.turns and not meant.note and (ORDINAL.search(text) or BARE.fullmatch(text))
    )
    if meant.reply is None and not lost:
        said = _bare(meant.question)
        talk.pointed = POINTED.sub("it", said, count=1) if meant.focus else ""
        # "Where is this ship?" only shows what the last question was about.
        shows = re.match(r"where (?:is|are) th|.* (?:than|from) this ", said)
        if not (meant.focus and shows):
            talk.base = re.sub(r"\bth(?:is|ese) (?=\w+)", "the ", said)
            chosen = choose_task(meant.question)[0]
            talk.task = chosen if turn.task == "auto" or meant.focus else turn.task
            if not meant.focus:
                talk.base = said
    own = not meant.focus and meant.reply is None and not lost
    talk.turns.append(Past(turn, index, meant, own))


class _Reader:
    """Reads one question against a conversation; the first rule that fits decides.

    A rule takes the plain text without "and" or "what about" in front, whether it had
    that, and whether it ended in a question mark.
    """

    def __init__(self, talk: Talk, drawn: bool = False) -> None:
        self.talk, self.drawn = talk, drawn

    def resolve(self, question: str) -> Resolved:
        """Return what a question means now; the first rule that fits decides."""
        asks = question.strip().endswith("?")
        text, led = without_lead(_bare(question.replace("#", " number ")))
        if not text or len(text.split()) > LONGEST or WITHIN.search(text):
            return Resolved(question)
        for rule in (
            self._about_answer, self._counted, self._there, self._again, self._elsewhere,
            self._one_of, self._instead, self._pointing,
        ):  # fmt: skip
            found = rule(text, led, asks)
            if found is not None:
                return found
        return Resolved(question)

    def _about_answer(self, text: str, led: bool, asks: bool) -> Resolved | None:
        """Read "Why?", "are you sure?": told from the last answer itself."""
        kind = "explain" if EXPLAIN.search(text) else "doubt"
        if kind == "doubt" and not DOUBT.search(text):
            return None
        place = max(
            (i for i, past in enumerate(self.talk.turns) if past.meant.reply is None),
            default=0,
        )
        self.talk.regions(place)  # a turn of which only the words are known
        turn = self.talk.turns[place].turn
        said = f"{sentence(text)} (about the answer to {turn.question!r})"
        note = f"Understood as: {said}"
        return Resolved(said, kind, note=note, reply=turn)

    def _counted(self, text: str, led: bool, asks: bool) -> Resolved | None:
        about = self.talk.about()
        if not about:
            return None
        if COUNT.search(text) and (led or text != _bare(self.talk.base)):
            return self._asked(f"how many {plural_of(about)} are there")
        if found := COUNT_OF.search(text):
            named = subject(found["what"])
            if named is not None and named.label:
                return None
            return self._asked(f"how many {found['what']} {plural_of(about)} are there")
        if found := WHICH.search(text):
            return self._asked(f"where is the {found['super']} {about}")
        if (found := WHICH_ARE.search(text)) and not LARGER.search(text):
            one = found["be"] == "is"
            noun = about if one else plural_of(about)
            return self._asked(f"where {found['be']} the {found['what']} {noun}")
        if found := re.fullmatch(r"how many (?:are )?((?:in|on|at) .+)", text):
            return self._asked(f"how many {plural_of(about)} are there {found[1]}")
        return None

    def _there(self, text: str, led: bool, asks: bool) -> Resolved | None:
        """Read "What does the radar show there?", "what else is there?"."""
        if ELSE.search(text):
            return self._asked("detect every object")
        if self.drawn or not THERE.search(text) or ZOOM.search(text):
            return None
        regions = self.talk.last_regions()
        if regions and len(text.split()) == 1:
            return self._said(self.talk.pointed or "where is it", regions)
        here = sentence(THERE.sub("here", text))
        return self._focused(here, regions) if regions else None

    def _again(self, text: str, led: bool, asks: bool) -> Resolved | None:
        if not AGAIN.search(text):
            return None
        closer = re.search(r"\bcloser|closely\b", text)
        if closer and self.talk.last_regions():
            return None
        last = [past.meant for past in self.talk.turns if past.meant.reply is None][-1]
        focus = () if self.drawn else last.focus
        return replace(last, focus=focus, note=f"Understood as: {last.question}")

    def _elsewhere(self, text: str, led: bool, asks: bool) -> Resolved | None:
        """Read "And in image 2?"."""
        found = ELSEWHERE.search(text)
        if not found or not (found["link"] or led):
            return None
        if re.search(r"\bone$", found["where"]) and not found["link"]:
            return None  # "the second one" is one of a list
        return self._asked(
            in_image(self.talk.base, found["where"], found["link"] or "")
        )

    def _one_of(self, text: str, led: bool, asks: bool) -> Resolved | None:
        """Read "The second one?", "is it larger than the first?", "outline ship 3"."""
        marks = list(ORDINAL.finditer(text))
        named = IN_IMAGE.search(text)
        if not marks or self._is_drawn(text) or (named and named["word"]):
            return None  # "newer than the second" image
        found = [self.talk.nth(mark) for mark in marks]
        if not all(found):
            return None
        pointed = tuple(region for regions in found for region in regions)
        rest = ORDINAL.sub("@", text).strip(" ,")
        if LARGER.search(rest) or FAR.search(rest):
            first = re.split(r"\b(?:than|from|to)\b", rest)[0]
            if "@" not in first and PRONOUN.search(first):
                pointed = (*self.talk.last_regions()[:1], *pointed)
            return self._compared(rest, pointed)
        if re.fullmatch(r"@(?:(?: and|,) @)*", rest) and (
            led or asks or len(text.split()) <= 4
        ):
            return self._said(self.talk.pointed or "where is it", pointed)
        return self._said(rest, pointed)

    def _instead(self, text: str, led: bool, asks: bool) -> Resolved | None:
        """Read "And the storage tanks?", "the white ones?", "and the largest?"."""
        if PRONOUN.fullmatch(text) or re.fullmatch(ORDINAL, text):
            return None
        about, head = subject(self.talk.base), self.talk.about()
        one = ONE.search(text)
        asked = re.match(ASKING, text) and not WITHIN_ONE.search(text)
        if one and head and asked and not ORDINAL.search(text):
            noun = plural_of(head) if one["one"] == "ones" else head
            return self._asked(f"{text[: one.start('one')]}{noun}{text[one.end() :]}")
        new = another(text, head, led, asks)
        if new is None:
            return None
        if about is None:
            return self._asked(asked_of(new, "ground"))
        return self._asked(said_of(self.talk.base, about, new, self.talk.task))

    def _pointing(self, text: str, led: bool, asks: bool) -> Resolved | None:
        """Read "How large is it?", "outline them", "show me", "zoom in"."""
        bare = BARE.fullmatch(text) or ZOOM.fullmatch(text)
        if not (PRONOUN.search(text) or bare or self._named(text)):
            return None
        inside = INSIDE.search(text)
        if inside and not PRONOUN.search(text[: inside.start()]):
            return None
        if self._is_drawn(text):
            return None
        ordered = OUTLINE.search(text) or re.match(r"(?:show|mark|box)\b", text)
        if COUNT_BESIDE.search(text) or (not ordered and _is_whole(text)):
            return None
        regions = self._named(text) or self.talk.last_regions()
        if re.search(r"\ball\b|\bevery\b", text):
            regions = self.talk.all_regions()
        if regions and self.drawn:
            said = self._said(text, regions[:1])
            which = f"{len(regions)} regions could be meant, and the first is taken."
            return replace(said, warning=f"{which} {_SAY}" if len(regions) > 1 else "")
        if len(regions) == 2 and LARGER.search(text) and "than" not in text:
            return self._compared(text, regions)
        if regions and re.search(r"\bapart\b", text):
            return self._compared(text, regions)
        if regions and PRONOUN.fullmatch(text):
            return self._said(self.talk.pointed or "where is it", regions)
        if regions:
            said = self._said(text, regions)
            single = re.search(r"\b(?:it|its|that)\b", text) and len(regions) > 1
            if not single or regions[0].label in COVERS:
                return said
            which = f"{len(regions)} regions could be meant, and all are taken."
            return replace(said, warning=f"{which} {_SAY}")
        about = subject(self.talk.base)
        if about is None or about.label is None or ZOOM.search(text):
            return None
        many = about.noun.endswith("s")
        words = predicate(text, f"the {about.phrase}", many)
        return self._asked(words)

    def _is_drawn(self, text: str) -> bool:
        """Whether "it" is what was drawn: nothing is measured against "this"."""
        measured = FAR.match(text) or LARGER.search(text)
        beside = measured and DRAWN.search(text) and _OLD.search(text)
        return self.drawn and not beside

    def _named(self, text: str) -> tuple[Region, ...]:
        """Return regions that are named by a label, of an answer with several."""
        found = DEFINITE.search(text)
        label = FORMS.get(found["noun"]) if found else None
        if label is None or not self.talk.turns:
            return ()
        regions = self.talk.turns[-1].turn.regions
        several = len({region.label for region in regions}) > 1
        return tuple(r for r in regions if several and r.label == label)

    def _asked(self, words: str) -> Resolved:
        said = sentence(words)
        return Resolved(said, None, (), f"Understood as: {said}")

    def _said(self, text: str, regions: tuple[Region, ...]) -> Resolved:
        labels = {region.label for region in regions}
        name = labels.pop() if len(labels) == 1 else "object"
        many = len(regions) > 1
        what = f"these {plural_of(name)}" if many else f"this {name or 'object'}"
        said = sentence(predicate(text, what, many))
        return self._focused(said, regions)

    def _compared(self, text: str, regions: tuple[Region, ...]) -> Resolved:
        names = [region.label or "object" for region in regions]
        if found := LARGER.search(text):
            if len(regions) < 2:
                return self._said(text, regions)
            word = {"bigger": "larger", "greater": "larger"}.get(
                found["word"], found["word"]
            )
            said = f"Is this {names[0]} {word} than this {names[1]}?"
            return self._focused(said, regions[:2])
        if len(regions) == 2 and "@" in text:
            said = f"How far is this {names[0]} from this {names[1]}?"
            return self._focused(said, regions)
        if re.search(r"\bapart\b", text):
            return self._focused(
                f"How far apart are these {plural_of(names[0])}?", regions
            )
        return self._said(text, regions)

    def _focused(self, said: str, regions: tuple[Region, ...]) -> Resolved:
        focus = tuple(Focus.of(region) for region in regions)
        boxes = [region.shape.hbb for region in regions]
        where = "; ".join(
            f"{b.x0:.0f}, {b.y0:.0f}, {b.x1:.0f}, {b.y1:.0f}" for b in boxes[:3]
        )
        more = f" and {len(boxes) - 3} more" if len(boxes) > 3 else ""
        listed = counts([region.label or "object" for region in regions])
        note = f"Understood as: {said} ({listed} of an earlier answer, at px {where}{more})"
        return Resolved(said, None, focus, note)


def _is_whole(text: str) -> bool:
    """Return whether a pronoun stands for the image, its ground or the weather."""
    bare = re.sub(r"^(?:is|was|does|do) \w+ (?:\w+ )??(?:an?|the) ", "", text)
    ground = any(head_label(bare) in table for table in (SCENES, COVERS, PLACES))
    return bool(WHOLE.search(text)) or (ground and asks_scene(text))


def _bare(question: str) -> str:
    return plain(question).strip(" ?.!,;:")
