"""What ``--model URL#NAME`` says: a server, a model, and settings in the query.

``http://host:8000/v1#Qwen/Qwen3-VL-8B-Instruct`` is enough for a model of a known
family. Settings stand where the query of a URL stands, so that one text carries them
through every command: ``http://host/v1?dialect=geochat&timeout=300#my-model``. They
are not sent to the server.
"""

import os
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from rsvlm.dialects import get_dialect
from rsvlm.errors import SettingsError, UnknownNameError

#: Environment variable with the key of the server.
KEY_VARIABLE = "RSVLM_API_KEY"

_EXAMPLE = "http://127.0.0.1:8000/v1#Qwen/Qwen3-VL-8B-Instruct"


class RemoteSettings(BaseModel):
    """How a model behind an OpenAI-compatible server is asked.

    .. versionadded:: 0.1
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="address of the API, mostly ending with /v1")
    model: str = Field("", description='name of the model; "": the only one served')
    dialect: str | None = Field(None, description="grounding dialect; by the name")
    sensors: frozenset[str] = Field(
        frozenset({"optical"}), description="sensors it was trained on, with commas"
    )
    max_images: int | None = Field(None, ge=1, le=64, description="pictures a question")
    max_side: int = Field(1344, ge=28, le=8192, description="longest side, px")
    max_megabytes: float = Field(20, gt=0, description="of a picture in a request")
    max_tokens: int = Field(1024, ge=1, le=2**20, description="tokens of a reply")
    timeout: float = Field(120, gt=0, le=86400, description="seconds a try may take")
    retries: int = Field(4, ge=0, le=20, description="tries after a failed one")
    remembers: bool = Field(
        False, description="whether it keeps pictures, as vLLM does"
    )
    concurrency: int = Field(32, ge=1, le=1024, description="requests at a time")

    @field_validator("sensors", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return frozenset(part.strip() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _known_dialect(self) -> Self:
        if self.dialect is not None:
            get_dialect(self.dialect)
        return self

    @property
    def host(self) -> str:
        """Name of the server's machine."""
        return urlsplit(self.url).hostname or ""


def read_settings(text: str) -> RemoteSettings:
    """Read ``URL[?setting=value&..][#NAME]``.

    Raises:
        SettingsError: If it is no such address, or a value cannot be used.
        UnknownNameError: If there is no such setting or dialect.
    """
    address, _, model = text.strip().partition("#")
    try:
        parts = urlsplit(address)
        name, host, _ = parts.username, parts.hostname, parts.port
    except ValueError as error:
        raise SettingsError(
            f"The address of the model is not a URL: {error}. Write {_EXAMPLE}."
        ) from error
    if parts.scheme not in ("http", "https") or not host:
        raise SettingsError(
            f"{address!r} is not the address of a server. Write {_EXAMPLE}."
        )
    if name is not None or parts.password is not None:
        # Not shown: it may be a password, and messages end up in logs.
        raise SettingsError(
            "The address of the model holds a user name or a password. Take it out and "
            f"set the variable {KEY_VARIABLE} instead."
        )
    given: dict[str, Any] = {}
    for key, value in parse_qsl(parts.query, keep_blank_values=True):
        if key in ("url", "model") or key not in RemoteSettings.model_fields:
            known = set(RemoteSettings.model_fields) - {"url", "model"}
            raise UnknownNameError("setting of a served model", key, known)
        if key in given:
            raise SettingsError(f"The setting {key!r} stands twice. Keep one of them.")
        given[key] = value
    url = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    try:
        return RemoteSettings(url=url, model=model.strip(), **given)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        meaning = RemoteSettings.model_fields[place].description
        raise SettingsError(
            f"The setting {place}={given.get(place)!r} of the model cannot be used: "
            f"{first['msg']}. It means: {meaning}."
        ) from error


def key_for(settings: RemoteSettings) -> str:
    """Return the key to send to a server, from the environment.

    A key that was set for OpenAI goes to no other server.
    """
    key = os.environ.get(KEY_VARIABLE)
    if not key and settings.host == "api.openai.com":
        key = os.environ.get("OPENAI_API_KEY")
    return key or "none"  # servers without keys take any
