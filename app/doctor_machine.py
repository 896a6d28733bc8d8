"""Checks of ``rsvlm doctor`` that concern the machine: Python, CPU, disk, files."""

import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path

import rsvlm
from rsvlm import assets
from rsvlm.app.doctor_check import Check
from rsvlm.errors import RsvlmError

FOLDERS = ("app", "data_engine", "eval", "retrieval")
TESTED = ((3, 11), (3, 13))  # oldest and newest version of Python in the tests
FREE = 1_000_000_000  # bytes that fetching and converting one asset may take

_CPUINFO = Path("/proc/cpuinfo")
_CGROUP = Path("/sys/fs/cgroup")


def python() -> Check:
    """Compare the version of Python with the tested ones."""
    version = sys.version_info[:2]
    found = f"{platform.python_version()} at {sys.executable}"
    if version < TESTED[0]:
        advice = "Install Python 3.11 or newer."
        return Check("python", "fault", found, advice)
    if version > TESTED[1]:
        advice = "Not tested yet; use Python 3.11 to 3.13 if something fails."
        return Check("python", "warn", found, advice)
    return Check("python", "ok", found)


def processor() -> Check:
    """Name the instructions that decide how fast bfloat16 runs."""
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return Check("processor", "ok", f"{platform.machine()}, instructions unknown")
    flags = next(
        (line for line in text.splitlines() if line.startswith(("flags", "Features"))),
        "",
    ).split()
    names = ("amx_bf16", "avx512_bf16", "bf16", "avx512f", "avx2", "asimd")
    have = [name for name in names if name in flags]
    fast = "with" if have and have[0].endswith("bf16") else "without"
    found = f"{fast} bfloat16 instructions ({', '.join(have) or 'no vector units'})"
    return Check("processor", "ok", found)


def cores() -> float:
    """Return the number of cores this process may use, as limits of cgroups count."""
    if hasattr(os, "sched_getaffinity"):
        count = float(len(os.sched_getaffinity(0)))
    else:
        count = float(os.cpu_count() or 1)
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (_CGROUP / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (_CGROUP / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return count
    try:
        limit = float(quota) / float(period)
    except (ValueError, ZeroDivisionError):  # "max": no limit
        return count
    return min(count, limit) if limit > 0 else count


def threads() -> Check:
    """Compare the number of threads with the cores that may be used."""
    count = max(round(cores()), 1)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    # What torch starts where nobody says otherwise: it does not know of cgroups.
    would = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else count
    found = f"{count} cores, OMP_NUM_THREADS is {asked or 'not set'}"
    used = int(asked) if asked.isdigit() else would
    if used > count:
        advice = f"More threads than cores slow everything: OMP_NUM_THREADS={count}."
        return Check("threads", "warn", found, advice)
    return Check("threads", "ok", found)


def cache() -> Check:
    """Try to write to the cache folder and see how much room it has."""
    try:
        folder = assets.cache_folder()
    except RsvlmError as error:
        return Check("cache", "fault", "no cache folder", str(error))
    place = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        advice = "Set RSVLM_CACHE to a folder that can be written."
        return Check("cache", "fault", f"{folder}: {error.strerror}", advice)
    free = shutil.disk_usage(place).free
    found = f"{folder}, {free / 1e9:.1f} GB free"
    if free < FREE:
        advice = "Free 1 GB there, or set RSVLM_CACHE to a folder on another disk."
        return Check("cache", "warn", found, advice)
    return Check("cache", "ok", found)


def fetched() -> Check:
    """Hash the default assets that are in the cache; the others are missing."""
    missing, damaged, good = [], [], []
    for name, asset in assets.table().items():
        if not asset.default:
            continue
        try:
            if assets.cached(name) is None:
                missing.append(name)
            else:
                assets.verify(name)
                good.append(name)
        except RsvlmError:
            damaged.append(name)
    advice = "Run: rsvlm assets fetch"
    if damaged:
        return Check("assets", "fault", f"damaged: {', '.join(damaged)}", advice)
    if missing:
        return Check("assets", "warn", f"not fetched: {', '.join(missing)}", advice)
    return Check("assets", "ok", f"{len(good)} verified")


def links(root: Path | None = None) -> Check:
    """Look for the links that make the folders beside rsvlm/ importable.

    Args:
        root: Folder that holds ``rsvlm``; by default where rsvlm was imported from.
    """
    root = root or Path(rsvlm.__file__).resolve().parents[1]
    if not (root / "pyproject.toml").is_file():
        return Check("links", "ok", "installed as a package")
    lost = [
        name
        for name in FOLDERS
        if (root / name).is_dir()
        and (root / "rsvlm" / name).resolve() != (root / name).resolve()
    ]
    if not lost:
        return Check("links", "ok", f"checkout at {root}")

    def relink() -> str:
        for name in lost:
            link = root / "rsvlm" / name
            if link.is_symlink() or link.is_file():
                link.unlink()  # git without links leaves a small text file
            link.symlink_to(Path("..") / name, target_is_directory=True)
        return f"Linked {', '.join(lost)} below {root / 'rsvlm'}."

    found = f"no link to {', '.join(lost)} below {root / 'rsvlm'}"
    advice = "Type checkers miss these folders; rsvlm doctor --fix restores the links."
    return Check("links", "warn", found, advice, relink)
