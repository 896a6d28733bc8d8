"""RSWK, the knowledge of RS-RAG in its public form: captions and answers of landmarks.

The task files are JSON lines of conversations about one picture (the layout is told in
:mod:`rsvlm.eval.convert.rswk`), and ``vqa_c*.json`` is one list. What the assistant's
turn says becomes a passage of that picture; only training files are read, because the
others hold the answers of the benchmark.

Source:
    Wen et al., "RS-RAG", 2025, https://arxiv.org/abs/2504.04988.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from rsvlm.embedding import Vectors
from rsvlm.errors import ParseError
from rsvlm.retrieval.passages import Passage
from rsvlm.retrieval.sources_files import Look

SOURCE = "RSWK (RS-RAG)"
LICENCE = "no terms stated upstream; images of Google Earth, texts of Wikipedia"


def read_rswk(root: Path, look: Look | None = None) -> Iterator[Passage]:
    """Yield the passages of the training files below a folder.

    Args:
        root: Folder of RSWK.
        look: Turns a picture into its vector; None leaves pictures out.

    Raises:
        ParseError: If there is no such file, or an entry has another form.
    """
    paths = sorted(
        path
        for path in root.rglob("*.json*")
        if "train" in path.stem and re.search("caption|vqa", path.stem)
    )
    if not paths:
        raise ParseError(
            f"There is no training file of RSWK (caption, vqa) below {str(root)!r}. "
            "Name the folder of RSWK."
        )
    images = {path.name: path for path in root.rglob("*") if _is_picture(path)}
    looked: dict[str, Vectors | None] = {}
    for path in paths:
        for number, (image, text) in enumerate(_entries(path), start=1):
            name = PureWindowsPath(image).name
            if not name or not text:
                raise ParseError(
                    f"{path.name}, entry {number}: no picture or no text. "
                    "Give a task file of RSWK."
                )
            if name not in looked:
                found = images.get(name)
                looked[name] = look(found) if look and found else None
            yield Passage(
                text=text,
                title=_landmark(name),
                source=SOURCE,
                licence=LICENCE,
                url="https://github.com/CongcongWen1208/RS-RAG",
                facts={"image": name},
                picture=looked[name],
            )


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in (".jpg", ".jpeg", ".png", ".tif", ".webp")


def _landmark(name: str) -> str:
    """Return the name of a landmark from that of its picture.

    >>> _landmark("Tower_of_London_12.jpg")
    'Tower of London'
    """
    words = re.sub(r"[_-]+", " ", PureWindowsPath(name).stem)
    return re.sub(r"\s+\d+$", "", words).strip() or name


def _entries(path: Path) -> Iterator[tuple[str, str]]:
    """Yield picture and text."""
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            for line in filter(str.strip, text.splitlines()):
                yield _conversation(json.loads(line))
            return
        for entry in json.loads(text):
            if "gpt_output" not in entry:
                yield _conversation(entry)
                continue
            for pair in entry["gpt_output"]:
                yield entry["image_name"], _pair(pair["question"], pair["answer"])
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ParseError(
            f"{path.name} has another form than RSWK's task files ({error})."
        ) from None


def _conversation(entry: Any) -> tuple[str, str]:
    turns = {turn["role"]: str(turn["content"]) for turn in entry["messages"]}
    question = turns["user"].replace("<image>", "").strip()
    answer = turns["assistant"].strip()
    image = entry["images"]
    name = str(image[0] if isinstance(image, list) else image)
    return name, answer if len(answer.split()) > 20 else _pair(question, answer)


def _pair(question: str, answer: str) -> str:
    return f"{question.strip()} {answer.strip()}".strip()
