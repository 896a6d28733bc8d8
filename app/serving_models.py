"""The models of a server: in this process, behind a vLLM server of its own, or by URL."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rsvlm.app.build import build_assistant
from rsvlm.app.server.settings import ServerSettings
from rsvlm.assistant import Assistant
from rsvlm.errors import SettingsError


@dataclass(frozen=True)
class Models:
    """What answers, by the name that clients use, and the server it stands on.

    Attributes:
        assistants: Name -> assistant; the first is the default.
        ready: Whether the model can answer now.
        stop: Ends what was started for it.
    """

    assistants: Mapping[str, Assistant]
    ready: Callable[[], bool] = lambda: True
    stop: Callable[[], None] = lambda: None


def open_models(
    settings: ServerSettings, say: Callable[[str], None] = lambda line: None
) -> Models:
    """Load the model of the settings, or start the server that runs it.

    Args:
        settings: Which model, and what runs it.
        say: Called with a line on each step that takes long.

    Raises:
        SettingsError: If a setting cannot be used.
        RsvlmError: If the model cannot be loaded or its server does not start.
    """
    model, engine = settings.model or "tiny", settings.engine
    if settings.vllm.adapters and engine != "vllm":
        raise SettingsError("LoRA adapters are served by vLLM only: --engine vllm.")
    if engine == "vllm":
        return _on_vllm(settings, model, say)
    if "://" in engine and not settings.model:
        model, engine = engine, "local"  # a model of another's, alone
    assistant = build_assistant(
        model, settings.region_head, settings.knowledge, engine=engine
    )
    return Models({_name(settings, assistant): assistant})


def _on_vllm(
    settings: ServerSettings, model: str, say: Callable[[str], None]
) -> Models:
    from rsvlm.app.vllm_server import VllmServer
    from rsvlm.engines.remote import RemoteEngine
    from rsvlm.engines.remote_settings import read_settings
    from rsvlm.models.export import exported
    from rsvlm.models.precision import fast_dtype

    dtype: Any = settings.vllm.dtype or str(fast_dtype()).removeprefix("torch.")
    folder = exported(model, dtype, say)
    server = VllmServer(folder, settings.vllm, say=say)
    server.start()
    try:
        assistant = build_assistant(
            model, settings.region_head, settings.knowledge,
            engine=server.address, key=server.key,
        )  # fmt: skip
        found = {_name(settings, assistant): assistant}
        able = assistant.engine.capabilities
        for name in settings.vllm.adapters:
            asked = read_settings(server.adapter(name))
            engine = RemoteEngine(asked, server.key, capabilities=able)
            found[name] = replace(assistant, engine=engine)
    except BaseException:
        server.stop()
        raise
    return Models(found, lambda: server.ready, server.stop)


def _name(settings: ServerSettings, assistant: Assistant) -> str:
    return settings.name or assistant.engine.name.removeprefix("rsvlm-")
