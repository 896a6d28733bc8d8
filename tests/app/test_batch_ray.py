"""A batch on Ray: divided over a cluster, the same records."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from rsvlm.app.batch import BatchRequest, run
from rsvlm.app.batch_engine import ModelChoice
from rsvlm.app.batch_ray import RayWorker, share
from rsvlm.app.batch_records import BatchQuestion
from rsvlm.errors import MissingExtraError, SettingsError
from tests.app import batches
from tests.app.server.batching import app_of
from tests.app.server.fakes import serving
from tests.conftest import Tree


@pytest.fixture
def request_(tree: Tree) -> BatchRequest:
    tree.image("a.png")
    lines = [
        {"id": i, "images": ["a.png"], "question": f"{'mood' if i == 7 else 'Q'} {i}?"}
        for i in range(20)
    ]
    questions = tree.jsonl("q.jsonl", [dict(q, task="vqa") for q in lines])
    return BatchRequest(questions, tree.root / "a.jsonl", ray="local")


def said(path: Path) -> dict[int, str | None]:
    records = [json.loads(line) for line in path.read_text().splitlines()]
    found = {r["id"]: r["answer"] and r["answer"]["text"] for r in records}
    assert len(found) == len(records)
    return found


@pytest.mark.parametrize(
    ("nodes", "options", "expected"),
    [
        ([{"CPU": 8}], {}, (1, 8, 0)),  # a worker a machine
        ([{"CPU": 8}, {"CPU": 2}], {}, (2, 4, 0)),  # the small one has too few cores
        ([{"CPU": 4}] * 3, {"workers": 4}, (4, 2, 0)),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 16, "GPU": 2}], {}, (4, 8, 1)),
        ([{"CPU": 16, "GPU": 2}], {"workers": 4}, (4, 4, 0)),  # not enough GPUs
        ([{"CPU": 4, "GPU": 1}], {"model": "http://h/v1#m"}, (1, 4, 0)),
        ([{"GPU": 1}, {"CPU": 2}], {"workers": 2}, (2, 1, 0)),
    ],
)
def test_a_cluster_is_divided(
    nodes: list[dict[str, float]],
    options: dict[str, str],
    expected: tuple[int, int, int],
) -> None:
    request = replace(BatchRequest(Path("q"), Path("a")), **options)  # type: ignore[arg-type]
    assert share(nodes, request) == expected


def test_too_many_workers_are_refused() -> None:
    request = BatchRequest(Path("q"), Path("a"), workers=5)
    with pytest.raises(SettingsError, match="4 CPU cores, too few for 5 workers"):
        share([{"CPU": 4}], request)


@pytest.mark.parametrize("threads", [1, 4])
def test_a_worker_answers_chunks(
    tree: Tree, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsvlm.app.serving_models.build_assistant", batches.moody)
    image = tree.image("a.png").name
    worker = RayWorker(ModelChoice(), tree.root, None, (), threads)
    asked = [
        BatchQuestion(id=i, images=(image,), question=text, task="vqa")
        for i, text in enumerate(["Q?", "mood?", "R?"])
    ]
    rows = worker({"questions": [q.model_dump_json() for q in asked]})
    found = {r["id"]: r["status"] for r in (json.loads(row["result"]) for row in rows)}
    assert found == {0: "ok", 1: "error", 2: "ok"}


def test_the_extra_is_named_where_ray_is_missing(
    request_: BatchRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"rsvlm\[ray\]"):
        run(request_)


def test_a_cluster_that_is_not_there_is_one_line(request_: BatchRequest) -> None:
    def init(**_: object) -> None:
        raise ConnectionError("nobody\nlistens.")

    ray = SimpleNamespace(is_initialized=lambda: False, init=init)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "ray", ray)
        with pytest.raises(
            SettingsError, match=r"'h:1' cannot be used: nobody listens"
        ):
            run(replace(request_, ray="h:1"))


@pytest.fixture
def _cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("_cluster")
def test_on_a_ray_of_this_machine(request_: BatchRequest, tmp_path: Path) -> None:
    engine = batches.Oracle(fails=lambda text, tries: "mood" in text)
    with serving(app_of(tmp_path, engine)) as address:
        model = f"{address}/v1?retries=0#tiny"
        here = replace(request_, model=model, ray=None, out=tmp_path / "here.jsonl")
        assert run(here).answered == 19
        tally = run(replace(request_, model=model, workers=2))
    assert (tally.answered, tally.failed) == (19, 1)
    assert said(request_.out) == said(here.out)
