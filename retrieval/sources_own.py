"""Handbook of sensors and bands, and glossary: texts of this project, in ``data/``."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from rsvlm.retrieval.passages import Passage

LICENCE = "Apache-2.0"


def handbook() -> Iterator[Passage]:
    """Yield the passages on sensors and bands."""
    for entry in _read("handbook")["passage"]:
        yield Passage(
            text=entry["text"],
            title=entry["title"],
            source=f"rsvlm handbook; see {entry['source']}",
            licence=LICENCE,
            kind=entry["kind"],
        )


def glossary() -> Iterator[Passage]:
    """Yield a passage a term; its other names stand in ``facts``."""
    for group in _read("glossary")["group"]:
        for names, text in group["terms"].items():
            title, *others = names.split("|")
            yield Passage(
                text=text,
                title=title,
                source=f"rsvlm glossary; see {group['source']}",
                licence=LICENCE,
                kind="term",
                facts={"aka": "; ".join(others)} if others else {},
            )


def _read(name: str) -> dict[str, Any]:
    data = files("rsvlm.retrieval").joinpath(f"data/{name}.toml")
    return tomllib.loads(data.read_text(encoding="utf-8"))
