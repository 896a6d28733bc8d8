"""Files of foreign formats, written by the tests."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write records as JSONL (or a JSON list, by the suffix) and return the path."""

    def _write(name: str, records: Iterable[Any]) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            text = json.dumps(list(records))
        else:
            text = "".join(json.dumps(record) + "\n" for record in records)
        path.write_text(text, encoding="utf-8")
        return path

    return _write
