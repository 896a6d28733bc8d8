"""Questions and answers of one picture, drawn from its samples.

Records hold the plain question; the task's template and the text of regions are added
here, since turning the picture moves them: those of the answer, those that the question
holds, and the sides that it names.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rsvlm.instructions import INSTRUCTIONS, ZOOM
from rsvlm.samples import ImageRef, Sample, Target
from rsvlm.tasks import get_task, with_sentence
from rsvlm.training.augment import Item
from rsvlm.training.placed import items_text, mask_text, request_text
from rsvlm.training.sides import turned_words

#: Tasks whose answers hold regions.
PLACED = ("ground", "segment")
#: Task of the first step of a zoom-in chain: the answer, or a request for a window.
CHAIN = "zoom"


class Picture:
    """One picture and all its samples."""

    def __init__(self, ref: ImageRef, samples: Sequence[Sample]) -> None:
        """Sort the samples by kind."""
        self.ref = ref
        self.source = samples[0].source
        self.by_task: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            self.by_task[sample.task].append(sample)

    @property
    def detect(self) -> Sample | None:
        """The sample with every object, if the picture has one."""
        found = self.by_task.get("detect")
        return found[0] if found else None

    @property
    def objects(self) -> tuple[Target, ...]:
        """Everything that an answer can place: all objects, or else those asked for."""
        if self.detect:
            return self.detect.targets
        tasks = (*PLACED, CHAIN)
        asked = (s for task in tasks for s in self.by_task.get(task, ()))
        return tuple(dict.fromkeys(t for sample in asked for t in sample.targets))

    @property
    def whole(self) -> bool:
        """Whether answers are about all of it: objects, or shares of the area.

        A radar picture is always so: its chips are as large as what they show.
        """
        samples = [sample for group in self.by_task.values() for sample in group]
        shares = any(str(s.meta.get("kind", "")).startswith("cover") for s in samples)
        known = shares or bool(self.objects) or self.ref.sensor == "sar"
        return known or bool(self.by_task.get(CHAIN))

    @property
    def placed(self) -> bool:
        """Whether an answer tells where something is."""
        return any(self.questions(task) for task in (*PLACED, CHAIN))

    def questions(self, task: str) -> list[Sample]:
        """Return the samples of a task that an answer can be made for."""
        samples = self.by_task.get(task, [])
        if task in PLACED and not self.detect:
            # Nobody knows that there is none without the sample of every object.
            return [s for s in samples if s.mask or s.targets]
        if task in PLACED:
            return samples
        if task == CHAIN:
            return [s for s in samples if s.roi or s.targets or _answered(s)]
        return [s for s in samples if _answered(s)]

    def asks(self, shares: Mapping[str, int]) -> bool:
        """Whether any task with a share has a question."""
        return any(most > 0 and self.questions(task) for task, most in shares.items())


def _answered(sample: Sample) -> bool:
    return bool(sample.conversation) and sample.conversation[-1].role == "assistant"


def pictures(samples: Iterable[Sample]) -> list[Picture]:
    """Group samples by picture, in order of first appearance.

    Samples about several pictures, such as the pairs of two sensors, are left out.
    """
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if len(sample.images) == 1:
            groups[sample.images[0].path].append(sample)
    return [Picture(group[0].images[0], group) for group in groups.values()]


def words_of(picture: Picture) -> set[str]:
    """Return the labels and scene classes that a picture shows."""
    words = {t.label for s in picture.by_task.get("detect", ()) for t in s.targets}
    for sample in picture.by_task.get("classify", ()):
        words |= set(sample.answers)
    return words


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture as it is shown.

    Attributes:
        items: Its objects, in px of the picture as it is shown and in the order of
            :attr:`Picture.objects`.
        width: Its width in px.
        height: Its height in px.
        quarter: Quarters that it is turned by, counter-clockwise.
        mirror: Whether left and right are swapped afterwards.
    """

    items: Sequence[Item]
    width: int
    height: int
    quarter: int = 0
    mirror: bool = False


def placed_turn(picture: Picture, sample: Sample, shown: Shown) -> tuple[str, str]:
    """Return question and answer of a sample whose answer holds regions.

    Args:
        picture: The picture.
        sample: One of its samples of the tasks ``PLACED``.
        shown: How the picture is shown.

    Returns:
        The question, turned with the picture, and the answer: the sentence of the
        sample, if it has one, and the regions.
    """
    size = shown.width, shown.height
    label = str(sample.meta["label"]) if "label" in sample.meta else None
    kind = shape_of(sample)
    question = sample.conversation[0].text
    if "side" in sample.meta:
        side = str(sample.meta["side"])
        question = turned_words(question, side, shown.quarter, shown.mirror)
    if sample.mask:
        regions = mask_text(sample.mask, label or "", shown.quarter, shown.mirror)
    else:
        meant = _meant(picture, sample, shown.items)
        regions = items_text(meant, label, kind, size)
        if "given" in sample.meta:
            given = items_text(meant, "", str(sample.meta["given_shape"]), size)
            question = question.replace(str(sample.meta["given"]), given)
    said = sample.conversation[-1].text.rstrip(".") + ": " if _answered(sample) else ""
    return question, said + regions


def chain_turn(picture: Picture, sample: Sample, shown: Shown) -> tuple[str, str]:
    """Return question and answer of the first step of a zoom-in chain.

    Args:
        picture: The picture.
        sample: One of its samples of the task ``CHAIN``.
        shown: How the picture is shown.

    Returns:
        The question, turned with the picture, and the request for the window of the
        sample as :mod:`rsvlm.zooming_requests` reads it; where the sample needs no
        window, its plain answer.
    """
    if sample.roi is None and not _answered(sample):
        return placed_turn(picture, sample, shown)
    question = sample.conversation[0].text
    if "side" in sample.meta:
        side = str(sample.meta["side"])
        question = turned_words(question, side, shown.quarter, shown.mirror)
    if sample.roi is None:
        return question, sample.conversation[-1].text
    size = picture.ref.width, picture.ref.height
    return question, request_text(sample.roi, size, shown.quarter, shown.mirror)


def shape_of(sample: Sample) -> str:
    """Return the kind of shape that a sample asks for."""
    return str(sample.meta.get("shape", "mask" if sample.mask else "hbb"))


def _meant(picture: Picture, sample: Sample, items: Sequence[Item]) -> list[Item]:
    """Return the objects that a sample means, as they are shown."""
    if "shape" not in sample.meta and "label" in sample.meta:  # all of a class
        return [item for item in items if item.label == sample.meta["label"]]
    pairs = zip(picture.objects, items, strict=True)
    return [item for target, item in pairs if target in sample.targets]


#: What people write before a question.
OPENINGS = (
    "Please answer: ", "Look at the image. ", "In this image: ", "Question: ", "Hi! ",
    "About this picture: ",
)  # fmt: skip


def reword(question: str, rng: np.random.Generator) -> str:
    """Return a question as somebody in a hurry, or polite, would write it."""
    if rng.random() < 0.15:
        question = question.lower()
    if rng.random() < 0.15:
        question = question.rstrip("?.")
    if rng.random() < 0.15:
        question = OPENINGS[rng.integers(len(OPENINGS))] + question
    return question


def draw_turns(
    picture: Picture,
    shown: Shown,
    shares: Mapping[str, int],
    rng: np.random.Generator,
    plain: bool = False,
) -> list[tuple[str, str]]:
    """Draw prompts and answers about a picture.

    Args:
        picture: The picture.
        shown: How it is shown.
        shares: Task -> most questions of it.
        rng: Source of randomness.
        plain: Whether questions stay as they are written.

    Returns:
        Prompts with their answers, in random order.
    """
    turns: list[tuple[str, str]] = []
    for task, most in shares.items():
        samples = picture.questions(task)
        chosen = rng.permutation(len(samples))[:most]
        for index in chosen:
            sample = samples[int(index)]
            instruction = None
            if task in PLACED:
                question, answer = placed_turn(picture, sample, shown)
                instruction = INSTRUCTIONS[shape_of(sample)]
            elif task == CHAIN:
                question, answer = chain_turn(picture, sample, shown)
            else:
                question = sample.conversation[0].text
                answer = sample.conversation[-1].text
            if not plain:
                question = reword(question, rng)
            if task == CHAIN:
                prompt = with_sentence(question, ZOOM)
            else:
                prompt = get_task(task).prompt(question, instruction)
            turns.append((prompt, answer))
    return [turns[i] for i in rng.permutation(len(turns))]
