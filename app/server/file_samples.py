"""The sample scenes on this machine, as files that everybody may see."""

from pathlib import Path, PurePosixPath

from rsvlm import assets
from rsvlm.app.server.file_table import StoredFile

#: Owner and purpose of the sample scenes.
EVERYBODY, SAMPLE = "", "sample"
#: What their ids begin with; the name of the scene follows.
PREFIX = "sample-"


def samples() -> tuple[StoredFile, ...]:
    """Return the sample scenes that have been fetched, in the order of the table.

    .. versionadded:: 0.2
    """
    found = (sample(name) for name in assets.table())
    return tuple(file for file in found if file is not None)


def sample(name: str) -> StoredFile | None:
    """Return a sample scene by name, None if there is none or it was not fetched."""
    asset = assets.table().get(name)
    if asset is None or asset.kind != "sample-image" or assets.cached(name) is None:
        return None
    return StoredFile(
        id=PREFIX + name,
        owner=EVERYBODY,
        name=name + PurePosixPath(asset.main).suffix,
        bytes=asset.files[0].size,
        created=0,
        expires=None,
        sha256=asset.files[0].sha256,
        purpose=SAMPLE,
    )


def sample_path(file: StoredFile) -> Path:
    """Return where a sample scene lies."""
    name = file.id.removeprefix(PREFIX)
    return (assets.cached(name) or Path()) / assets.get(name).main
