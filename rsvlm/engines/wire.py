"""Between our messages and the OpenAI chat form: requests out, replies in.

A server is not trusted: whatever stands in a reply is checked before it is used, and
signs that would steer a terminal are taken out of its text.
"""

import base64
import hashlib
import io
import re
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rsvlm.codec import Codec
from rsvlm.errors import EngineEmptyError, EngineRefusedError, SettingsError
from rsvlm.messages import Generation, Message, Tool, ToolCall
from rsvlm.render import View

#: Pictures that are kept encoded: many questions are asked about one scene.
KEPT_PICTURES = 16

#: Calls of tools that are read of one reply.
MOST_CALLS = 8

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SURROGATES = re.compile(r"[\ud800-\udfff]")
_THOUGHT = re.compile(r"</think(?:ing)?>")
_THINKING = re.compile(r"\s*<think(?:ing)?>")


class BrokenReplyError(Exception):
    """Raised when a reply has not the form of a chat completion."""


class Pictures:
    """Views as data URIs; the last ones are kept."""

    def __init__(self, codec: Codec, most_bytes: float) -> None:
        """Set the dialect, which decides the size, and the limit of a data URI."""
        self.codec, self.most_bytes = codec, most_bytes
        self._kept: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def uri(self, view: View) -> str:
        """Return a view as a PNG data URI.

        The picture has the size at which the model counts coordinates; its sensor is
        a text chunk, which servers of rsvlm models read.

        Raises:
            SettingsError: If it is larger than the server takes.
        """
        key = self.key(view)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        uri = self._encode(view)
        with self._lock:
            self._kept[key] = uri
            while len(self._kept) > KEPT_PICTURES:
                self._kept.popitem(last=False)
        return uri

    @staticmethod
    def key(view: View) -> str:
        """Return what tells a picture from every other."""
        digest = hashlib.sha256(view.pixels.tobytes())
        # Equal bytes of another shape or sensor are another picture.
        digest.update(f"{view.pixels.shape},{view.sensor}".encode())
        return digest.hexdigest()

    def part(self, view: View) -> dict[str, Any]:
        """Return a view as a part of a message.

        Raises:
            SettingsError: If it is larger than the server takes.
        """
        return {"type": "image_url", "image_url": {"url": self.uri(view)}}

    def answered(self, chat: Sequence[dict[str, Any]]) -> None:
        """Note that the server has answered these messages."""

    def lost(self, error: Exception) -> bool:
        """Say whether a request failed for want of a picture, to be sent again."""
        return False

    def _encode(self, view: View) -> str:
        from PIL import Image
        from PIL.PngImagePlugin import PngInfo

        height, width = view.pixels.shape[:2]
        picture = Image.fromarray(view.pixels)
        size = self.codec.picture_size(width, height)
        if size != (width, height):
            picture = picture.resize(size, Image.Resampling.BICUBIC)
        tag = PngInfo()
        tag.add_text("sensor", view.sensor)
        file = io.BytesIO()
        picture.save(file, "PNG", pnginfo=tag, compress_level=3)
        uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
        if len(uri) > self.most_bytes:
            raise SettingsError(
                f"A picture of {size[0]} x {size[1]} px takes {len(uri) / 1e6:.1f} MB "
                f"in a request, more than {self.most_bytes / 1e6:g} MB. Make it "
                "smaller with URL?max_side=PIXELS#MODEL, or raise max_megabytes."
            )
        return uri


def to_chat(messages: Sequence[Message], pictures: Pictures) -> list[dict[str, Any]]:
    """Return messages in the OpenAI form; text alone stays a string.

    Raises:
        SettingsError: If a picture is larger than the server takes.
    """
    chat: list[dict[str, Any]] = []
    for message in messages:
        content: str | list[dict[str, Any]] = message.text
        if message.views:
            content = [
                {"type": "text", "text": part}
                if isinstance(part, str)
                else pictures.part(part)
                for part in message.parts
            ]
        entry: dict[str, Any] = {"role": message.role, "content": content}
        if message.calls:
            entry["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.calls
            ]
        if message.call_id:
            entry["tool_call_id"] = message.call_id
        chat.append(entry)
    return chat


def to_tools(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Return tools in the OpenAI form."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": dict(tool.parameters),
            },
        }
        for tool in tools
    ]


@dataclass
class Draft:
    """A reply as far as it has come."""

    text: str = ""
    refusal: str = ""
    thought: str = ""
    finish: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tokens: list[tuple[str, float]] = field(default_factory=list)
    calls: dict[int, list[str]] = field(default_factory=dict)

    def add(self, record: Any) -> None:
        """Add a completion, or a chunk of a stream.

        Raises:
            BrokenReplyError: If it is neither.
        """
        choices = getattr(record, "choices", None)
        if not isinstance(choices, list):
            raise BrokenReplyError("it holds no choices")
        usage = getattr(record, "usage", None)
        self.prompt_tokens = _count(usage, "prompt_tokens") or self.prompt_tokens
        self.completion_tokens = (
            _count(usage, "completion_tokens") or self.completion_tokens
        )
        if not choices:
            return  # the last chunk of a stream holds the usage only
        choice = choices[0]
        said = getattr(choice, "delta", None) or getattr(choice, "message", None)
        self.text += _string(said, "content")
        self.refusal += _string(said, "refusal")
        self.thought += _string(said, "reasoning_content") or _string(said, "reasoning")
        self._add_calls(getattr(said, "tool_calls", None))
        self.finish = _string(choice, "finish_reason") or self.finish
        found = getattr(getattr(choice, "logprobs", None), "content", None)
        for token in found if isinstance(found, list) else []:
            value = getattr(token, "logprob", None)
            if isinstance(value, (int, float)):
                self.tokens.append((_string(token, "token"), min(float(value), 0.0)))

    def _add_calls(self, found: Any) -> None:
        """Add calls of tools, or pieces of them: a stream numbers what it sends."""
        for number, call in enumerate(found if isinstance(found, list) else []):
            index = getattr(call, "index", None)
            place = index if isinstance(index, int) else number
            if place not in self.calls and len(self.calls) >= MOST_CALLS:
                continue
            about = getattr(call, "function", None)
            fields = self.calls.setdefault(place, ["", "", ""])
            fields[0] = fields[0] or _string(call, "id")
            fields[1] = fields[1] or _string(about, "name")
            fields[2] += _string(about, "arguments")

    @property
    def may_think(self) -> bool:
        """Whether a text that has only begun could become a mark of thoughts."""
        return "<thinking>".startswith(self.text.lstrip())

    @property
    def has_thought(self) -> bool:
        """Whether thoughts have ended."""
        return bool(_THOUGHT.search(self.text))

    @property
    def answer(self) -> str:
        """The text without thoughts; "" while the model is thinking."""
        parts = _THOUGHT.split(self.text)  # the mark in front may be missing
        if len(parts) == 1 and _THINKING.match(self.text):
            return ""
        return parts[-1].lstrip() if len(parts) > 1 else self.text

    def generation(self, model: str, stop: Sequence[str] = ()) -> Generation:
        """Return the finished reply.

        Args:
            model: Name for messages.
            stop: Texts that end the reply, should the server have passed over them.

        Raises:
            EngineRefusedError: If the model or a filter refuses.
            EngineEmptyError: If there is no text.
        """
        text, finish = clean(self.answer), self.finish or "stop"
        cuts = [text.find(mark) for mark in stop if mark in text]
        if cuts:
            text, finish = text[: min(cuts)], "stop"
        calls = tuple(ToolCall(*fields) for _, fields in sorted(self.calls.items()))
        if calls:
            finish = "stop"
        elif not text.strip():
            self._explain_nothing(model, bool(cuts))
        kept = self._kept()
        logprobs = tuple(value for _, value in kept) or None
        tokens = tuple(clean(token) for token, _ in kept) or None
        written = self.completion_tokens or len(self.tokens)
        return Generation(
            text, finish, self.prompt_tokens, written, logprobs, tokens, calls
        )

    def _kept(self) -> list[tuple[str, float]]:
        """Return the answer's tokens and log probabilities, without thoughts."""
        whole = "".join(token for token, _ in self.tokens)
        thoughts = list(_THOUGHT.finditer(whole))
        start, kept = thoughts[-1].end() if thoughts else 0, []
        for token, value in self.tokens:
            start -= len(token)
            if start < 0 or not thoughts:
                kept.append((token, value))
        return kept

    def _explain_nothing(self, model: str, cut: bool) -> None:
        if self.refusal.strip() or self.finish == "content_filter":
            why = clean(self.refusal).strip() or "its content filter stopped the reply"
            raise EngineRefusedError(
                f"The model {model} refuses to answer: {' '.join(why.split())[:300]}. "
                "Ask in other words."
            )
        if cut:
            return  # it began with a stop text: an empty reply is what was asked for
        if self.finish == "length" and (self.thought or self.text):
            raise EngineEmptyError(
                f"The model {model} came to no answer: all its tokens went into "
                "thinking. Give it more with URL?max_tokens=8192#MODEL."
            )
        raise EngineEmptyError(
            f"The model {model} answered nothing. Ask in other words, or look into the "
            "log of the server."
        )


def clean(text: str) -> str:
    r"""Return a text without control signs and broken characters.

    >>> clean("a\x1b[31mb\nc")
    'a[31mb\nc'
    """
    return _SURROGATES.sub("\ufffd", _CONTROLS.sub("", text))


def _string(record: Any, name: str) -> str:
    value = getattr(record, name, None)
    return value if isinstance(value, str) else ""


def _count(record: Any, name: str) -> int:
    value = getattr(record, name, None)
    return value if isinstance(value, int) and value > 0 else 0
