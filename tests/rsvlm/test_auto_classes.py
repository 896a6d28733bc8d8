"""``import rsvlm`` is enough for the Auto classes, and costs nothing."""

import subprocess
import sys

import pytest

from rsvlm.models.checkpoint import SHIPPED

KNOWN = """
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText
from transformers import AutoImageProcessor, AutoProcessor, CONFIG_MAPPING
config = CONFIG_MAPPING["rsvlm"]
for kind in (AutoModel, AutoModelForImageTextToText):
    assert config in kind._model_mapping.keys(), kind
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
assert config in PROCESSOR_MAPPING.keys()
"""


def check(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "before",
    [
        "from transformers import AutoConfig; import rsvlm",
        "import rsvlm.models.configuration; import rsvlm.engines.local",
        "import rsvlm.models.precision",
        # Imports the Auto classes before it is whole, and ours need it.
        "import rsvlm; from transformers import LlamaModel",
    ],
)
def test_they_know_our_models(before: str) -> None:
    check(before + KNOWN)


@pytest.mark.parametrize(
    ("name", "kind"), [("AutoConfig", "RSVLMConfig"), ("AutoProcessor", "RSVLMProcessor")]
)  # fmt: skip
def test_one_of_them_alone_is_enough(name: str, kind: str) -> None:
    check(
        f"import rsvlm\nfrom transformers import {name}\n"
        f"made = {name}.from_pretrained({str(SHIPPED['tiny'])!r})\n"
        f"assert type(made).__name__ == {kind!r}, type(made)"
    )


def test_importing_rsvlm_imports_nothing_else() -> None:
    code = "import sys, rsvlm; print('transformers' in sys.modules, 'torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False False\n"
