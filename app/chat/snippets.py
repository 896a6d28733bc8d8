"""The same question as a program asks it: curl in a shell, and the openai client.

Both texts run as they are, against the server that shows them; a test runs them.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from rsvlm.app.chat.cards import esc
from rsvlm.app.chat.history import Asked, Exchange

_NAME = re.compile(r"[^A-Za-z0-9._ -]+")
_SAMPLE = "sample-"


def curl(
    exchange: Exchange,
    before: Sequence[Exchange],
    address: str,
    model: str,
    *,
    keyed: bool = False,
) -> str:
    """Return shell commands that ask the same question.

    Args:
        exchange: The question.
        before: Questions before it that it may refer back to.
        address: Of the server, such as ``http://127.0.0.1:8000``.
        model: Name of the model.
        keyed: Whether the server wants a key.
    """
    asked = exchange.asked
    key = ' -H "Authorization: Bearer $RSVLM_API_KEY"' if keyed else ""
    lines = []
    for number, (id, name) in enumerate(zip(asked.files, asked.names, strict=True), 1):
        if not id.startswith(_SAMPLE):
            lines.append(
                f"FILE_{number}=$(curl -sf {_quoted(address + '/v1/files')}{key} "
                f"-F purpose=vision -F {_quoted('file=@' + file_name(name))} "
                '| sed -E \'s/.*"id": ?"([^"]+)".*/\\1/\')'
            )
    text = _quoted(json.dumps(_body(asked, before, model), ensure_ascii=False))
    for number in range(1, len(asked.files) + 1):
        text = text.replace(f"@FILE_{number}@", f"'\"$FILE_{number}\"'")
    lines.append(
        f"curl -sf {_quoted(address + '/v1/chat/completions')}{key} \\\n"
        f"  -H 'Content-Type: application/json' \\\n  -d {text}"
    )
    return "\n".join(lines) + "\n"


def python(
    exchange: Exchange,
    before: Sequence[Exchange],
    address: str,
    model: str,
    *,
    keyed: bool = False,
) -> str:
    """Return a Python program that asks the same question; see :func:`curl`."""
    asked = exchange.asked
    body = _body(asked, before, model)
    imports = "from openai import OpenAI  # pip install openai\n"
    key = '"none"'
    if keyed:
        imports = "import os\n\n" + imports
        key = 'os.environ["RSVLM_API_KEY"]'
    files = [
        f'file_{number} = client.files.create(file=open({file_name(name)!r}, "rb"), '
        'purpose="vision").id'
        for number, (id, name) in enumerate(
            zip(asked.files, asked.names, strict=True), 1
        )
        if not id.startswith(_SAMPLE)
    ]
    messages = _literal(body["messages"], 4)
    for number in range(1, len(asked.files) + 1):
        messages = messages.replace(f"'@FILE_{number}@'", f"file_{number}")
    return "\n".join(
        [
            imports,
            f"client = OpenAI(base_url={address + '/v1'!r}, api_key={key})",
            *files,
            "done = client.chat.completions.create(",
            f"    model={model!r},",
            f"    messages={messages},",
            f"    extra_body={{'rsvlm': {body['rsvlm']!r}}},",
            ")",
            "print(done.choices[0].message.content)",
            'for region in done.model_extra["rsvlm"]["regions"]:',
            '    print(region["label"], region["confidence"], region["geometry"])',
            "",
        ]
    )


def page(code_curl: str, code_python: str) -> str:
    """Return both as HTML, each with a button that copies it."""
    return "".join(
        f'<h5>{title}</h5><button type="button" class="quiet" data-copy>Copy</button>'
        f'<pre tabindex="0" aria-label="{title}"><code>{esc(code)}</code></pre>'
        for title, code in (("curl", code_curl), ("Python", code_python))
    )


def file_name(name: str) -> str:
    """Return a file name without signs that mean something to a shell or to curl."""
    return _NAME.sub("_", name).lstrip("-. ") or "image.tif"


def _body(asked: Asked, before: Sequence[Exchange], model: str) -> dict[str, Any]:
    """Return the request; images that must be uploaded stand as ``@FILE_1@``."""
    options: dict[str, Any] = {"task": asked.task, "zoom": asked.zoom}
    options |= {"sensor": asked.sensor, "knowledge": asked.knowledge}
    if asked.shape is not None:
        options["shape"] = asked.shape
    if asked.focus is not None:
        image, box = asked.focus
        options["focus"] = [{"image": image, "box": list(box)}]
    images = [
        {
            "type": "image_url",
            "image_url": {
                "url": id if id.startswith(_SAMPLE) else f"@FILE_{number}@",
            },
        }
        for number, id in enumerate(asked.files, 1)
    ]
    messages: list[dict[str, Any]] = []
    for item in before:
        if item.answer:
            messages.append({"role": "user", "content": item.asked.text})
            messages.append({"role": "assistant", "content": item.answer.text})
    messages.append(
        {"role": "user", "content": [*images, {"type": "text", "text": asked.text}]}
    )
    return {"model": model, "messages": messages, "rsvlm": options}


def _quoted(text: str) -> str:
    """Return a text in single quotes of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


def _literal(value: object, indent: int) -> str:
    """Return a list as Python source, an item a line."""
    if isinstance(value, list):
        inner = "".join(f"{' ' * (indent + 4)}{item!r},\n" for item in value)
        return f"[\n{inner}{' ' * indent}]"
    return repr(value)
