"""RSWK, the questions of RS-RAG: classes, captions and world knowledge of landmarks.

Task files are JSON lines of ``{"messages": [{"role": "user", "content":
"<image>question"}, {"role": "assistant", "content": reference}], "images": [path]}``;
the path is of another machine, its last part counts. The task is in the file's name.
VQA-c is one list ``[{"image_name", "gpt_output": [{"question", "answer"}]}]``.

The prompt of the classes lists 14 of 16: ``meta["listed"]`` says whether the right one
is among them, so that accuracy can be given with and without the others.

Source:
    Wen et al., "RS-RAG", 2025, https://arxiv.org/abs/2504.04988; code
    CongcongWen1208/RS-RAG.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rsvlm.errors import ParseError
from rsvlm.eval.convert.asked import asked
from rsvlm.formats.images import Images
from rsvlm.formats.upstream import Fields, found, read_json, read_objects
from rsvlm.formats.upstream import entries as list_entries
from rsvlm.samples import Sample

SOURCE = "rswk"
LICENCE = "no terms stated upstream; images of Google Earth, texts of Wikipedia"
#: The classes in a prompt: "... from the following 16 categories: Airport, Beach."
_LIST = re.compile(r"categories:\s*(.+)", re.IGNORECASE)


def convert(root: Path) -> Iterator[Sample]:
    """Yield the samples of every task file; ``meta["part"]`` is its name.

    Raises:
        ParseError: If an entry does not hold what the layout requires.
    """
    images = Images(root, "images")
    paths = [
        path
        for path in found(root, "*.jsonl", "vqa_c*.json")
        if "classification" in path.stem or "caption" in path.stem or "vqa" in path.stem
    ]
    if not paths:
        raise ParseError(
            f"No task file (classification, captioning, vqa) below {str(root)!r}. "
            "Name the folder of RSWK with --root."
        )
    for path in paths:
        if path.suffix == ".json":
            yield from _vqa_c(path, images)
        else:
            for number, entry in enumerate(read_objects(path)):
                yield _sample(entry, path.stem, number, images)


def _sample(entry: Fields, part: str, number: int, images: Images) -> Sample:
    turns = {
        turn.text("role"): turn.text("content") for turn in entry.objects("messages")
    }
    if not {"user", "assistant"} <= set(turns):
        raise entry.fault("'messages'", "lack a user's or an assistant's turn")
    question = turns["user"].replace("<image>", "").strip()
    answer = turns["assistant"]
    name, *_ = entry.items("images") or [""]
    meta: dict[str, Any] = {"part": part}
    options: tuple[str, ...] = ()
    if "classification" in part:
        task = "classify"
        listed = _LIST.search(question)
        parts = listed[1].split(",") if listed else []
        options = tuple(filter(None, (part.strip(" .") for part in parts)))
        meta["listed"] = answer.lower() in map(str.lower, options)
    else:
        task = "caption" if "caption" in part else "vqa"
    return Sample(
        id=f"{SOURCE}/{part}/{number}",
        images=(images.ref(str(name), entry.where),),
        task=task,
        conversation=asked(question),
        answers=(answer,),
        options=options,
        source=SOURCE,
        licence=LICENCE,
        split=_split(part),
        meta=meta,
    )


def _vqa_c(path: Path, images: Images) -> Iterator[Sample]:
    for number, entry in enumerate(list_entries(read_json(path), path.name)):
        image = images.ref(entry.text("image_name"), entry.where)
        for index, pair in enumerate(entry.objects("gpt_output")):
            yield Sample(
                id=f"{SOURCE}/{path.stem}/{number}-{index}",
                images=(image,),
                task="vqa",
                conversation=asked(pair.text("question")),
                answers=(pair.text("answer"),),
                source=SOURCE,
                licence=LICENCE,
                split=_split(path.stem),
                meta={"part": path.stem},
            )


def _split(name: str) -> Any:
    return "train" if "train" in name else "test"
