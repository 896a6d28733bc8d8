"""Marks of the tests that drive a browser."""

import pytest

#: Warnings are errors; this one is of an event loop that Gradio makes and forgets.
BROWSER = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore:Exception ignored in. <socket"),
]
