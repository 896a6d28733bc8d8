"""Settings to an assistant: the only place that wires parts together.

The parts are imported where they are needed: a served model needs no torch.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rsvlm.assistant import Assistant
from rsvlm.embedding import Embedder
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError
from rsvlm.findings import Finder
from rsvlm.knowing import Knowledge

if TYPE_CHECKING:
    from torch import nn


def build_assistant(
    model: str = "tiny",
    region_head: str = "",
    knowledge: str = "",
    engine: str = "local",
    key: str | None = None,
) -> Assistant:
    """Return an assistant for a checkpoint or a served model.

    Args:
        model: Name of a shipped checkpoint, a checkpoint folder, or ``URL#NAME`` of a
            model behind an OpenAI-compatible server.
        region_head: ``sam2:PATH`` has SAM 2 draw the outlines of what is found; "" is
            the head of the checkpoint alone.
        knowledge: Folder of ``rsvlm knowledge build``; "" is none.
        engine: Where the language model of a checkpoint runs: ``"local"``, or
            ``URL#NAME`` of a server that serves this checkpoint, such as
            :attr:`rsvlm.app.vllm_server.VllmServer.address`.
        key: Key of that server; by default from the environment.

    Returns:
        For a checkpoint: the engine and, where the checkpoint has them, its region head
        and its aligned encoders on the same trunks; these run here, whatever runs the
        language model. For a served model: that model alone, so that what it says is
        what one reads.

    Raises:
        SettingsError: If a URL is none, or its settings cannot be used.
        UnknownNameError: If there is no such setting or dialect.
        MissingExtraError: If the client for servers is not installed.
        EngineError: If the URL names no model and the server does not answer.
        CheckpointError: If there is no such checkpoint, or it is damaged.
        KnowledgeError: If there is no knowledge base, or it is damaged.
        AssetError: If a frozen part cannot be fetched.
    """
    if "://" in model:
        if engine != "local":
            raise SettingsError(
                f"The model {model!r} is served already. Give a checkpoint with the "
                "engine, or leave the engine out."
            )
        assistant = _served(model, key)
        return replace(
            assistant,
            finder=_outlined(region_head, None),
            retriever=_informed(knowledge, None),
        )
    from rsvlm.models.checkpoint import find_checkpoint

    folder = find_checkpoint(model)
    if engine == "local":
        from rsvlm.engines.local import LocalEngine

        local = LocalEngine(folder)
        return _around(local, local.encoders, folder, region_head, knowledge)
    if "://" not in engine:
        raise SettingsError(
            f"There is no engine {engine!r} here. Write local, or the URL#NAME of a "
            "server of this checkpoint."
        )
    return _elsewhere(engine, key, folder, region_head, knowledge)


def _elsewhere(
    engine: str, key: str | None, folder: Path, region_head: str, knowledge: str
) -> Assistant:
    """Return an assistant for a checkpoint whose language model is served."""
    from rsvlm.engines.ours import capabilities_of, load_encoders
    from rsvlm.engines.remote import RemoteEngine
    from rsvlm.engines.remote_settings import read_settings
    from rsvlm.models.checkpoint import load_config

    known = capabilities_of(load_config(folder))
    remote = RemoteEngine(read_settings(engine), key, capabilities=known)
    return _around(remote, load_encoders(folder), folder, region_head, knowledge)


def _around(
    engine: Engine,
    encoders: "dict[str, nn.Module]",
    folder: Path,
    region_head: str,
    knowledge: str,
) -> Assistant:
    """Return an assistant with the parts of a checkpoint around an engine.

    Args:
        engine: What runs its language model.
        encoders: Sensor -> encoder, which the parts share.
        folder: The checkpoint.
        region_head: As of :func:`build_assistant`.
        knowledge: As of :func:`build_assistant`.
    """
    from rsvlm.app.zooming import scans_of, zoom_policies
    from rsvlm.models import aligned_files
    from rsvlm.models.finder import SETTINGS_FILE, RegionFinder

    finder = scenes = None
    if (folder / SETTINGS_FILE).is_file():
        finder = RegionFinder.load(folder, encoders["optical"])
    if (folder / aligned_files.SETTINGS_FILE).is_file():
        from rsvlm.models.aligned import AlignedEncoder

        scenes = AlignedEncoder.load(folder, encoders)
    head = _outlined(region_head, finder)
    scans = scans_of(head)
    zooms = zoom_policies(engine, scenes, head, folder, scans)
    known = _informed(knowledge, scenes)
    return Assistant(engine, head, known, scenes=scenes, zooms=zooms, scans=scans)


def _informed(folder: str, embedder: Embedder | None) -> Knowledge | None:
    """Return the retriever of a knowledge base, where one is named."""
    if not folder:
        return None
    from rsvlm.retrieval.wiring import open_retriever

    return open_retriever(folder, embedder=embedder)


def _outlined(region_head: str, finder: Finder | None) -> Finder | None:
    """Return a finder with the outlines of another head, where one is named.

    Raises:
        SettingsError: If there is no such kind of head.
    """
    if not region_head:
        return finder
    kind, _, path = region_head.partition(":")
    if kind != "sam2" or not path:
        raise SettingsError(
            f"There is no region head {region_head!r}. Write sam2:PATH, with the folder "
            "of a SAM 2 checkpoint, or leave it out."
        )
    from rsvlm.models.sam2 import Sam2Finder

    return Sam2Finder.load(Path(path), finder)


def _served(model: str, key: str | None) -> Assistant:
    from rsvlm.app.zooming import zoom_policies
    from rsvlm.engines.remote import RemoteEngine
    from rsvlm.engines.remote_settings import read_settings

    engine = RemoteEngine(read_settings(model), key)
    return Assistant(engine, zooms=zoom_policies(engine))
