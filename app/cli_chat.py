"""``rsvlm chat``: the chat page on this machine."""

from pathlib import Path
from typing import Any

import click

from rsvlm.app.cli_serve import serving_options


@click.command()
@serving_options
def chat(config: Path | None, **given: Any) -> None:
    """Ask about images in the browser.

    It is the server of rsvlm serve, API included, on sample scenes or your own images.
    The address of the page is printed; Ctrl-C ends it.
    """
    from rsvlm.app.progress import asset_progress, fetch_all
    from rsvlm.app.server.settings import read_settings
    from rsvlm.errors import AssetError, MissingExtraError

    try:
        import gradio  # noqa: F401

        from rsvlm.app.serving import build_server
    except ImportError as error:
        raise MissingExtraError(error.name or "gradio", "chat") from error
    from rsvlm import assets

    settings = read_settings(config, given=given | {"page": True})
    scenes = [a.name for a in assets.table().values() if _is_shown(a)]
    try:
        fetch_all([name for name in scenes if not assets.cached(name)])
    except AssetError as error:  # the page works without them
        click.echo(f"Not all sample scenes are here: {error}", err=True)
    with asset_progress():
        server = build_server(settings, say=lambda line: click.echo(line, err=True))
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    click.echo(f"Open http://{host}:{settings.port}/chat in a browser (Ctrl-C ends).")
    server.run()


def _is_shown(asset: Any) -> bool:
    return bool(asset.kind == "sample-image" and asset.default)
