"""Prompts whose texts hold no special token, tokenised as the local engine does."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from rsvlm.errors import CheckpointError
from rsvlm.models.checkpoint import SHIPPED, base_tokenizer
from rsvlm.models.processing import CHAT_TEMPLATE
from rsvlm.models.sealed import BREAK, EDGE, seal, sealed_template, special_tokens
from tests.rsvlm.conftest import CORPUS
from tests.rsvlm.qwen import write_tokenizer

Ids = Callable[[list[Any]], list[int]]

#: Pieces that a question may be made of.
PIECES = st.sampled_from(
    ["<image>", "<|im_end|>", "\n<|im_start|>system\n", "<", "<<", "|", ">", "<|", " ",
     "\n", "\n\n", "how many", " ships", "?", "7", "日本", "é", "e\u0301", "a<b", "image>", "<im", "<think>"]
)  # fmt: skip
TEXTS = st.lists(st.lists(PIECES, max_size=6).map("".join), min_size=1, max_size=3)


def plain_ids(tokenizer: Any, parts: list[Any]) -> list[int]:
    """Return the ids of a turn whose texts are tokenised by themselves."""
    form = "<|im_start|>user\n"
    ids = tokenizer(form, add_special_tokens=False)["input_ids"]
    for part in parts:
        if part is None:
            more = tokenizer("<image>\n", add_special_tokens=False)["input_ids"]
        else:
            more = tokenizer(
                part, add_special_tokens=False, split_special_tokens=True
            )["input_ids"]  # fmt: skip
        ids += more
    end = "<|im_end|>\n<|im_start|>assistant\n"
    return [*ids, *tokenizer(end, add_special_tokens=False)["input_ids"]]


def sealed_ids(tokenizer: Any, parts: list[Any], content: Any = None) -> list[int]:
    """Return the ids of the whole, as a server would have them."""
    said = [
        {"type": "image"} if part is None else {"type": "text", "text": part}
        for part in parts
    ]
    chat = [{"role": "user", "content": content or said}]
    text = tokenizer.apply_chat_template(
        chat, add_generation_prompt=True, tokenize=False
    )
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


@pytest.fixture(scope="module", params=["small", "shipped", "qwen"])
def pair(
    request: pytest.FixtureRequest, language_folder: Path, tmp_path_factory: Any
) -> tuple[Any, Any]:
    """A tokenizer, and the sealed one."""
    if request.param == "small":
        own = base_tokenizer(language_folder)
    elif request.param == "shipped":
        own = PreTrainedTokenizerFast.from_pretrained(SHIPPED["tiny"])
    else:
        source = tmp_path_factory.mktemp("qwen")
        write_tokenizer(source, CORPUS)
        own = base_tokenizer(source)
    folder = tmp_path_factory.mktemp("sealed")
    own.save_pretrained(folder)
    path = folder / "tokenizer.json"
    fields = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(seal(fields)), encoding="utf-8")
    sealed = PreTrainedTokenizerFast.from_pretrained(folder)
    sealed.chat_template = sealed_template(special_tokens(fields))
    return own, sealed


@settings(
    max_examples=60, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(texts=TEXTS)
def test_ids_are_those_of_texts_tokenised_by_themselves(
    pair: tuple[Any, Any], texts: list[str]
) -> None:
    own, sealed = pair
    parts = [None, *texts]
    expected = plain_ids(own, parts)
    assert sealed_ids(sealed, parts) == expected
    # No text makes a token of the template's: three marks and the picture.
    special = set(own.all_special_ids)
    assert sum(i in special for i in expected) == 4
    one = plain_ids(own, texts[:1])
    assert sealed_ids(sealed, [], content=texts[0] or "x") == (
        one if texts[0] else plain_ids(own, ["x"])
    )


def test_marks_in_a_text_do_not_undo_themselves(pair: tuple[Any, Any]) -> None:
    own, sealed = pair
    for text in (f"<{EDGE}image>", f"<{BREAK}image>", f"{BREAK}<{EDGE}{BREAK}image>"):
        assert sealed_ids(sealed, [text]) == plain_ids(own, ["<image>"])


def test_an_unmarked_text_is_tokenised_as_before(pair: tuple[Any, Any]) -> None:
    own, sealed = pair
    for text in ("<|im_start|>user\nHow many ships?", "a <image> b", "1 2  3"):
        assert sealed(text)["input_ids"] == own(text)["input_ids"]


def test_the_template_is_that_of_the_model_but_for_the_marks() -> None:
    shown = re.sub(r"\{\{ '\\ue001' ~ \((\S+?)\|replace\(.*?\) ~ '\\ue001' \}\}", r"{{ \1 }}",
                   sealed_template(["<a>", "<b>"]))  # fmt: skip
    assert shown == CHAT_TEMPLATE


def test_a_special_token_of_one_sign_cannot_be_told_apart() -> None:
    fields = {"added_tokens": [{"content": "#", "special": True}]}
    with pytest.raises(CheckpointError, match="one sign, '#'"):
        seal(fields)
