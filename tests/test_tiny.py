"""The checkpoint that ships: complete, small, documented, and it sees."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from rsvlm.geometry import HBB
from rsvlm.models.checkpoint import SHIPPED

TINY = SHIPPED["tiny"]


def test_the_weights_fit_into_the_package() -> None:
    size = sum(path.stat().st_size for path in TINY.iterdir())
    assert size <= 64_000_000


def test_only_trained_weights_are_shipped() -> None:
    names = load_file(TINY / "model.safetensors")
    assert all("projector" in name or ".lora_" in name for name in names)
    assert all(value.isfinite().all() for value in names.values())


def test_the_model_card_names_data_and_terms() -> None:
    card = (TINY / "README.md").read_text(encoding="utf-8")
    for words in ("NWPU VHR-10", "RSSCN7", "research purposes only", "Apache-2.0"):
        assert words in card
    assert "@@" not in card


def test_no_file_names_a_path_of_the_machine_that_made_it() -> None:
    for path in TINY.glob("*.json"):
        assert not re.search(r'"/\w', path.read_text(encoding="utf-8")) or (
            path.name == "tokenizer.json"
        ), path.name


@pytest.mark.model
def test_transformers_loads_it() -> None:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from rsvlm.models.register import register

    register()
    model = AutoModelForImageTextToText.from_pretrained(TINY, dtype=torch.bfloat16)
    processor = AutoProcessor.from_pretrained(TINY)
    assert type(model).__name__ == "RSVLMForConditionalGeneration"
    assert processor.image_token_id == model.config.image_token_id


@pytest.mark.model
def test_it_sees_the_courts_of_a_real_scene(tmp_path: Path) -> None:
    from rsvlm.app.build import build_assistant
    from rsvlm.app.samples import image_path
    from rsvlm.raster import Raster

    assistant = build_assistant()
    with Raster.open(image_path("wye-mills")) as raster:
        answer = assistant.ask([raster], "Where are the tennis courts?")
        # The block of courts, in pixels of the scene.
        block = HBB(735, 110, 820, 195)
        assert answer.regions
        for region in answer.regions:
            box = HBB(*region.hbb)
            assert box.intersection(block) > 0.8 * box.area
        absent = assistant.ask([raster], "Is there a ship?")
        assert absent.text.startswith("No")
        scene = assistant.ask([raster], "Describe this scene.")
        assert len(scene.text.split()) >= 4


@pytest.mark.model
def test_it_sees_no_airplane_in_fields() -> None:
    from rsvlm.app.build import build_assistant
    from rsvlm.app.samples import image_path
    from rsvlm.raster import Raster

    with Raster.open(image_path("wye-mills")) as raster:
        answer = build_assistant().ask([raster], "Is there an airplane?")
    assert answer.text.startswith("No")
