"""Settings to an assistant: the only place that wires parts together.

The parts are imported where they are needed: a served model needs no torch.
"""

from rsvlm.assistant import Assistant


def build_assistant(model: str = "tiny") -> Assistant:
    """Return an assistant for a checkpoint or a served model.

    Args:
        model: Name of a shipped checkpoint, a checkpoint folder, or ``URL#NAME`` of a
            model behind an OpenAI-compatible server.

    Returns:
        For a checkpoint: the local engine and, where the checkpoint has them, its
        region head and its aligned encoders on the same trunks. For a served model: that model alone, so that
        what it says is what one reads.

    Raises:
        SettingsError: If a URL is none, or its settings cannot be used.
        UnknownNameError: If there is no such setting or dialect.
        MissingExtraError: If the client for servers is not installed.
        EngineError: If the URL names no model and the server does not answer.
        CheckpointError: If there is no such checkpoint, or it is damaged.
        AssetError: If a frozen part cannot be fetched.
    """
    if "://" in model:
        return _served(model)
    from rsvlm.engines.local import LocalEngine
    from rsvlm.models import aligned_files
    from rsvlm.models.checkpoint import find_checkpoint
    from rsvlm.models.finder import SETTINGS_FILE, RegionFinder

    folder = find_checkpoint(model)
    engine = LocalEngine(folder)
    finder = scenes = None
    if (folder / SETTINGS_FILE).is_file():
        finder = RegionFinder.load(folder, engine.encoder)
    if (folder / aligned_files.SETTINGS_FILE).is_file():
        from rsvlm.models.aligned import AlignedEncoder

        scenes = AlignedEncoder.load(folder, engine.encoders)
    return Assistant(engine, finder, scenes=scenes)


def _served(model: str) -> Assistant:
    from rsvlm.engines.remote import RemoteEngine
    from rsvlm.engines.remote_settings import read_settings

    return Assistant(RemoteEngine(read_settings(model)))
