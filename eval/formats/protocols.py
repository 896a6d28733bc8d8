"""Which protocols a foreign file is scored by, side by side.

Each task gets the rule that we would use (primary) and those that published numbers of
the field were made with (legacy), so that a reader sees how much of a claim is the
protocol.
"""

from collections.abc import Sequence

from rsvlm.errors import ParseError, UnknownNameError
from rsvlm.eval.benchmark import Protocol
from rsvlm.samples import Sample

#: Short free answers.
VQA: tuple[Protocol, ...] = (
    Protocol(id="exact-canonical", metric="vqa_accuracy", primary=True),
    Protocol(id="exact", metric="vqa_accuracy", match="exact"),
    Protocol(id="vqav2", metric="vqa_accuracy", match="vqav2"),
    Protocol(id="gt-in-pred", metric="vqa_accuracy", match="contains", legacy=True),
    Protocol(id="pred-in-gt", metric="vqa_accuracy", match="pred-in-gt", legacy=True),
    Protocol(
        id="token-recall", metric="vqa_accuracy", match="token-recall", legacy=True
    ),
)
#: Answers of one or two words, where synonyms count.
SYNONYMS: tuple[Protocol, ...] = (
    Protocol(id="exact-canonical", metric="vqa_accuracy", primary=True),
    Protocol(id="exact", metric="vqa_accuracy", match="exact"),
    Protocol(id="wordnet", metric="vqa_accuracy", match="wordnet>0.8"),
    Protocol(id="gt-in-pred", metric="vqa_accuracy", match="contains", legacy=True),
)
#: Types of RSVQA that vision-language models are measured on: counting is left out.
THREE_TYPES = frozenset({"presence", "comp", "rural_urban"})
#: RSVQA-LR, the three types of vision-language models and the four of its authors.
RSVQA_LR: tuple[Protocol, ...] = (
    Protocol(
        id="exact-3type",
        metric="vqa_accuracy",
        match="exact",
        average="AA",
        primary=True,
    ),
    Protocol(id="exact-3type-OA", metric="vqa_accuracy", match="exact"),
    Protocol(
        id="exact-4type-counts", metric="vqa_accuracy", match="exact", average="AA"
    ),
    Protocol(
        id="orig-4type-bins",
        metric="vqa_accuracy",
        match="exact",
        bins="rsvqa_lr",
        average="AA",
    ),
    Protocol(id="gt-in-pred", metric="vqa_accuracy", match="contains", legacy=True),
    Protocol(
        id="token-recall", metric="vqa_accuracy", match="token-recall", legacy=True
    ),
)
MEAN_OF_TYPES = "letter-mean-of-types"
#: One of several lettered options.
MCQ: tuple[Protocol, ...] = (
    Protocol(id="letter", metric="mcq_accuracy", extractor="robust", primary=True),
    Protocol(
        id=MEAN_OF_TYPES,
        metric="mcq_accuracy",
        extractor="robust",
        average="AA",
    ),
    Protocol(
        id="mme-realworld-extractor",
        metric="mcq_accuracy",
        extractor="mme-realworld",
        legacy=True,
    ),
    Protocol(id="xlrs-extractor", metric="mcq_accuracy", extractor="xlrs", legacy=True),
)
#: One class of a list.
CLASSIFY: tuple[Protocol, ...] = (
    Protocol(id="canonical", metric="classify", read="canonical", primary=True),
    Protocol(
        id="mean-per-class",
        metric="classify",
        read="canonical",
        value="mean_per_class",
    ),
    Protocol(id="macro-f1", metric="classify", read="canonical", value="macro_f1"),
    Protocol(id="raw-string", metric="classify", read="raw", legacy=True),
    Protocol(id="contains", metric="classify", read="contains", legacy=True),
)
#: Sentences about an image.
CAPTION: tuple[Protocol, ...] = (
    Protocol(id="cider-d", metric="caption_metric", primary=True),
    Protocol(
        id="cider-lower-split",
        metric="caption_metric",
        variant="cider-d",
        legacy=True,
        tokenizer="lower-split",
    ),
    Protocol(id="bleu1-coco", metric="caption_metric", variant="bleu1-coco"),
    Protocol(id="bleu4-coco", metric="caption_metric", variant="bleu4-coco"),
    Protocol(id="rougeL-coco", metric="caption_metric", variant="rougeL-coco"),
    Protocol(
        id="rougeL-mean",
        metric="caption_metric",
        variant="rougeL-mean",
        legacy=True,
    ),
    Protocol(id="meteor-1.5", metric="caption_metric", variant="meteor-1.5"),
)
#: One upright box.
GROUND: tuple[Protocol, ...] = (
    Protocol(id="acc@0.5", metric="grounding", value="acc", primary=True),
    Protocol(id="acc@0.5-strict", metric="grounding", strict=True),
    Protocol(id="acc@0.7", metric="grounding", threshold=0.7),
    Protocol(id="mean-iou", metric="grounding", value="miou"),
    Protocol(id="cum-iou", metric="grounding", value="cumiou"),
    Protocol(
        id="cum-iou-parsed",
        metric="grounding",
        value="cumiou",
        unparsed="drop-from-cum",
        legacy=True,
    ),
    Protocol(id="acc@0.5-plus1", metric="grounding", iou="plus1", legacy=True),
)
#: Several boxes, upright or turned.
MULTI: tuple[Protocol, ...] = (
    Protocol(id="f1@0.5", metric="multi_reference", value="f1", primary=True),
    Protocol(id="all-found@0.5", metric="multi_reference", value="perfect"),
    Protocol(id="precision@0.5", metric="multi_reference", value="precision"),
)
#: Every object of an image, by class.
DETECT: tuple[Protocol, ...] = (
    Protocol(id="ap-nc", metric="detection", variant="ap_nc", primary=True),
    Protocol(id="mf1", metric="detection", variant="mf1"),
    Protocol(id="ap50-voc", metric="detection", variant="voc50"),
)
#: Pixels.
SEGMENT: tuple[Protocol, ...] = (
    Protocol(id="giou", metric="segmentation", value="giou", primary=True),
    Protocol(id="miou", metric="segmentation", value="miou"),
    Protocol(id="ciou", metric="segmentation", value="ciou"),
    Protocol(id="p@0.5", metric="segmentation", value="p@0.5"),
)
#: Numbers of objects.
COUNT: tuple[Protocol, ...] = (
    Protocol(id="exact", metric="count", value="exact", primary=True),
    Protocol(id="within10", metric="count", value="within10"),
    Protocol(id="mae", metric="count", value="mae"),
)

#: Task of a sample -> its protocols.
OF_TASK: dict[str, tuple[Protocol, ...]] = {
    "caption": CAPTION,
    "vqa": VQA,
    "mcq": MCQ,
    "classify": CLASSIFY,
    "count": COUNT,
    "ground": GROUND,
    "ground_multi": MULTI,
    "detect": DETECT,
    "segment": SEGMENT,
}


def for_task(task: str) -> tuple[Protocol, ...]:
    """Return the protocols of a task.

    Raises:
        UnknownNameError: If files of that task are not scored.
    """
    if task not in OF_TASK:
        raise UnknownNameError("task", task, OF_TASK)
    return OF_TASK[task]


def for_samples(samples: Sequence[Sample], name: str) -> tuple[Protocol, ...]:
    """Return the protocols of the task that all samples are of.

    Questions with options are multiple choice, several or turned boxes are matched one
    to one.

    Args:
        samples: The samples.
        name: Name of the file, for messages.

    Raises:
        ParseError: If the samples are of several tasks.
        UnknownNameError: If samples of that task are not scored.
    """
    tasks = {_task(sample) for sample in samples}
    if tasks == {"ground", "ground_multi"}:
        tasks = {"ground_multi"}
    if len(tasks) != 1:
        raise ParseError(
            f"The samples of {name} are of the tasks {', '.join(sorted(tasks))}. "
            "Give those of one task."
        )
    task = tasks.pop()
    return for_letters(samples) if task == "mcq" else for_task(task)


def for_letters(samples: Sequence[Sample]) -> tuple[Protocol, ...]:
    """Return the protocols of multiple choice; a mean of types needs several."""
    if len({sample.type for sample in samples}) > 1:
        return MCQ
    return tuple(protocol for protocol in MCQ if protocol.id != MEAN_OF_TYPES)


def group_by(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Return ("type",) where samples have types that differ."""
    return ("type",) if len({sample.type for sample in samples}) > 1 else ()


def _task(sample: Sample) -> str:
    if sample.task == "vqa" and sample.options:
        return "mcq"
    if sample.task == "ground":
        alone = len(sample.targets) == 1 and not sample.targets[0].polygons
        return "ground" if alone else "ground_multi"
    return sample.task
