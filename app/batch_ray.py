"""A batch on a Ray cluster: the same questions, the same records, many processes.

Ray Data hands chunks of questions to workers, each of which builds the assistant once.
Answers come back as chunks are done, in any order, and are written by the process that
started the batch, so that it goes on from its file like any other. A worker that dies
is replaced, and its chunk asked again: nothing of it had been written. Every machine
must reach the images (and the checkpoint) under the same paths.
"""

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rsvlm.app.batch import BatchRequest, Results, results_of
from rsvlm.app.batch_asking import BatchAsker, Pace
from rsvlm.app.batch_engine import ModelChoice
from rsvlm.app.batch_records import BatchQuestion, BatchResult
from rsvlm.errors import MissingExtraError, SettingsError
from rsvlm.eval.workers import in_threads, one_by_one

#: Fewest questions of a chunk, whose answers are written together; where several are
#: asked at a time it takes more of them to keep a model busy.
CHUNK = 8
#: Most blocks that Ray keeps account of.
MOST_BLOCKS = 10_000


def ask_on_ray(request: BatchRequest, questions: Sequence[BatchQuestion]) -> Results:
    """Yield what became of every question, in any order.

    Args:
        request: ``ray`` is ``"local"`` for this machine, else the address of a cluster.
        questions: Those of the same images side by side.

    Raises:
        MissingExtraError: If Ray is not installed.
        SettingsError: If the cluster cannot be reached or is too small.
    """
    try:
        import ray
    except ImportError:
        raise MissingExtraError("ray", "ray") from None
    own = not ray.is_initialized()
    if own:
        _connect(ray, request.ray or "local")
    try:
        yield from _asked(ray, request, questions)
    finally:
        if own:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # noqa: BLE001 - Ray raises plain ones as well
        said = " ".join(str(error).split())
        raise SettingsError(
            f"The Ray cluster {address!r} cannot be used: {said} Start one with ray "
            "start --head, or write --ray local."
        ) from None


def _asked(
    ray: Any, request: BatchRequest, questions: Sequence[BatchQuestion]
) -> Results:
    from ray import data

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    workers, cpus, gpus = share(nodes, request)
    choice = request.choice
    threads = choice.at_once
    size = max(CHUNK, 2 * threads)
    chunks = [questions[i : i + size] for i in range(0, len(questions), size)]
    rows = [{"questions": [q.model_dump_json() for q in part]} for part in chunks]
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    done = data.from_items(
        rows, override_num_blocks=min(len(rows), MOST_BLOCKS)
    ).flat_map(
        RayWorker,
        fn_constructor_args=(
            choice,
            request.base,
            request.rate and request.rate / workers,
            request.hosts,
            threads,
        ),
        compute=data.ActorPoolStrategy(size=workers),
        num_cpus=cpus,
        num_gpus=gpus,
    )
    for block in done.iter_batches(batch_size=None):
        for line in block["result"]:
            yield BatchResult.model_validate_json(line)


def share(
    nodes: Sequence[dict[str, float]], request: BatchRequest
) -> tuple[int, int, int]:
    """Divide a cluster.

    Args:
        nodes: Resources of each machine.
        request: Says how many workers, and whether a model runs in them.

    Returns:
        Number of workers, CPU cores and GPUs of each. Without a wish: one a GPU, else
        one a machine.

    Raises:
        SettingsError: If the cluster has no room for so many.
    """
    runs_here = request.choice.runs_here
    total = int(sum(node.get("GPU", 0) for node in nodes)) if runs_here else 0
    machines = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1]
    workers = request.workers or total or len(machines)
    for cpus in range(max(machines, default=0), 0, -1):
        if sum(machine // cpus for machine in machines) >= workers:
            return workers, cpus, 1 if total >= workers else 0
    raise SettingsError(
        f"The Ray cluster has {sum(machines)} CPU cores, too few for {workers} workers. "
        "Lower --workers."
    )


class RayWorker:
    """What runs in a process of the cluster: an assistant that is built once."""

    def __init__(
        self,
        choice: ModelChoice,
        base: Path,
        rate: float | None,
        hosts: tuple[str, ...],
        threads: int,
    ) -> None:
        self._opened = ExitStack()  # closed with the process
        assistant = self._opened.enter_context(choice.opened())
        self._asker = BatchAsker(assistant, base, Pace(rate), hosts)
        self._threads = threads

    def __call__(self, row: dict[str, Any]) -> list[dict[str, str]]:
        """Return the results of a chunk, a line of JSON each."""
        asked = [BatchQuestion.model_validate_json(line) for line in row["questions"]]
        if self._threads > 1:
            outcomes = in_threads(asked, self._asker.ask, self._threads)
        else:
            outcomes = one_by_one(asked, self._asker.ask)
        return [{"result": result.to_line()} for result in results_of(outcomes)]
