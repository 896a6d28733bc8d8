"""Answers in OpenAI's form: a completion, or the chunks of a stream.

The answer object stands beside the text, in the field ``rsvlm``; what it costs is what
the model read and wrote for it, nothing where geometry alone answered.
"""

import base64
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rsvlm.answer import Answer
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.service import Result
from rsvlm.app.server.structured import Form, NoFormError
from rsvlm.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Words:
    """What the client reads of an answer.

    Attributes:
        content: The text; None where it would not fit the form that was asked for.
        refusal: Why there is no text.
        finish: ``"stop"`` or ``"length"``.
        logprobs: OpenAI's log probabilities of the text, where they are known.
    """

    content: str | None
    refusal: str | None = None
    finish: str = "stop"
    logprobs: dict[str, Any] | None = None


def words_of(
    result: Result, *, form: Form | None, stops: Sequence[str], logprobs: bool
) -> Words:
    """Return the words of an answer.

    Args:
        result: The answer.
        form: Form of a JSON answer.
        stops: Texts that end a text.
        logprobs: Whether log probabilities are wanted.

    Raises:
        ApiError: If the answer does not fit the form.
    """
    answer = result.answer
    if form is not None:
        return _in_form(answer, form)
    cuts = [answer.text.find(mark) for mark in stops if mark in answer.text]
    text = answer.text[: min(cuts)] if cuts else answer.text
    last = result.generations[-1] if result.generations else None
    own = last is not None and last.text.strip() == answer.text.strip()
    if last is None or not own:
        return Words(text)
    # The words of the model itself: what is known of them holds for the text.
    finish = "length" if last.finish_reason == "length" and not cuts else "stop"
    known = None
    if logprobs and last.tokens and last.logprobs and not cuts:
        pairs = zip(last.tokens, last.logprobs, strict=False)
        known = {"content": [_token(t, p) for t, p in pairs if t], "refusal": None}
    return Words(text, None, finish, known)


def _in_form(answer: Answer, form: Form) -> Words:
    import json

    try:
        return Words(json.dumps(form.fill(answer), ensure_ascii=False))
    except NoFormError as error:
        if answer.abstained:
            return Words(None, answer.text)
        raise ApiError(
            400,
            f"The answer to this question does not fit the JSON schema: {error}. "
            f"In words it is: {answer.text[:200]!r}. Ask for what the schema needs, "
            "such as 'How many ..?', or let the property be null.",
            code="schema_not_filled",
            param="response_format",
        ) from None


def _token(token: str, logprob: float) -> dict[str, Any]:
    known = "\ufffd" not in token  # half a character has bytes that were not kept
    octets = list(token.encode()) if known else None
    fields = {"token": token, "logprob": logprob, "bytes": octets}
    return {**fields, "top_logprobs": []}


def extras_of(result: Result, wanted: Sequence[str]) -> dict[str, Any]:
    """Return the fields of ours: the answer object, and what was asked for beside it.

    Args:
        result: The answer.
        wanted: Of ``"trace"``, ``"geojson"`` and ``"overlay"``.
    """
    answer = result.answer.model_dump(mode="json", by_alias=True)
    if "trace" not in wanted:
        answer["trace"] = []
    fields: dict[str, Any] = {"rsvlm": answer}
    if "geojson" in wanted:
        try:
            fields["rsvlm_geojson"] = result.answer.to_geojson()
        except SettingsError:  # no image has a place on the Earth
            fields["rsvlm_geojson"] = None
    if "overlay" in wanted:
        fields["rsvlm_overlay"] = [
            f"data:image/png;base64,{base64.b64encode(png).decode()}"
            for png in result.overlays
        ]
    return fields


def usage_of(results: Sequence[Result]) -> dict[str, int]:
    """Return the tokens that the model read and wrote."""
    said = [g for result in results for g in result.generations]
    read = sum(generation.prompt_tokens for generation in said)
    written = sum(generation.completion_tokens for generation in said)
    counts = {"prompt_tokens": read, "completion_tokens": written}
    return {**counts, "total_tokens": read + written}


@dataclass(frozen=True)
class Reply:
    """One response: its id, its time, and the model that gives it."""

    model: str
    fingerprint: str
    id: str = field(default_factory=lambda: f"chatcmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def completion(
        self,
        results: Sequence[Result],
        words: Sequence[Words],
        wanted: Sequence[str],
    ) -> dict[str, Any]:
        """Return the whole response; ``rsvlm`` is the answer of the first choice."""
        choices = [
            {
                "index": index,
                "message": {
                    "role": "assistant",
                    "content": said.content,
                    "refusal": said.refusal,
                },
                "logprobs": said.logprobs,
                "finish_reason": said.finish,
            }
            for index, said in enumerate(words)
        ]
        return {
            **self._head("chat.completion"),
            "choices": choices,
            "usage": usage_of(results),
            **extras_of(results[0], wanted),
        }

    def chunk(
        self,
        delta: dict[str, Any] | None = None,
        index: int = 0,
        finish: str | None = None,
        logprobs: dict[str, Any] | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Return a chunk of a stream; ``fields`` stand beside its choices."""
        choice = {
            "index": index,
            "delta": delta or {},
            "logprobs": logprobs,
            "finish_reason": finish,
        }
        return {**self._head("chat.completion.chunk"), "choices": [choice], **fields}

    def usage_chunk(self, results: Sequence[Result]) -> dict[str, Any]:
        """Return the chunk that tells the tokens, after all others."""
        usage = usage_of(results)
        return {**self._head("chat.completion.chunk"), "choices": [], "usage": usage}

    def said(self, words: Words, index: int, **fields: Any) -> Iterator[dict[str, Any]]:
        """Yield the chunks of one choice; ``fields`` come with its last one."""
        if words.refusal is not None:
            yield self.chunk({"refusal": words.refusal}, index)
        parts = pieces(words.content or "")
        for place, piece in enumerate(parts):
            known = words.logprobs if place == len(parts) - 1 else None
            yield self.chunk({"content": piece}, index, logprobs=known)
        yield self.chunk({}, index, words.finish, **fields)

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self.fingerprint,
        }


def pieces(text: str) -> list[str]:
    """Return a text in words, as they are streamed.

    >>> pieces("Two ships.")
    ['Two', ' ships.']
    """
    return re.findall(r"\s*\S+|\s+$", text)
