"""Nothing in the project runs code out of a file that it reads.

ruff's S301 sees calls of ``pickle.loads`` and its kin; this test sees the rest.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("rsvlm", "data_engine", "retrieval", "eval", "app", "benchmarks")
#: Modules that run code while they read a file.
RUNS_CODE = frozenset({"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib",
                       "shelve", "marshal"})  # fmt: skip
#: The reader of RRSIS-D's references, whose class resolution refuses every name.
MAY_IMPORT = {"rsvlm/formats/unpickle.py"}
#: Keyword -> the value that makes a loader run code.
UNSAFE = {
    "weights_only": False, "allow_pickle": True, "trust_remote_code": True,
    "allow_dangerous_deserialization": True, "use_safetensors": False,
}  # fmt: skip


def faults(source: str, name: str = "x.py") -> Iterator[str]:
    """Yield what a module does that might run code out of a file."""
    for node in ast.walk(ast.parse(source)):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        for module in modules:
            if module.split(".")[0] in RUNS_CODE and name not in MAY_IMPORT:
                yield f"{name} imports {module}"
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            value = keyword.value
            if keyword.arg in UNSAFE and not (
                isinstance(value, ast.Constant) and value.value != UNSAFE[keyword.arg]
            ):
                yield f"{name}:{node.lineno} passes {keyword.arg} that may be unsafe"
        called = _name(node.func)
        given = {keyword.arg for keyword in node.keywords}
        if called == "torch.load" and "weights_only" not in given:
            yield f"{name}:{node.lineno} calls torch.load without weights_only=True"
        if called in (
            "yaml.load",
            "yaml.unsafe_load",
            "yaml.full_load",
            "eval",
            "exec",
        ):
            yield f"{name}:{node.lineno} calls {called}"
        if any(
            keyword.arg == "shell" and ast.unparse(keyword.value) != "False"
            for keyword in node.keywords
        ):
            yield f"{name}:{node.lineno} starts a shell"


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return f"{function.value.id}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""


def sources() -> dict[str, str]:
    found = {}
    for folder in FOLDERS:
        for path in (ROOT / folder).rglob("*.py"):
            name = path.relative_to(ROOT).as_posix()
            linked = name.split("/")[:2]
            if linked[0] == "rsvlm" and (ROOT / "rsvlm" / linked[1]).is_symlink():
                continue
            found[name] = path.read_text(encoding="utf-8")
    return found


def test_no_module_reads_files_that_run_code() -> None:
    found = sources()
    assert len(found) > 200
    assert [fault for name, text in found.items() for fault in faults(text, name)] == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from pickle import loads",
        "import torch; torch.load(p)",
        "torch.load(p, weights_only=False)",
        "torch.load(p, weights_only=flag)",
        "np.load(p, allow_pickle=True)",
        "AutoModel.from_pretrained(p, trust_remote_code=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "eval(text)",
        "subprocess.run(text, shell=True)",
    ],
)
def test_the_search_finds(line: str) -> None:
    assert list(faults(line))


def test_safe_forms_pass() -> None:
    good = (
        "torch.load(p, weights_only=True); np.load(p, allow_pickle=False); model.eval()"
    )
    assert not list(faults(good))
