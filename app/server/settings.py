"""Settings of the server: a TOML file, the environment, the command line, in this order.

``rsvlm serve --config FILE`` reads the file. ``RSVLM_SERVE_PORT`` sets one value, and
``RSVLM_SERVE_GATE__MAX_QUEUE`` one of a table. Every limit has a safe default.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rsvlm.app.chat.settings import ChatSettings
from rsvlm.app.server.batch_settings import BatchLimits
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.vllm_settings import VllmSettings
from rsvlm.errors import SettingsError, UnknownNameError

#: What variables of the environment begin with.
PREFIX = "RSVLM_SERVE_"
#: Questions at a time where a server elsewhere runs the model.
SERVED_ELSEWHERE = 32


class ServerSettings(BaseModel):
    """How ``rsvlm serve`` runs.

    .. versionadded:: 0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port; 0 takes a free one")
    engine: str = Field(
        "local", description="local, vllm, or URL#NAME of an OpenAI-compatible server"
    )
    model: str = Field(
        "", description="shipped checkpoint, checkpoint folder, or URL#NAME; by default "
        "tiny, or what the server of the engine serves",
    )  # fmt: skip
    name: str = Field("", description="name that clients use; by default the model's")
    knowledge: str = Field("", description="folder of rsvlm knowledge build")
    region_head: str = Field("", description="sam2:PATH draws the outlines")
    data: Path = Field(
        default_factory=lambda: Path(click.get_app_dir("rsvlm")) / "server",
        description="folder of uploads, conversations and batches",
    )
    keys: Path | None = Field(None, description="file of API keys (rsvlm keys)")
    page: bool = Field(True, description="whether to serve the chat page at /chat")
    gate: GateLimits = GateLimits()
    files: FileLimits = FileLimits()
    batches: BatchLimits = BatchLimits()
    chat: ChatSettings = ChatSettings()
    vllm: VllmSettings = VllmSettings()

    @property
    def limits(self) -> GateLimits:
        """Limits of the gate; a model elsewhere answers many questions at a time."""
        given = self.gate.model_fields_set
        if self.engine == "local" and "://" not in self.model:
            return self.gate
        wide = {
            name: SERVED_ELSEWHERE
            for name in ("max_running", "max_running_per_owner")
            if name not in given
        }
        return self.gate.model_copy(update=wide)


def read_settings(
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: Mapping[str, Any] | None = None,
) -> ServerSettings:
    """Return the settings.

    Args:
        config: TOML file.
        environment: Variables; by default those of the process.
        given: What stands on the command line; None values are passed over, tables
            are added to.

    Raises:
        SettingsError: If a file cannot be read, or a value cannot be used.
        UnknownNameError: If there is no such setting.
    """
    values = {} if config is None else _read_file(config)
    for name, text in sorted(
        (os.environ if environment is None else environment).items()
    ):
        if name.startswith(PREFIX):
            _put(values, name.removeprefix(PREFIX).lower().split("__"), text)
    for name, value in (given or {}).items():
        if isinstance(value, dict):
            values[name] = {**values.get(name, {}), **value}
        elif value is not None:
            values[name] = value
    try:
        return ServerSettings.model_validate(values)
    except ValidationError as error:
        raise _explained(error) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"The settings {str(path)!r} cannot be read: {error}. Check the path."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"The settings {str(path)!r} are not TOML: {error}. See docs/serving.md."
        ) from error


def _put(values: dict[str, Any], path: list[str], text: str) -> None:
    """Set one value by the words of a variable, such as ``gate``, ``max_queue``."""
    *tables, name = path
    for table in tables:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            raise SettingsError(f"The setting {table!r} is no table of settings.")
        values = inner
    # Lists stand with commas.
    values[name] = text.split(",") if name in ("hosts", "origins") else text


def _explained(error: ValidationError) -> SettingsError | UnknownNameError:
    fault = error.errors()[0]
    place = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        model: Any = ServerSettings
        for part in fault["loc"][:-1]:
            model = model.model_fields[part].annotation
        return UnknownNameError("setting", str(fault["loc"][-1]), model.model_fields)
    value = str(fault["input"])[:100]
    return SettingsError(
        f"The setting {place} = {value!r} cannot be used: {fault['msg']}. "
        "See docs/serving.md."
    )
