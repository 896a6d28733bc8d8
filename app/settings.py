"""Folders that a user may set."""

import os
from pathlib import Path


def data_folder(given: str | None = None) -> Path:
    """Return the folder of the source data sets.

    The first of: the argument, the environment variable ``RSVLM_DATA``,
    ``../shared/data`` beside the working folder.
    """
    return Path(given or os.environ.get("RSVLM_DATA") or "../shared/data")
