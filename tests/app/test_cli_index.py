"""rsvlm index: built, searched, changed and checked from the command line."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner, Result
from rasterio.transform import from_origin

from rsvlm.app.cli import main
from rsvlm.embedding import Vectors, unit
from rsvlm.models import aligned, checkpoint
from rsvlm.render import View

Run = Callable[..., Result]


class Colours:
    """A stand-in for encoders: mean colours, and the words for them."""

    name, revision, width, scale = "colours", "1", 4, 10.0
    sensors, side, window_m = frozenset({"optical"}), 32, 640.0

    def encode_image(self, views: Sequence[View]) -> Vectors:
        means = [[*view.pixels.mean((0, 1)), 1.0] for view in views]
        return unit(np.array(means))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        rows = [[c in t for c in ("red", "green", "blue")] for t in texts]
        return unit(np.array([[*map(float, row), 0.01] for row in rows]))


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    def load(*_: object) -> Colours:
        return Colours()

    monkeypatch.setattr(aligned.AlignedEncoder, "load", load)
    monkeypatch.setattr(checkpoint, "find_checkpoint", Path)
    monkeypatch.setattr("rsvlm.app.progress.asset_progress", _nothing)

    def invoke(*words: object) -> Result:
        return CliRunner().invoke(main, ["index", *map(str, words)])

    return invoke


class _nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, channel, x in (("red_2020", 0, 500_000), ("green_2021", 1, 600_000)):
        pixels = rng.integers(10, 30, (3, 64, 64)).astype(np.uint8)
        pixels[channel] += 180
        with rasterio.open(
            folder / f"{name}.tif", "w", driver="GTiff", count=3, dtype="uint8",
            height=64, width=64, crs="EPSG:32632", photometric="RGB",
            transform=from_origin(x, 5_538_630, 10, 10),
        ) as target:  # fmt: skip
            target.write(pixels)
    return folder


@pytest.fixture
def archive(run: Run, scenes: Path, tmp_path: Path) -> Path:
    out = tmp_path / "archive"
    result = run("build", scenes, "--out", out)
    assert result.exit_code == 0, result.output
    return out


def hits(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["schema"] == "rsvlm.hits/1"
    return list(record["hits"])


def test_build_says_what_it_did_and_goes_on(
    run: Run, archive: Path, scenes: Path
) -> None:
    record = json.loads((archive / "run.json").read_text())
    assert record["config"]["encoder"] == "colours"
    assert len(record["inputs"]) == 2
    assert record["end"]
    again = run("build", scenes, "--out", archive)
    assert "0 images indexed, 0 tiles added, 2 images were there" in again.stdout


def test_search_by_words_with_json_and_thumbnails(
    run: Run, archive: Path, tmp_path: Path
) -> None:
    small = tmp_path / "small"
    words = ("search", archive, "a green field", "--json", "--thumbnails", small)
    found = hits(run(*words))
    assert Path(found[0]["path"]).name == "green_2021.tif"
    assert found[0]["days"] == ["2021-01-01", "2021-12-31"]
    assert found[0]["geometry"]["type"] == "Polygon"
    assert Path(found[0]["thumbnail"]).read_bytes()[:4] == b"RIFF"
    text = run("search", archive, "a green field", "-k", 1).stdout
    assert "green_2021.tif [0,0,64,64]" in text


def test_search_by_image_and_similar(run: Run, archive: Path, scenes: Path) -> None:
    found = hits(run("search", archive, scenes / "red_2020.tif", "--json"))
    assert Path(found[0]["path"]).name == "red_2020.tif"
    others = hits(run("similar", archive, found[0]["tile"], "--json"))
    assert [Path(hit["path"]).name for hit in others] == ["green_2021.tif"]


def test_filters(run: Run, archive: Path, scenes: Path) -> None:
    def names(*words: object) -> set[str]:
        found = hits(run("search", archive, "red", "--json", *words))
        return {Path(hit["path"]).name for hit in found}

    assert names("--date", "2021") == {"green_2021.tif"}
    assert names("--place", "9,50,20") == {"red_2020.tif"}
    assert names("--place", scenes / "green_2021.tif") == {"green_2021.tif"}
    assert names("--sensor", "sar") == set()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--date", "soon"), "'soon' is no date."),
        (("--place", "soon"), "'soon' is no place."),
    ],
)
def test_user_errors_are_one_line(
    run: Run, archive: Path, words: tuple[str, ...], message: str
) -> None:
    result = run("search", archive, "red", *words)
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {message}")
    assert result.output.count("\n") == 1


def test_a_folder_that_is_no_archive(run: Run, tmp_path: Path) -> None:
    result = run("search", tmp_path, "red")
    assert result.exit_code == 1
    assert "rsvlm index build" in result.output


def test_a_broken_image_is_named_and_the_rest_is_indexed(
    run: Run, scenes: Path, tmp_path: Path
) -> None:
    (scenes / "broken.tif").write_bytes(b"II*\0")
    result = run("build", scenes, "--out", tmp_path / "archive")
    assert result.exit_code == 3
    assert "2 images indexed" in result.stdout
    assert "broken.tif" in result.stderr


def test_add_remove_verify_rebuild(run: Run, archive: Path, scenes: Path) -> None:
    path = scenes / "red_2020.tif"
    assert run("list", archive).stdout.splitlines() == [
        str(scenes / "green_2021.tif"),
        str(path),
    ]
    assert "tiles removed" in run("remove", archive, path).stdout
    again = run("remove", archive, path)
    assert again.exit_code == 1
    assert run("add", archive, path).exit_code == 0
    assert run("verify", archive).stdout.endswith("tiles: ok\n")
    assert run("rebuild", archive).exit_code == 0
    vectors = next(archive.glob("*.f32"))
    vectors.write_bytes(b"\0" * vectors.stat().st_size)
    broken = run("verify", archive)
    assert broken.exit_code == 3
    assert "not as written" in broken.stdout
    refused = run("search", archive, "red")
    assert refused.exit_code == 1
    assert vectors.name in refused.output
    assert "encoded anew" in run("rebuild", archive).stdout
    assert run("verify", archive).exit_code == 0


def test_ask_about_a_hit(
    run: Run, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Assistant:
        def ask(self, rasters: Any, question: str) -> Any:
            asked.append((rasters[0].name, rasters[0].width, question))
            return type("Answer", (), {"warnings": ["a note"], "text": "Yes."})()

    monkeypatch.setattr("rsvlm.app.build.build_assistant", lambda _: Assistant())
    tile = hits(run("search", archive, "red", "--json"))[0]["tile"]
    result = run("ask", archive, tile, "Is it red?")
    assert result.stdout == "Yes.\n"
    assert asked == [(f"tile-{tile}.tif", 64, "Is it red?")]
    assert run("ask", archive, 999, "Is it red?").exit_code == 1
