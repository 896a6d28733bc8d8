"""Questions and answers of one picture, drawn from its samples.

Records hold the plain question; the task's template and, for grounding, the text of
the boxes are added here, since turning the picture moves the boxes.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rsvlm.codec import RsvlmCodec
from rsvlm.geometry import HBB, Region, Window
from rsvlm.samples import ImageRef, Sample
from rsvlm.tasks import get_task
from rsvlm.training.augment import Item

#: Text boxes of more objects than this are not asked for: the region head counts.
MOST_BOXES = 3


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
    def whole(self) -> bool:
        """Whether answers are about all of it: objects, or shares of the area.

        A radar picture is always so: its chips are as large as what they show.
        """
        samples = [sample for group in self.by_task.values() for sample in group]
        shares = any(str(s.meta.get("kind", "")).startswith("cover") for s in samples)
        return shares or self.detect is not None or self.ref.sensor == "sar"

    def questions(self, task: str) -> list[Sample]:
        """Return the samples of a task that an answer can be made for."""
        samples = self.by_task.get(task, [])
        if task == "ground":  # boxes come from the sample with every object
            return samples if self.detect else []
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


def boxes_text(items: Sequence[Item], label: str, width: int, height: int) -> str:
    """Return the answer of a grounding question.

    Args:
        items: Objects of the picture as it is shown, in its px.
        label: Which of them are asked for.
        width: Width of the picture in px.
        height: Height of the picture in px.

    Returns:
        Text of our dialect, largest first, at most ``MOST_BOXES``; "none" without.
    """
    boxes = [HBB(*item.hbb) for item in items if item.label == label]
    boxes.sort(key=lambda box: -box.area)
    window = Window(HBB(0, 0, width, height), width, height)
    regions = [Region(box, label) for box in boxes[:MOST_BOXES]]
    return RsvlmCodec().encode(regions, window)


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
    items: Sequence[Item],
    size: tuple[int, int],
    shares: Mapping[str, int],
    rng: np.random.Generator,
    plain: bool = False,
) -> list[tuple[str, str]]:
    """Draw prompts and answers about a picture.

    Args:
        picture: The picture.
        items: Its objects as shown (turned, cropped), in px of the shown picture.
        size: Width and height of the shown picture in px.
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
            if task == "ground":
                label = str(sample.meta["label"])
                answer = boxes_text(items, label, *size)
            else:
                answer = sample.conversation[-1].text
            question = sample.conversation[0].text
            if not plain:
                question = reword(question, rng)
            turns.append((get_task(task).prompt(question), answer))
    return [turns[i] for i in rng.permutation(len(turns))]
