import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rsvlm import torchvision_cpu

#: A torch that knows only how to declare operators, and says which.
TORCH = """
declared = []

class Library:
    def __init__(self, namespace, kind):
        assert (namespace, kind) == ("torchvision", "FRAGMENT")

    def define(self, schema):
        name = schema.split("(")[0]
        if name in declared:
            raise RuntimeError("declared twice")
        declared.append(name)

class library:
    Library = Library
"""

#: Like the real one, it describes operators that nobody may have declared.
META = """
import torch
from torchvision import extension
if "nms" not in torch.declared and not extension._has_ops():
    raise RuntimeError("operator torchvision::nms does not exist")
"""


@pytest.fixture
def fakes(tmp_path: Path) -> Path:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(TORCH)
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(
        "from torchvision import extension\nfrom torchvision import _meta_registrations"
    )
    (tmp_path / "torchvision" / "extension.py").write_text("_has_ops = lambda: False")
    (tmp_path / "torchvision" / "_meta_registrations.py").write_text(META)
    return tmp_path


def run(folder: Path, code: str) -> str:
    """Run code with the fakes, and the file under test, as the only packages."""
    shutil.copy(torchvision_cpu.__file__, folder / "hook.py")
    done = subprocess.run(
        [
            sys.executable,
            "-S",  # without site-packages, hence without hooks that lie there
            "-c",
            f"import sys; sys.path.insert(0, {str(folder)!r})\n{code}",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = (done.stdout or done.stderr).strip().splitlines()
    return lines[-1] if lines else ""


def test_the_fake_fails_like_the_real_one(fakes: Path) -> None:
    assert run(fakes, "import torchvision") == (
        "RuntimeError: operator torchvision::nms does not exist"
    )


def test_operators_are_declared_on_import(fakes: Path) -> None:
    code = (
        "import hook; hook.install(); import torchvision, torch; print(torch.declared)"
    )
    assert run(fakes, code) == "['nms', 'qnms']"


def test_install_imports_nothing(fakes: Path) -> None:
    code = (
        "import hook; before = set(sys.modules); hook.install();"
        "print(set(sys.modules) - before)"
    )
    assert run(fakes, code) == "set()"


def test_nothing_is_declared_where_the_operators_load(fakes: Path) -> None:
    (fakes / "torchvision" / "extension.py").write_text("_has_ops = lambda: True")
    code = (
        "import hook; hook.install(); import torchvision, torch; print(torch.declared)"
    )
    assert run(fakes, code) == "[]"


def test_a_second_hook_does_no_harm(fakes: Path) -> None:
    shutil.copy(torchvision_cpu.__file__, fakes / "other.py")
    code = (
        "import hook, other; hook.install(); hook.install(); other.install();"
        "print(sum('Torchvision' in getattr(f, '__name__', '') for f in sys.meta_path))"
    )
    assert run(fakes, code) == "1"
    code = (
        "import hook, other; sys.meta_path[:0] = [other.TorchvisionCpuFinder,"
        "hook.TorchvisionCpuFinder]; import torchvision; print('fine')"
    )
    assert run(fakes, code) == "fine"


def test_the_real_torchvision_imports(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    shutil.copy(torchvision_cpu.__file__, tmp_path / "hook.py")
    folders = [path for path in sys.path if "site-packages" in path]
    code = (
        f"sys.path += {folders!r}\n"
        "import hook; hook.install(); import torchvision.transforms.v2; print('fine')"
    )
    last = run(tmp_path, code)
    if "No module named 'torchvision'" in last:
        pytest.skip("torchvision is not installed")
    assert last == "fine"
