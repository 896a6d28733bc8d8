"""``import rsvlm`` is enough for the Auto classes, and costs nothing."""

import subprocess
import sys

import pytest

KNOWN = """
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText
from transformers import AutoImageProcessor, AutoProcessor, CONFIG_MAPPING
config = CONFIG_MAPPING["rsvlm"]
for kind in (AutoModel, AutoModelForImageTextToText):
    assert config in kind._model_mapping.keys(), kind
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
assert config in PROCESSOR_MAPPING.keys()
"""


@pytest.mark.parametrize(
    "before",
    [
        "import rsvlm",
        "from transformers import AutoModelForImageTextToText; import rsvlm",
        "import rsvlm.models.configuration; import rsvlm.engines.local",
    ],
)
def test_they_know_our_models(before: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", before + KNOWN],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_importing_rsvlm_imports_nothing_else() -> None:
    code = "import sys, rsvlm; print('transformers' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"
