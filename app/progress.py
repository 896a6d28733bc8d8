"""Progress bars on stderr, quiet where stderr is no terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def asset_progress() -> Iterator[None]:
    """Fetch the default models first, with a bar; nothing where they are cached."""
    from rsvlm import assets
    from rsvlm.models.bases import CONVERTERS

    missing = [name for name in CONVERTERS if assets.cached(name) is None]
    if missing:
        fetch_all(missing)
    yield


def fetch_all(names: Sequence[str]) -> None:
    """Fetch assets one by one with a progress bar.

    Raises:
        AssetError: If one of them cannot be fetched or verified.
        UnknownNameError: If there is no such asset.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from rsvlm import assets

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        for name in names:
            if not console.is_terminal:
                console.print(f"fetching {name}", highlight=False)
            line = bar.add_task(name, total=None)

            def show(done: int, total: int, line: object = line) -> None:
                bar.update(line, completed=done, total=total)  # type: ignore[arg-type]

            assets.fetch(name, show)
