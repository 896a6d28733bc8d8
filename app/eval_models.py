"""From what is given as ``--model`` to an asker."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from rsvlm.cache import cache_folder
from rsvlm.engines.base import Engine
from rsvlm.errors import SettingsError
from rsvlm.eval.asking import Asker, AssistantAsker, ModelAsker
from rsvlm.eval.benchmark import Coords
from rsvlm.eval.boxes_text import parse_coords
from rsvlm.eval.records import Prediction
from rsvlm.eval.replay import EchoAsker, ReplayAsker
from rsvlm.eval.response_cache import CachedEngine, ResponseCache
from rsvlm.eval.store import read_predictions

if TYPE_CHECKING:
    from rsvlm.embedding import Embedder
    from rsvlm.eval.encoder_asker import EncoderAsker

Through = Literal["auto", "assistant", "model"]
REPLAY = "replay:"
ENCODER = "encoder:"


def build_asker(
    model: str,
    *,
    through: Through = "auto",
    coords: str | None = None,
    least: float | None = None,
    timeout_s: float | None = None,
    retries: int | None = None,
    concurrency: int | None = None,
    cache: bool = True,
) -> Asker:
    """Return who is asked.

    Args:
        model: Shipped checkpoint, checkpoint folder, ``URL#NAME``, ``replay:FILE``,
            ``echo``, or ``encoder:`` and a checkpoint or ``ARCH:FILE`` of open_clip,
            which asks the encoders alone.
        through: ``assistant`` asks as a user does; ``model`` sends the benchmark's own
            prompt and reads the text; ``auto``: an assistant for checkpoints of ours,
            the model by itself for a URL.
        coords: In which numbers the model writes boxes, ``SPACE[:BOX[:ANGLE]]``.
        least: Confidence from which candidates of the region head count when detecting.
        timeout_s: Time that a reply may take; of a served model, each try of it.
        retries: Tries of a served model after a failed one.
        concurrency: Requests to a served model at a time.
        cache: Keep the replies of a remote model, and the vectors of encoders.

    Raises:
        SettingsError: If the options do not fit the model.
        CheckpointError: If there is no such checkpoint.
    """
    numbers = parse_coords(coords) if coords else None
    if model == "echo":
        return EchoAsker()
    if model.startswith(REPLAY):
        replies = read_replies(Path(model.removeprefix(REPLAY)))
        return ReplayAsker(replies, model, numbers)
    if model.startswith(ENCODER):
        if coords is not None or least is not None or through != "auto":
            raise SettingsError(
                f"{model} is asked without a language model; --through, --coords and "
                "--least have no meaning for it. Leave them out."
            )
        return _encoder(model, cache)
    from rsvlm.app.build import build_assistant

    own = {"timeout": timeout_s, "retries": retries, "concurrency": concurrency}
    assistant = build_assistant(with_settings(model, own))
    is_remote = assistant.engine.kind == "remote"
    if is_remote and cache:
        assistant = replace(assistant, engine=cached(assistant.engine, model))
    way = through if through != "auto" else "model" if is_remote else "assistant"
    # A remote engine keeps the time itself; a deadline between two tokens would need
    # streaming, which some servers do without token counts.
    limit = None if is_remote else timeout_s
    if way == "model":
        return _model(assistant.engine, model, numbers, limit, is_remote)
    if numbers is not None:
        raise SettingsError(
            f"An assistant reads its own boxes; --coords {coords} has no meaning for "
            "it. Add --through model to measure the text of the model itself."
        )
    return AssistantAsker(assistant, model, least, limit, is_remote)


def _encoder(model: str, cache: bool) -> "EncoderAsker":
    from rsvlm.eval.encoder_asker import EncoderAsker
    from rsvlm.eval.vector_cache import VectorCache
    from rsvlm.models.precision import fast_dtype

    embedder = load_embedder(model.removeprefix(ENCODER))
    return EncoderAsker(
        embedder,
        # Its name has no folder of this machine in it, the one of a file may.
        f"{ENCODER}{embedder.name}" if _is_published(model) else model,
        VectorCache(cache_folder() / "eval" / "vectors.sqlite") if cache else None,
        f"{fast_dtype()} {_code()}",
        say=lambda line: click.echo(line, err=True),
    )


def load_embedder(name: str) -> "Embedder":
    """Return encoders by the name of a checkpoint, or by ``ARCH:FILE`` of open_clip.

    Raises:
        SettingsError: If there is no name.
        CheckpointError: If there is no such checkpoint or file, or it has no encoders
            that share a space with texts.
    """
    if not name:
        raise SettingsError(
            f"Nothing stands behind {ENCODER!r}. Name a checkpoint (encoder:tiny), or "
            "architecture and file (encoder:ViT-L-14:RemoteCLIP-ViT-L-14.pt)."
        )
    if _is_published(f"{ENCODER}{name}"):
        from rsvlm.models.published import PublishedEncoder

        return PublishedEncoder.load(name)
    from rsvlm.models.aligned import AlignedEncoder

    return AlignedEncoder.load(_encoder_folder(name))


def _encoder_folder(name: str) -> Path:
    """Return a folder with aligned encoders; it needs no language model beside them."""
    from rsvlm.models.aligned import SETTINGS_FILE
    from rsvlm.models.checkpoint import find_checkpoint

    folder = Path(name)
    return folder if (folder / SETTINGS_FILE).is_file() else find_checkpoint(name)


def _is_published(model: str) -> bool:
    """Whether a file of open_clip is named; a folder may hold a colon, too."""
    name = model.removeprefix(ENCODER)
    return ":" in name and not Path(name).is_dir()


def _code() -> str:
    """Return a hash of the code that makes vectors, so that none outlives it."""
    from rsvlm import models

    key = sha256()
    for file in sorted(Path(models.__file__).parent.glob("*.py")):
        key.update(file.read_bytes())
    return key.hexdigest()[:12]


def _model(
    engine: Engine,
    spec: str,
    numbers: Coords | None,
    timeout_s: float | None,
    is_remote: bool,
) -> ModelAsker:
    from rsvlm.dialects import get_dialect

    codec = get_dialect(engine.capabilities.dialect)
    return ModelAsker(engine, spec, numbers, codec, timeout_s, is_remote)


def with_settings(model: str, own: Mapping[str, float | None]) -> str:
    """Return a ``URL#NAME`` with settings in its query; what stands there stays.

    >>> with_settings("http://h/v1#m", {"timeout": 9.0, "retries": None})
    'http://h/v1?timeout=9#m'
    """
    if "://" not in model:
        return model
    address, mark, name = model.partition("#")
    base, _, query = address.partition("?")
    there = {part.partition("=")[0] for part in query.split("&")}
    added = [
        f"{key}={value:g}"
        for key, value in own.items()
        if value is not None and key not in there
    ]
    whole = "&".join([part for part in query.split("&") if part] + added)
    return f"{base}?{whole}{mark}{name}" if whole else model


def cached(engine: Engine, spec: str) -> Engine:
    """Return an engine whose replies are kept in the user's cache."""
    path = cache_folder() / "eval" / "responses.sqlite"
    return CachedEngine(engine, ResponseCache(path), spec)


def read_replies(path: Path) -> dict[str, Prediction]:
    """Return the replies of a predictions file, or of all benchmarks of a run.

    Raises:
        SettingsError: If there is no such file.
        ParseError: If a line is no prediction.
    """
    files = [path]
    if path.is_dir():
        files = sorted(
            [*path.glob("predictions.jsonl"), *path.glob("*/predictions.jsonl")]
        )
    replies: dict[str, Prediction] = {}
    for file in files:
        replies |= read_predictions(file)
    if not replies:
        raise SettingsError(
            f"There are no replies in {str(path)!r}. Give a predictions.jsonl, or the "
            "folder of a run."
        )
    return replies


def checkpoint_of(model: str) -> Path | None:
    """Return the folder of a checkpoint; None for anything else that is asked."""
    if model == "echo" or model.startswith(REPLAY) or "://" in model:
        return None
    if model.startswith(ENCODER):
        if _is_published(model) or model == ENCODER:
            return None
        return _encoder_folder(model.removeprefix(ENCODER))
    from rsvlm.models.checkpoint import find_checkpoint

    return find_checkpoint(model)
