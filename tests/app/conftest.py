"""Fixtures of the tests of what users start: a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, DRIVER, Browser, chromium


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Browser]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("Debian's packages chromium and chromium-driver are not installed")
    with chromium() as browser:
        yield browser


@pytest.fixture
def downloads(_chromium: Browser, tmp_path: Path) -> Path:
    """The folder that downloads of the page go to in this test."""
    _chromium.download_to(tmp_path)
    return tmp_path


@pytest.fixture
def browser(_chromium: Browser, request: pytest.FixtureRequest) -> Browser:
    """A Chromium that begins anew; its screenshots are called after the test."""
    _chromium.forget()
    name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
    _chromium.prefix = f"{Path(request.node.path).stem.removeprefix('test_')}--{name}--"
    return _chromium
