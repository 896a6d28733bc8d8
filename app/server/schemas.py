"""What clients may send: requests in OpenAI's form, with our options beside them.

Fields that clients send along and that change nothing here are passed over, as they are
by other servers. Fields that would reach into the engine are refused by name, wherever
an engine might have understood them.

Source:
    Fields of vLLM that a request must not set: trust.md, table B, row 10.
"""

import math
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from rsvlm.findings import ShapeKind
from rsvlm.zoom import ZoomName

#: Fields that would steer the engine past its limits.
DANGEROUS = frozenset(
    {
        "add_generation_prompt", "add_special_tokens", "allowed_token_ids", "audio",
        "bad_words", "best_of", "cache_salt", "chat_template", "chat_template_kwargs",
        "continue_final_message", "detokenize", "documents", "echo", "extra_args",
        "guided_choice", "guided_decoding_backend", "guided_grammar", "guided_json",
        "guided_regex", "guided_whitespace_pattern", "ignore_eos",
        "include_stop_str_in_output", "kv_transfer_params", "length_penalty",
        "logits_processors", "media_io_kwargs", "min_tokens", "mm_processor_kwargs",
        "prediction", "prompt_logprobs", "prompt_token_ids", "repetition_detection",
        "return_token_ids", "return_tokens_as_token_ids", "skip_special_tokens",
        "spaces_between_special_tokens", "stop_token_ids", "structural_tag",
        "structured_outputs", "truncate_prompt_tokens", "use_beam_search",
        "vllm_xargs", "web_search_options",
    }
)  # fmt: skip
#: Fields of tools; they may stand there empty.
TOOLS = ("tools", "functions")

#: Most answers to one request.
MOST_CHOICES = 8
#: Most characters of a text, and of all texts of a conversation.
MOST_TEXT, MOST_TEXTS = 16_384, 131_072
#: Most messages of a conversation, and parts of a message.
MOST_MESSAGES, MOST_PARTS = 256, 64

Text = Annotated[str, Field(max_length=MOST_TEXT)]
#: A data URI, a file id or an address; the door limits how long a body may be.
Address = Annotated[str, Field(min_length=1)]


class _Request(BaseModel):
    """Base of what OpenAI's clients send: unknown fields are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", str_max_length=None)


class _Ours(BaseModel):
    """Base of our own options: a wrong name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FocusBox(_Ours):
    """A place in an image that the question is about."""

    image: int = Field(
        0, ge=0, le=1023, description="position among the images, from 0"
    )
    box: tuple[float, float, float, float] = Field(
        description="x0, y0, x1, y1 in raster pixels"
    )

    @field_validator("box")
    @classmethod
    def _in_order(
        cls, box: tuple[float, float, float, float]
    ) -> tuple[float, float, float, float]:
        if not all(math.isfinite(value) and abs(value) < 1e9 for value in box):
            raise ValueError("write four numbers of pixels")
        if box[2] <= box[0] or box[3] <= box[1]:
            raise ValueError("write x0, y0, x1, y1 with x0 < x1 and y0 < y1")
        return box


class RsvlmOptions(_Ours):
    """The field ``rsvlm`` of a request."""

    task: str = Field("auto", max_length=64, description="as of rsvlm ask --task")
    shape: ShapeKind | None = Field(None, description="shape of regions")
    zoom: ZoomName = Field("auto", description="how closely to look")
    knowledge: bool | None = Field(
        None, description="use the knowledge base; by default where there is one"
    )
    sensor: Literal["auto", "optical", "sar", "multispectral"] = Field(
        "auto", description="what the images were taken with"
    )
    return_: tuple[Literal["trace", "geojson", "overlay"], ...] = Field(
        (), alias="return", max_length=8, description="what to send beside the answer"
    )
    focus: tuple[FocusBox, ...] = Field((), max_length=16)


class ImageUrl(_Request):
    """Where a picture is."""

    url: Address


def _image_url(value: Any) -> Any:
    return {"url": value} if isinstance(value, str) else value


class FileRef(_Request):
    """An uploaded file, or one that stands in the request."""

    file_id: str | None = Field(None, max_length=256)
    file_data: str | None = Field(None, description="data URI")
    filename: str | None = Field(None, max_length=1024)


class TextPart(_Request):
    """Words."""

    type: Literal["text"]
    text: Text


class ImagePart(_Request):
    """A picture: data URI, id of a file, or an address that the server allows."""

    type: Literal["image_url"]
    image_url: Annotated[ImageUrl, BeforeValidator(_image_url)]

    @property
    def address(self) -> str:
        """Where the picture is."""
        return self.image_url.url


class FilePart(_Request):
    """A file, as clients send what is no common picture, such as a GeoTIFF."""

    type: Literal["file"]
    file: FileRef

    @property
    def address(self) -> str:
        """Where the file is."""
        return self.file.file_id or self.file.file_data or ""

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if not self.address:
            raise ValueError("write file_id or file_data")
        return self


class RefusalPart(_Request):
    """What the model said in place of an answer; clients send it back."""

    type: Literal["refusal"]
    refusal: Text


ContentPart = Annotated[
    TextPart | ImagePart | FilePart | RefusalPart, Field(discriminator="type")
]


class ChatMessage(_Request):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Annotated[tuple[ContentPart, ...], Field(max_length=MOST_PARTS)] = (
        Field("", description="text, or parts of text and images")
    )

    @field_validator("content", mode="before")
    @classmethod
    def _nothing(cls, value: Any) -> Any:
        return "" if value is None else value

    @property
    def text(self) -> str:
        """The words of the message."""
        if isinstance(self.content, str):
            return self.content
        texts = (part.text for part in self.content if isinstance(part, TextPart))
        return "\n".join(texts)

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the pictures of the message are, in order."""
        if isinstance(self.content, str):
            return ()
        kinds = (ImagePart, FilePart)
        return tuple(p.address for p in self.content if isinstance(p, kinds))


class JsonSchema(_Request):
    """The form of a JSON answer."""

    name: str = Field("answer", max_length=64)
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")


class ResponseFormat(_Request):
    """What the text of the answer is."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None

    @model_validator(mode="after")
    def _has_schema(self) -> Self:
        if self.type == "json_schema" and self.json_schema is None:
            raise ValueError("json_schema is missing")
        return self


class StreamOptions(_Request):
    """What a stream holds beside the answer."""

    include_usage: bool | None = False


class ChatRequest(_Request):
    """Body of ``POST /v1/chat/completions``."""

    model: str | None = Field(None, max_length=256)
    messages: tuple[ChatMessage, ...] = Field(min_length=1, max_length=MOST_MESSAGES)
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(None, ge=1, le=MOST_CHOICES)
    stop: (
        Annotated[str, Field(max_length=256)]
        | (
            Annotated[
                tuple[Annotated[str, Field(max_length=256)], ...], Field(max_length=4)
            ]
        )
        | None
    ) = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    temperature: float | None = Field(None, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1, le=2**31)
    max_completion_tokens: int | None = Field(None, ge=1, le=2**31)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    rsvlm: RsvlmOptions = RsvlmOptions()

    @model_validator(mode="before")
    @classmethod
    def _refuse(cls, body: Any) -> Any:
        if not isinstance(body, dict):
            return body
        if found := sorted(DANGEROUS & {k for k, v in body.items() if v is not None}):
            raise ValueError(f"the field {found[0]!r} is not taken; leave it out")
        if any(body.get(name) for name in TOOLS):
            raise ValueError(
                "this model calls no tools; leave tools out. It answers questions about "
                "images, and its answer object stands in the field rsvlm"
            )
        modalities = body.get("modalities")
        if modalities not in (None, [], ["text"]):
            raise ValueError("only text is written; leave modalities out")
        return body

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.top_logprobs:
            raise ValueError(
                "top_logprobs is not known here; logprobs gives those of the words chosen"
            )
        if sum(len(message.text) for message in self.messages) > MOST_TEXTS:
            raise ValueError(f"the texts are longer than {MOST_TEXTS} characters")
        if self.messages[-1].role != "user":
            raise ValueError("the last message must be a question of the role user")
        return self

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        stop = (self.stop,) if isinstance(self.stop, str) else self.stop or ()
        return tuple(mark for mark in stop if mark)

    @property
    def most_tokens(self) -> int | None:
        """Most tokens of a reply of the model."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def form(self) -> ResponseFormat:
        """What the text of the answer is."""
        return self.response_format or ResponseFormat()
