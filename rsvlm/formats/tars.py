"""Files of an uncompressed tar, read in place by their names."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from rsvlm.errors import ParseError


def read_tar(path: Path, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the named files of a tar, in the order of the names.

    Raises:
        ParseError: If it is no tar, or lacks a file.
    """
    try:
        with tarfile.open(path, "r:") as tar:
            members = {member.name: member for member in tar if member.isfile()}
            for name in names:
                file = tar.extractfile(members[name]) if name in members else None
                if file is None:
                    raise ParseError(
                        f"{path.name} has no file {name!r}, which the labels name. "
                        "Fetch the tar and the labels again."
                    )
                yield name, file.read()
    except (OSError, tarfile.TarError) as error:
        raise ParseError(
            f"{path.name} is no readable tar ({error}). Fetch the file again."
        ) from None
