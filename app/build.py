"""Settings to an assistant: the only place that wires parts together."""

from rsvlm.assistant import Assistant
from rsvlm.errors import SettingsError
from rsvlm.models.checkpoint import find_checkpoint


def build_assistant(model: str = "tiny") -> Assistant:
    """Return an assistant for a checkpoint.

    Args:
        model: Name of a shipped checkpoint, or a checkpoint folder.

    Returns:
        Assistant with the local engine and, where the checkpoint has one, its region
        head on the same encoder.

    Raises:
        SettingsError: If ``model`` is a URL.
        CheckpointError: If there is no such checkpoint, or it is damaged.
        AssetError: If a frozen part cannot be fetched.
    """
    if "://" in model:
        raise SettingsError(
            f"The model {model!r} is a URL; this version runs local checkpoints only. "
            "Give a checkpoint folder or the name 'tiny'."
        )
    from rsvlm.engines.local import LocalEngine
    from rsvlm.models.finder import SETTINGS_FILE, RegionFinder

    folder = find_checkpoint(model)
    engine = LocalEngine(folder)
    finder = None
    if (folder / SETTINGS_FILE).is_file():
        finder = RegionFinder.load(folder, engine.encoder)
    return Assistant(engine, finder)
