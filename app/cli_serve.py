"""``rsvlm serve``: the OpenAI-compatible API, the chat page and the viewer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click


def serving_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that starts the server."""
    options: tuple[Callable[..., Any], ...] = (
        click.option("--host", help="Address to listen on.  [default: 127.0.0.1]"),
        click.option("--port", type=click.IntRange(0, 65535), help="[default: 8000]"),
        click.option("--engine", metavar="local|vllm|URL",
                     help="What runs the model: this process, a vLLM server that is "
                     "started, or an OpenAI-compatible server.  [default: local]"),
        click.option("--model", metavar="PATH",
                     help="Shipped checkpoint, checkpoint folder, or URL#NAME.  "
                     "[default: tiny, or what the server of --engine URL serves]"),
        click.option("--knowledge", metavar="DIR",
                     help="Knowledge base to cite (rsvlm knowledge build)."),
        click.option("--data", type=click.Path(file_okay=False, path_type=Path),
                     help="Folder of uploads, conversations and batches."),
        click.option("--config", type=click.Path(dir_okay=False, path_type=Path),
                     help="Settings in TOML; see docs/serving.md."),
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@serving_options
@click.option("--name", help="Name that clients use.  [default: the model's]")
@click.option(
    "--adapter", "adapters", multiple=True, metavar="NAME=DIR",
    help="LoRA adapter to serve by name, with --engine vllm; may be repeated.",
)  # fmt: skip
@click.option("--tensor-parallel", type=int, help="GPUs of a copy, with --engine vllm.")
@click.option("--data-parallel", type=int, help="Copies, with --engine vllm.")
@click.option(
    "--region-head", metavar="sam2:PATH",
    help="Draw outlines with a SAM 2 checkpoint.",
)  # fmt: skip
@click.option(
    "--keys", type=click.Path(dir_okay=False, path_type=Path),
    help="File of API keys (rsvlm keys add).",
)  # fmt: skip
@click.option("--page/--no-page", default=None, help="Serve the chat page at /chat.")
def serve(
    config: Path | None,
    adapters: tuple[str, ...],
    tensor_parallel: int | None,
    data_parallel: int | None,
    **given: Any,
) -> None:
    """Serve the API of OpenAI, the chat page and the viewer.

    Other machines may use it with an API key only (rsvlm keys add). It listens until
    it gets SIGTERM or Ctrl-C, and then ends what it has begun.
    """
    from rsvlm.app.progress import asset_progress
    from rsvlm.app.server.settings import read_settings
    from rsvlm.errors import MissingExtraError

    try:
        from rsvlm.app.serving import build_server
    except ImportError as error:
        if (error.name or "").partition(".")[0] in _NEEDED:
            raise MissingExtraError(str(error.name), "serve") from error
        raise
    vllm = {
        "adapters": _named(adapters),
        "tensor_parallel": tensor_parallel,
        "data_parallel": data_parallel,
    }
    given["vllm"] = {name: value for name, value in vllm.items() if value is not None}
    settings = read_settings(config, given=given)
    with asset_progress():
        server = build_server(settings, say=lambda line: click.echo(line, err=True))
    address = f"http://{settings.host}:{settings.port}"
    click.echo(f"rsvlm serves {address}/v1 (documentation: {address}/docs)", err=True)
    server.run()


_NEEDED = ("fastapi", "uvicorn", "python_multipart", "prometheus_client", "jsonschema")


def _named(adapters: tuple[str, ...]) -> dict[str, str] | None:
    found = {}
    for text in adapters:
        name, mark, folder = text.partition("=")
        if not (name and mark and folder):
            raise click.BadParameter(
                f"{text!r} is not NAME=DIR", param_hint="--adapter"
            )
        found[name] = folder
    return found or None
