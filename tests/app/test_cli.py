import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner, Result
from rasterio.transform import from_origin

from rsvlm.answer import Answer
from rsvlm.app import build
from rsvlm.app.cli import TASK_NAMES, main
from rsvlm.assistant import Assistant
from rsvlm.engines.stub import StubEngine
from rsvlm.tasks import TASKS


def write(path: Path, crs: str | None = "EPSG:32611") -> str:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 80, 100), dtype=np.uint8)
    profile = {"driver": "GTiff", "width": 100, "height": 80, "count": 3}
    if crs:
        profile |= {"crs": crs, "transform": from_origin(380000, 3730000, 1, 1)}
    with rasterio.open(path, "w", dtype="uint8", photometric="RGB", **profile) as file:
        file.write(pixels)
    return str(path)


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> StubEngine:
    """An engine that knows one ship, in place of a model."""
    stub = StubEngine(["ship [100,100,400,600]"])
    monkeypatch.setattr(build, "build_assistant", lambda *_: Assistant(stub))
    monkeypatch.setattr("rsvlm.app.progress.asset_progress", _nothing)
    return stub


class _nothing:
    def __enter__(self) -> None: ...
    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def image(tmp_path: Path) -> str:
    return write(tmp_path / "port.tif")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, list(arguments), input=stdin)


def test_the_answer_goes_to_stdout_and_nothing_else(image: str) -> None:
    result = run("ask", image, "What colour is the roof?")
    assert result.exit_code == 0
    assert result.stdout == "ship [100,100,400,600]\n"


def test_json_is_one_valid_answer(image: str) -> None:
    result = run("ask", image, "Where is the ship?", "--json")
    assert result.stdout.count("\n") == 1
    answer = Answer.model_validate_json(result.stdout)
    assert answer.task == "ground"
    assert answer.regions[0].hbb == (10, 8, 40, 48)
    assert answer.images[0].crs == "EPSG:32611"


def test_files_are_written(image: str, tmp_path: Path) -> None:
    names = {o: str(tmp_path / o) for o in ("a.png", "a.geojson", "a.tif")}
    result = run(
        "ask", image, "Where is the ship?", "--overlay", names["a.png"],
        "--geojson", names["a.geojson"], "--mask", names["a.tif"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert Path(names["a.png"]).read_bytes().startswith(b"\x89PNG")
    features = json.loads(Path(names["a.geojson"]).read_text())["features"]
    assert features[0]["properties"]["label"] == "ship"
    with rasterio.open(names["a.tif"]) as mask, rasterio.open(image) as source:
        assert (mask.crs, mask.transform) == (source.crs, source.transform)
        assert int((mask.read(1) > 0).sum()) == 30 * 40


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_geojson_needs_a_crs_and_says_so_before_the_model_runs(
    tmp_path: Path, engine: StubEngine
) -> None:
    path = write(tmp_path / "plain.tif", crs=None)
    out = tmp_path / "a.geojson"
    result = run("ask", path, "Where is the ship?", "--geojson", str(out))
    assert result.exit_code == 1
    assert "'plain.tif' has no CRS" in result.stderr
    assert not out.exists()
    assert engine.calls == []


def test_a_question_may_come_from_stdin(image: str, engine: StubEngine) -> None:
    result = run("ask", image, "-", stdin="What colour is the roof?\n")
    assert result.exit_code == 0, result.output
    assert "What colour is the roof?" in engine.calls[0][0].text


def test_several_images_then_the_question(tmp_path: Path) -> None:
    paths = [write(tmp_path / "a.tif"), write(tmp_path / "b.tif")]
    answer = json.loads(run("ask", *paths, "What changed?", "--json").stdout)
    assert [image["id"] for image in answer["images"]] == [0, 1]
    assert answer["task"] == "compare"


def test_a_user_error_is_one_line_and_status_1(image: str) -> None:
    result = run("ask", image, "ship", "-t", "grond")
    assert result.exit_code == 1
    assert result.output == (
        "Error: Unknown task 'grond'. Did you mean 'ground'? "
        f"Known: {', '.join(sorted(TASKS))}.\n"
    )


def test_wrong_usage_is_status_2(image: str) -> None:
    assert run("ask", image).exit_code == 2
    assert run("ask", image, "what?", "--shape", "circle").exit_code == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, I am a text file",
        b"<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>",
        b"II*\x00\x08\x00\x00\x00",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 40,
        b"\xff\xd8\xff\xe0" + b"\x00" * 40,
    ],
)
def test_a_broken_image_is_one_line_and_status_1(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "broken.tif"
    path.write_bytes(content)
    for command in (["ask", str(path), "Describe it."], ["info", str(path)]):
        result = run(*command)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.count("\n") == 1
        assert "broken.tif" in result.stderr


@pytest.mark.parametrize(
    "path",
    ["missing.tif", "/vsicurl/http://127.0.0.1/a.tif", "vrt://a.tif", "http://h/a"],
)
def test_what_is_no_file_is_refused(path: str) -> None:
    result = run("ask", path, "Describe it.")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)


def test_an_unknown_checkpoint_is_named(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("rsvlm.app.progress.asset_progress", _nothing)
    result = run("ask", image, "What is it?", "--model", "tinny")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "'tinny' is no checkpoint" in result.stderr


def test_info_says_what_can_be_asked(image: str) -> None:
    text = run("info", image).stdout
    assert "100 x 80 px, 3 bands, uint8" in text
    assert "EPSG:32611" in text
    facts = json.loads(run("info", image, "--json").stdout)
    assert facts["gsd_m"] == pytest.approx(1.0, rel=1e-3)
    assert "vehicle" in facts["can_ask"]["find, count, segment"]


def test_the_help_names_every_task() -> None:
    assert set(TASK_NAMES) == {"auto", *TASKS}


def test_the_help_loads_no_heavy_library() -> None:
    code = (
        "import sys, rsvlm.app.cli; heavy = {'torch', 'transformers', 'faiss', 'gradio', "
        "'vllm', 'numpy', 'rasterio', 'pydantic', 'PIL'}; print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"


def test_assets_are_listed() -> None:
    assert "smollm2-135m-instruct" in run("assets", "list").stdout
    assert run("assets", "fetch", "nothing").exit_code == 1


def test_smoke_data_are_built(tmp_path: Path) -> None:
    out = tmp_path / "data"
    assert run("data", "build", "smoke", "--out", str(out)).exit_code == 0
    assert (out / "train.jsonl").stat().st_size
