r"""Exports benchmarks as tasks of lmms-eval, and rsvlm as one of its models.

The tasks score with the same metrics as ``rsvlm eval score``, so numbers agree; rsvlm
must be installed beside lmms-eval 0.7 or later::

    PYTHONPATH=DIR LMMS_EVAL_PLUGINS=rsvlm_lmms python -m lmms_eval \
        --include_path DIR/rsvlm_lmms/tasks --tasks rsvlm_rsscn7 \
        --model rsvlm --model_args model=tiny --batch_size 1

DIR is the folder of the export; it holds the package ``rsvlm_lmms``. Any other model of lmms-eval can be measured with the same tasks. What it writes about
places is read in the numbers that were declared at export.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from rsvlm.errors import SettingsError
from rsvlm.eval.benchmark import Benchmark, Coords, Protocol
from rsvlm.eval.parse import PLACES
from rsvlm.eval.questions import prompt_of
from rsvlm.eval.results import write_text
from rsvlm.eval.run_folder import sample_line
from rsvlm.samples import Sample

#: Name of the package that an export is.
PLUGIN = "rsvlm_lmms"

#: Functions of a task -> key of its YAML.
_FUNCTIONS = ("doc_to_visual", "doc_to_text", "doc_to_target", "process_results")

_UTILS = '''"""Functions of the tasks in this folder; rsvlm computes the scores."""

from pathlib import Path

from rsvlm.eval.bridges.lmms_task import Tasks

_tasks = Tasks(Path(__file__).parent)
'''

_MODELS = '''"""Models that this plugin adds to lmms-eval."""

AVAILABLE_MODELS = {"rsvlm": "Rsvlm"}
'''

_MODEL = '''"""rsvlm as a model of lmms-eval."""

from pathlib import Path

from rsvlm.app.lmms_model import Rsvlm as _Rsvlm


class Rsvlm(_Rsvlm):
    """rsvlm, which finds the tasks beside it."""

    folder = Path(__file__).parents[1] / "tasks"
'''

_TASKS = '''"""Tasks that this plugin adds to lmms-eval."""
'''

_PLUGIN = '''"""Plugin of lmms-eval: set LMMS_EVAL_PLUGINS to the name of this package."""
'''


def export(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    images: Path,
    out: Path,
    coords: Coords | None = None,
) -> Path:
    """Write a benchmark as a task of lmms-eval, and the plugin for the model.

    Several benchmarks may go to one folder.

    Args:
        benchmark: What is exported.
        samples: Its samples.
        images: Folder that the paths of images start from.
        out: Folder to write to; images stay where they are and are named by their
            way from it.
        coords: Numbers in which models write boxes; None: those of the benchmark, and
            then only rsvlm itself can be measured where it asks for places.

    Returns:
        The YAML file of the task.

    Raises:
        SettingsError: If there is no sample.
    """
    if not samples:
        raise SettingsError(
            f"{benchmark.name} has no sample to export. Check its data and --limit."
        )
    if coords is not None and benchmark.task in PLACES:
        benchmark = benchmark.model_copy(update={"coords": coords})
    name = task_name(benchmark)
    plugin = out / PLUGIN
    tasks = plugin / "tasks"
    write_text(tasks / f"{name}.jsonl", _docs(benchmark, samples, images, tasks))
    definition = json.dumps(benchmark.model_dump(mode="json"), indent=1)
    write_text(tasks / f"{name}.benchmark.json", definition + "\n")
    functions = (*_FUNCTIONS, "aggregate")
    lines = "".join(f"{function} = _tasks.{function}\n" for function in functions)
    write_text(tasks / "utils.py", _UTILS + lines)
    write_text(tasks / "__init__.py", _TASKS)
    write_text(plugin / "__init__.py", _PLUGIN)
    write_text(plugin / "models" / "__init__.py", _MODELS)
    write_text(plugin / "models" / "rsvlm.py", _MODEL)
    path = tasks / f"{name}.yaml"
    write_text(path, _task(benchmark, name))
    return path


def task_name(benchmark: Benchmark) -> str:
    """Return the name of a benchmark among the tasks of lmms-eval.

    Dots and hyphens would end a name in its command line.
    """
    return "rsvlm_" + re.sub(r"[^a-z0-9]+", "_", benchmark.name)


def _docs(
    benchmark: Benchmark, samples: Sequence[Sample], images: Path, folder: Path
) -> str:
    """Return the documents of a task, one JSON object a line."""
    lines = []
    for sample in samples:
        paths = [
            Path(os.path.relpath(images / image.path, folder)).as_posix()
            for image in sample.images
        ]
        doc = {
            "id": sample.id,
            "rsvlm_task": task_name(benchmark),
            "prompt": prompt_of(benchmark, sample),
            "images": paths,
            "answer": " | ".join(sample.answers),
            # As text: a column of objects would get the union of all their fields.
            "sample": sample_line(sample),
        }
        lines.append(json.dumps(doc, ensure_ascii=False))
    return "".join(f"{line}\n" for line in lines)


def _task(benchmark: Benchmark, name: str) -> str:
    """Return the YAML of a task."""
    content: dict[str, Any] = {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
        "test_split": "test",
        "output_type": "generate_until",
        **{function: _Function(f"utils.{function}") for function in _FUNCTIONS},
        "generation_kwargs": {
            "max_new_tokens": benchmark.generation.max_tokens,
            "temperature": benchmark.generation.temperature,
            "do_sample": benchmark.generation.temperature > 0,
        },
        "metric_list": [
            {
                "metric": protocol.id,
                "aggregation": _Function("utils.aggregate"),
                "higher_is_better": _is_higher_better(protocol),
            }
            for protocol in benchmark.protocols
        ],
        "metadata": [{"version": benchmark.version}],
    }
    head = f"# {benchmark.title}. Data: {benchmark.data.license}\n"
    head = " ".join(head.split()) + "\n"
    return head + str(yaml.dump(content, Dumper=_Dumper, sort_keys=False))


def _is_higher_better(protocol: Protocol) -> bool:
    is_error = protocol.params.get("value") in ("mae", "rmse")
    return not (is_error or protocol.metric == "calibration")


class _Function(str):
    """A text that is written as ``!function TEXT``."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes :class:`_Function` with its tag."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write every value in full."""
        return True


def _represent(dumper: _Dumper, value: _Function) -> Any:
    return dumper.represent_scalar("!function", str(value))


_Dumper.add_representer(_Function, _represent)
