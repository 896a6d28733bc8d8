import errno
import hashlib
import io
import os
import sys
import tarfile
import venv
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from rsvlm import wheels
from rsvlm.errors import AssetError
from rsvlm.wheels import SourceError, Wheel

BODY = bytes(range(256)) * 4000  # 1,024,000 bytes


def build_wheel(folder: Path, body: bytes) -> Path:
    """Write a minimal wheel of the package "tiny" that pip accepts."""
    path = folder / "tiny-1.0-py3-none-any.whl"
    members = {
        "tiny/w.bin": body,
        "tiny-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny\nVersion: 1.0",
        "tiny-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n",
        "tiny-1.0.dist-info/RECORD": b"tiny/w.bin,,\n",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its whole index."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def tiny(index: Path) -> Wheel:
    body = build_wheel(index, BODY).read_bytes()
    return Wheel("tiny", "1.0", hashlib.sha256(body).hexdigest(), len(body), "tiny")


def refusal(wheel: Wheel, folder: Path) -> str:
    """The one line with which a download is refused."""
    folder.mkdir()
    with pytest.raises(AssetError) as caught:
        wheels.download(wheel, folder, lambda done: None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_wheel_comes_as_it_is(
    tiny: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file of this name in the working folder would run in place of pip.
    (tmp_path / "pip.py").write_text("raise SystemExit('wrong pip')")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "work").mkdir()
    steps: list[int] = []
    path = wheels.download(tiny, tmp_path / "work", steps.append)
    assert wheels.sha256(path) == tiny.sha256
    assert steps[-1] == tiny.size
    assert steps == sorted(steps)


def test_another_wheel_of_that_name_is_refused(
    tiny: Wheel, index: Path, tmp_path: Path
) -> None:
    build_wheel(index, b"\xff" + BODY[1:])
    message = refusal(tiny, tmp_path / "work")
    assert "tiny-1.0-py3-none-any.whl is not the expected file: sha256" in message


def test_a_short_download_is_refused(tiny: Wheel, index: Path, tmp_path: Path) -> None:
    build_wheel(index, BODY[:1000])
    assert "0.0 MB long instead of 1.0 MB" in refusal(tiny, tmp_path / "work")


def test_a_torn_wheel_is_refused(tiny: Wheel, index: Path, tmp_path: Path) -> None:
    path = index / "tiny-1.0-py3-none-any.whl"
    path.write_bytes(path.read_bytes()[:5000])
    assert "tiny" in refusal(tiny, tmp_path / "work")


def test_a_source_package_does_not_serve(
    tiny: Wheel, index: Path, tmp_path: Path
) -> None:
    (index / "tiny-1.0-py3-none-any.whl").unlink()
    (index / "tiny-1.0.tar.gz").write_bytes(b"its set-up would run")
    message = refusal(tiny, tmp_path / "work")
    assert "pip could not fetch tiny==1.0: No matching distribution" in message


def test_an_environment_without_pip(
    tiny: Wheel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=os.name != "nt")
    binary = "Scripts/python.exe" if os.name == "nt" else "bin/python"
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bare" / binary))
    assert "has no pip" in refusal(tiny, tmp_path / "work")


def test_an_index_that_cannot_be_reached() -> None:
    text = (
        "WARNING: Retrying (Retry(total=0)) after connection broken by "
        "'NewConnectionError: [Errno -2] Temporary failure in name resolution'\n"
        "ERROR: Could not find a version that satisfies the requirement a==1\n"
        "ERROR: No matching distribution found for a==1\n"
    )
    message = str(wheels._client_error(Wheel("a", "1", "", 1, ""), text))
    assert message.startswith("The package index could not be reached for a==1 (No ")


def test_pip_on_a_full_disk() -> None:
    text = "ERROR: Could not install packages due to an OSError: [Errno 28] No space"
    error = wheels._client_error(Wheel("a", "1", "", 1, ""), text)
    assert isinstance(error, OSError)
    assert error.errno == errno.ENOSPC


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    (tmp_path / "a.whl").write_bytes(b"no archive")
    with (
        pytest.raises(SourceError, match=r"a\.whl cannot be unpacked"),
        wheels.opened(tmp_path / "a.whl"),
    ):
        pass


def test_no_more_than_one_byte_too_many_is_written(index: Path, tmp_path: Path) -> None:
    with wheels.opened(build_wheel(index, BODY)) as archive:
        output = tmp_path / "w.bin"
        wheels.extract(archive, "tiny/w.bin", output, 10, lambda done: None)
        assert output.stat().st_size == 11


NPM = """#!{python}
import shutil, sys
assert sys.argv[1] == "pack" and sys.argv[2] == "tiny@1.0", sys.argv
assert "--ignore-scripts" in sys.argv
{body}
shutil.copy({source!r}, sys.argv[-1])
"""


@pytest.fixture
def npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An npm that has one package; returns the folder of the program."""
    package = tmp_path / "tiny-1.0.tgz"
    with tarfile.open(package, "w:gz") as archive:
        for name, body in {"package/a/w.js": BODY, "package/LICENSE": b"Free."}.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            archive.addfile(member, io.BytesIO(body))
    folder = tmp_path / "programs"
    folder.mkdir()
    program(folder, package)
    monkeypatch.setenv("PATH", str(folder))
    return folder


def program(folder: Path, package: Path, body: str = "") -> None:
    text = NPM.format(python=sys.executable, body=body, source=str(package))
    (folder / "npm").write_text(text)
    (folder / "npm").chmod(0o755)


@pytest.fixture
def script(npm: Path) -> Wheel:
    body = (npm.parent / "tiny-1.0.tgz").read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    return Wheel("tiny", "1.0", digest, len(body), "package/a", "npm")


def test_a_package_of_npm_reads_like_a_wheel(script: Wheel, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    steps: list[int] = []
    path = wheels.download(script, tmp_path / "work", steps.append)
    assert max(steps) == script.size
    with wheels.opened(path) as archive:
        out = tmp_path / "w.js"
        found = wheels.extract(archive, "package/a/w.js", out, len(BODY), steps.append)
        assert found == hashlib.sha256(BODY).hexdigest()
        assert "Free." in wheels.licences(archive)


def test_another_package_of_npm_is_refused(script: Wheel, tmp_path: Path) -> None:
    other = replace(script, sha256="0" * 64)
    message = refusal(other, tmp_path / "work")
    assert "not the expected file" in message
    assert "npm config list" in message


def test_npm_that_is_missing_or_fails(
    script: Wheel, npm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = 'sys.exit("npm error code ENOTFOUND\\nnpm error network no way")'
    program(npm, tmp_path, lost)
    message = refusal(script, tmp_path / "lost")
    assert message.startswith(
        "The package index could not be reached for tiny@1.0 (npm"
    )
    program(npm, tmp_path, 'sys.exit("npm error code E404\\nnpm error 404 none")')
    assert "npm could not fetch tiny@1.0: npm error code E404" in refusal(
        script, tmp_path / "none"
    )
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "There is no npm, which fetches tiny@1.0" in refusal(script, tmp_path / "no")
