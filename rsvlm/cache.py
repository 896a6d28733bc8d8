"""Where fetched and converted files are kept, and how they get there safely.

Caches outlive a run and are shared by processes: a file in them is complete or
absent, and whoever makes an expensive one holds a lock meanwhile.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

from rsvlm.errors import AssetError


def cache_folder() -> Path:
    """Return the folder that holds fetched assets; it need not exist yet.

    ``RSVLM_CACHE`` decides, then ``XDG_CACHE_HOME``, then the custom of the system.

    Raises:
        AssetError: If no variable is set and the user has no home folder.
    """
    if own := os.environ.get("RSVLM_CACHE"):
        return Path(own).expanduser().absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if xdg.is_absolute():  # the XDG standard says to ignore relative paths
        return xdg / "rsvlm"
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            base = Path(local) if local else Path.home() / "AppData" / "Local"
            return base / "rsvlm" / "Cache"
        if sys.platform == "darwin":
            return Path.home() / "Library" / "Caches" / "rsvlm"
        return Path.home() / ".cache" / "rsvlm"
    except RuntimeError as error:
        raise AssetError(
            "This user has no home folder to cache assets in. "
            "Set RSVLM_CACHE to a folder that can be written."
        ) from error


@contextmanager
def lock(path: Path) -> Iterator[bool]:
    """Hold a lock that ends with the process, waiting for it if need be.

    Args:
        path: An empty file that marks the lock; it stays afterwards.

    Yields:
        Whether there is a lock: some systems and network disks have none.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        except OSError:  # some network file systems have no locks
            held = False
        yield held


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Yield what to write a file to that is never seen half-written, crash or not.

    What stood at ``path`` stays if an error comes between.
    """
    draft = path.with_name(f".{path.name}-{uuid4().hex}")
    try:
        with draft.open("xb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write a JSON file that is never seen half-written, not even after a crash."""
    with replacing(path) as handle:
        handle.write(json.dumps(record, indent=1).encode())
