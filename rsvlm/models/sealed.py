"""Prompts in which no text of a user becomes a special token, whoever tokenises.

:class:`~rsvlm.engines.local.LocalEngine` tokenises each text by itself. A server renders
the chat template and tokenises the whole, so that ``<image>`` or ``<|im_end|>`` in a
question would count as the token: a forged turn, or placeholders without a picture,
which end a server of vLLM. An exported folder therefore carries the difference in its
data. Its template marks the texts; its tokenizer breaks special tokens up where it meets
one mark, parts words where it meets the other, and drops both. The ids are those of the
local engine.
"""

from typing import Any

from rsvlm.errors import CheckpointError

#: Stands behind the first sign of what could be a special token. Private use: no text
#: has it, and the template takes it out of texts that do.
BREAK = "\ue000"
#: Stands around each text, which is tokenised apart from what surrounds it.
EDGE = "\ue001"


def sealed_template(special: list[str]) -> str:
    """Return the chat template that marks texts.

    Args:
        special: Special tokens of the tokenizer.
    """
    # As escapes, which Jinja reads: the marks themselves cannot be seen.
    gap, edge = (sign.encode("unicode_escape").decode() for sign in (BREAK, EDGE))
    text = f"TEXT|replace('{gap}','')|replace('{edge}','')"
    for sign in sorted({token[0] for token in special}):
        text += f"|replace({sign!r},{sign!r} ~ '{gap}')"
    said = f"{{{{ '{edge}' ~ ({text}) ~ '{edge}' }}}}"
    return (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
        "{% if m['content'] is string %}" + said.replace("TEXT", "m['content']") + "{% else %}"
        "{% for c in m['content'] %}"
        "{% if c['type'] in ['image', 'image_url'] %}<image>\n"
        "{% elif c['type'] == 'text' %}" + said.replace("TEXT", "c['text']") + "{% endif %}"
        "{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )  # fmt: skip


def special_tokens(tokenizer: dict[str, Any]) -> list[str]:
    """Return the special tokens that stand in a ``tokenizer.json``."""
    return [t["content"] for t in tokenizer["added_tokens"] if t["special"]]


def seal(tokenizer: dict[str, Any]) -> dict[str, Any]:
    """Return a ``tokenizer.json`` that understands the marks of the template.

    Special tokens are looked for before the text is normalised: with the mark inside
    they are not found, and the normaliser takes the mark away.

    Raises:
        CheckpointError: If a special token has one sign, which cannot be broken up.
    """
    short = [token for token in special_tokens(tokenizer) if len(token) < 2]
    if short:
        raise CheckpointError(
            f"The tokenizer has a special token of one sign, {short[0]!r}: texts cannot "
            "be told from it. Use another language model."
        )
    added = [
        {**token, "normalized": False} if token["special"] else token
        for token in tokenizer["added_tokens"]
    ]
    drop = {"type": "Replace", "pattern": {"String": BREAK}, "content": ""}
    part = {
        "type": "Split", "pattern": {"String": EDGE}, "behavior": "Removed",
        "invert": False,
    }  # fmt: skip
    normaliser, splitter = tokenizer["normalizer"], tokenizer["pre_tokenizer"]
    return {
        **tokenizer,
        "added_tokens": added,
        "normalizer": _sequence("normalizers", drop, normaliser),
        "pre_tokenizer": _sequence("pretokenizers", part, splitter),
    }


def _sequence(key: str, first: dict[str, Any], rest: Any) -> dict[str, Any]:
    if rest is None:
        return first
    return {"type": "Sequence", key: [first, rest]}
