"""Pieces of a build on a Ray cluster: tasks that write to a folder which all machines see.

Every machine must reach the data and the folder of the build under the same paths. A
task whose machine dies is done again elsewhere.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from rsvlm.data_engine.pools import WAITING, Job, guarded, unwrapped
from rsvlm.errors import EngineError, MissingExtraError, SettingsError


class RayPool:
    """Does pieces on a cluster."""

    def __init__(self, address: str, workers: int | None = None) -> None:
        """Choose the cluster.

        Args:
            address: ``"local"`` for this machine, else that of a cluster.
            workers: Pieces at a time; one a core by default.

        Raises:
            MissingExtraError: If Ray is not installed.
        """
        try:
            import ray
        except ImportError:
            raise MissingExtraError("ray", "ray") from None
        self._ray: Any = ray
        self._address = address
        self._workers = workers

    def run(self, jobs: Iterable[Job]) -> Iterator[Any]:
        """Yield what the pieces return, as they are done.

        Raises:
            SettingsError: If the cluster cannot be reached.
            EngineError: If it goes away.
        """
        ray = self._ray
        own = not ray.is_initialized()
        if own:
            self._connect()
        try:
            yield from self._drained(jobs)
        except ray.exceptions.RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except ray.exceptions.RayError as error:
            said = " ".join(str(error).split())[:300]
            raise EngineError(
                f"The Ray cluster failed: {said} Run the same command again to go on."
            ) from None
        finally:
            if own:
                ray.shutdown()

    def _connect(self) -> None:
        local = self._address == "local"
        try:
            self._ray.init(
                address=self._address,
                num_cpus=self._workers if local else None,
                include_dashboard=False if local else None,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except Exception as error:  # noqa: BLE001 - Ray raises plain ones as well
            said = " ".join(str(error).split())
            raise SettingsError(
                f"The Ray cluster {self._address!r} cannot be used: {said} Start one "
                "with ray start --head, or write --ray local."
            ) from None

    def _drained(self, jobs: Iterable[Job]) -> Iterator[Any]:
        ray = self._ray
        task = ray.remote(guarded)
        most = WAITING * (self._workers or int(ray.cluster_resources().get("CPU", 1)))
        waiting: list[Any] = []
        for job in jobs:
            waiting.append(task.remote(job))
            while len(waiting) >= most:
                done, waiting = ray.wait(waiting)
                for result in ray.get(done):
                    yield unwrapped(result)
        while waiting:
            done, waiting = ray.wait(waiting)
            for result in ray.get(done):
                yield unwrapped(result)
