"""The benchmarks that ship: complete, valid, with metrics and converters that exist."""

from pathlib import Path

import pytest

from rsvlm.eval.benchmark import FOLDER, Benchmark, load, load_all
from rsvlm.eval.convert.table import CONVERTERS
from rsvlm.eval.protocols import METRICS, checked
from rsvlm.eval.selection import is_meant

BENCHMARKS = {benchmark.name: benchmark for benchmark in load_all()}
#: Task of a benchmark -> task of its samples.
SAMPLE_TASKS = {
    "mcq": "vqa", "ground_multi": "ground",
    **{t: t for t in ("caption", "vqa", "classify", "ground", "segment", "count",
                      "detect", "retrieve")},
}  # fmt: skip


@pytest.fixture(params=sorted(BENCHMARKS))
def benchmark(request: pytest.FixtureRequest) -> Benchmark:
    return BENCHMARKS[request.param]


def test_every_benchmark_of_the_plan_is_there() -> None:
    wanted = """
        rsicd rsitmd ucm-captions sydney-captions nwpu-captions rsvqa-lr rsvqa-hr
        dior-rsvg rsvg vrsbench-caption vrsbench-vqa vrsbench-ref geochat-aid
        geochat-ref rrsis-d refsegrs earthreason lrs-vqa mme-realworld-rs xlrs-bench
        choice rsieval-vqa rsieval-caption lhrs-bench sarlang-vqa sarlang-caption
        rswk-vqa rswk-caption rswk-classify aid ucmerced whu-rs19 eurosat resisc45
        rsscn7 vhr10-presence vhr10-ref vhr10-count vhr10-detect vhr10-seg
        vhr10-refer vhr10-obb vhr10-refseg vhr10-outline vhr10-reasons neon-trees
        needle-in-a-scene place-questions optical-sar-retrieval
    """
    assert set(wanted.split()) <= set(BENCHMARKS)


def test_data_come_from_a_converter_or_a_build(benchmark: Benchmark) -> None:
    data = benchmark.data
    assert (data.convert is None) != (data.build is None)
    if data.convert is not None:
        assert data.convert in CONVERTERS
        assert data.file == f"{data.convert}.jsonl"
    assert data.where


def test_protocols_have_metrics_and_parameters_that_exist(benchmark: Benchmark) -> None:
    assert 2 <= len(benchmark.protocols) <= 5
    for protocol in benchmark.protocols:
        assert protocol.metric in METRICS
        checked(protocol)


def test_a_legacy_protocol_is_never_primary(benchmark: Benchmark) -> None:
    assert not any(p.primary and p.legacy for p in benchmark.protocols)


def test_places_are_declared_and_sources_can_be_found(benchmark: Benchmark) -> None:
    needs_boxes = benchmark.task in ("ground", "ground_multi", "detect", "segment")
    assert (benchmark.coords is not None) == needs_boxes
    assert "http" in benchmark.source or "this project" in benchmark.source


def test_the_prompt_asks_the_question_or_lists_the_options(
    benchmark: Benchmark,
) -> None:
    assert "{question}" in benchmark.prompt.user or "{options}" in benchmark.prompt.user
    if benchmark.task == "mcq":
        assert {"{question}", "{options}"} <= set(benchmark.prompt.user.split("\n"))


def test_names_of_files_are_names_of_benchmarks() -> None:
    for path in FOLDER.glob("*.yaml"):
        assert load(path.stem).name == path.stem


@pytest.mark.parametrize(
    ("name", "count"),
    [("vhr10-seg", 194), ("neon-trees", 3), ("needle-in-a-scene", 48), ("place-questions", 140),
     ("optical-sar-retrieval", 512)],
)  # fmt: skip
def test_ours_are_made_from_the_data(name: str, count: int, data_folder: Path) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.data.convert is not None
    made = CONVERTERS[benchmark.data.convert].convert(data_folder)
    samples = [sample for sample in made if is_meant(benchmark, sample)]
    assert len(samples) == count
    assert {sample.task for sample in samples} == {SAMPLE_TASKS[benchmark.task]}
    for sample in samples:
        for target in sample.targets:
            x0, y0, x1, y1 = target.hbb
            image = sample.images[0]
            assert 0 <= x0 < x1 <= image.width
            assert 0 <= y0 < y1 <= image.height
