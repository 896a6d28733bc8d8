"""docs/security.md names tests that exist, and every setting of the gate."""

import re
from pathlib import Path

from rsvlm.app.server.gate_settings import GateLimits

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_test_that_the_page_names_is_there() -> None:
    named = 0
    file = ""
    for path, name in re.findall(r"`(tests/[\w/]+\.py)?::(\w+)`", TEXT):
        file = path or file
        source = (ROOT / file).read_text(encoding="utf-8")
        assert f"def {name}(" in source, f"{file}::{name}"
        named += 1
    assert named > 40


def test_every_setting_is_explained() -> None:
    missing = [name for name in GateLimits.model_fields if f"`{name}`" not in TEXT]
    assert missing == []
