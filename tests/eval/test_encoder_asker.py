"""Encoders asked alone: classes, choices and rankings, each picture encoded once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from rsvlm.embedding import Vectors, unit
from rsvlm.errors import ImageError, SettingsError
from rsvlm.eval.benchmark import Benchmark
from rsvlm.eval.encoder_asker import EncoderAsker, prompt_names
from rsvlm.eval.gallery import members, samples_beside
from rsvlm.eval.protocols import apply
from rsvlm.eval.run import Job, Options
from rsvlm.eval.session import run_jobs
from rsvlm.eval.vector_cache import VectorCache
from rsvlm.render import View
from rsvlm.samples import ImageRef, Sample, Turn

pytestmark = pytest.mark.filterwarnings("ignore:Dataset has no geotransform")

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


@dataclass
class Colours:
    """Encoders by mean colour; a radar picture has none and is taken as blue."""

    name: str = "colours"
    revision: str = "1"
    width: int = 3
    scale: float = 10.0
    sensors: frozenset[str] = frozenset({"optical"})
    batches: list[list[str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def encode_image(self, views: Sequence[View]) -> Vectors:
        self.batches.append([view.sensor for view in views])
        rows = [
            (0.0, 0.0, 1.0) if v.sensor == "sar" else v.pixels.mean(axis=(0, 1))
            for v in views
        ]
        return unit(np.array(rows, np.float32) + 1e-3)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        rows = [[float(colour in text) for colour in COLOURS] for text in texts]
        return unit(np.array(rows, np.float32) + 1e-3)

    @property
    def encoded(self) -> int:
        return sum(map(len, self.batches))


def paint(folder: Path, name: str, colour: tuple[int, int, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((20, 30, 3), colour, np.uint8)).save(folder / name)


def sample(
    name: str, *images: str, sensors: Sequence[str] = (), **fields: Any
) -> Sample:
    kinds = [*sensors, *["optical"] * len(images)]
    refs = tuple(
        ImageRef.model_validate({"path": i, "width": 30, "height": 20, "sensor": s})
        for i, s in zip(images, kinds, strict=False)
    )
    given: dict[str, Any] = {
        "id": name, "images": refs, "task": "classify", "source": "made",
        "licence": "none", "split": "test",
    }  # fmt: skip
    return Sample(**(given | fields))


def benchmark(task: str, **fields: Any) -> Benchmark:
    given: dict[str, Any] = {
        "name": "made", "version": 1, "title": "Made up", "source": "these tests",
        "task": task, "data": {"file": "made.jsonl", "license": "none"},
        "prompt": {"id": "p"}, "group_by": ["type"],
        "protocols": [{"id": "a", "metric": "classify", "primary": True}],
    }  # fmt: skip
    return Benchmark.model_validate(given | fields)


def write(folder: Path, samples: Sequence[Sample]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{s.model_dump_json(by_alias=True)}\n" for s in samples)
    (folder / "made.jsonl").write_text(lines)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, colour in COLOURS.items():
        paint(tmp_path, f"{name}.png", colour)
    paint(tmp_path, "teal.png", (0, 200, 150))
    paint(tmp_path, "radar.png", (9, 9, 9))
    return tmp_path


def test_the_option_nearest_to_the_picture_is_chosen(pictures: Path) -> None:
    asked = sample("s", "green.png", options=("red", "green", "blue"))
    got = EncoderAsker(Colours()).ask(benchmark("classify"), asked, pictures, None)
    assert (got.raw, got.parsed) == ("green", "green")
    # Texts as far as a right angle: e^10 against twice e^0.
    assert got.confidence == pytest.approx(1 / (1 + 2 * np.exp(-10)), abs=1e-3)
    assert list(got.meta["probabilities"]) == ["red", "green", "blue"]
    assert "fused" not in got.meta


def test_wordings_are_those_of_the_sensor(pictures: Path) -> None:
    embedder = Colours()
    asked = sample("s", "radar.png", sensors=["sar"], options=("red", "blue"))
    got = EncoderAsker(embedder).ask(benchmark("classify"), asked, pictures, None)
    assert got.raw == "blue"
    assert "a radar image of blue" in embedder.texts
    assert not any("satellite" in text for text in embedder.texts)
    assert got.meta["untrained_sensors"] == ["sar"]


CHOICES = [
    {"id": name, "metric": "mcq_accuracy", "extractor": name, "primary": not number}
    for number, name in enumerate(("robust", "mme-realworld", "xlrs"))
]


@pytest.mark.parametrize("options", [("red", "blue"), ("(A) red", "(B) blue")])
def test_choices_are_answered_with_their_letter(
    pictures: Path, options: tuple[str, ...]
) -> None:
    asked = sample("s", "blue.png", task="vqa", options=options, answers=("B",))
    made = benchmark("mcq", protocols=CHOICES)
    got = EncoderAsker(Colours()).ask(made, asked, pictures, None)
    assert (got.raw, got.parsed) == ("(B) blue", "B")
    for protocol in made.protocols:
        assert apply(protocol, [asked], [got]).value == 1.0


def test_images_of_one_place_are_the_mean_of_their_unit_vectors(pictures: Path) -> None:
    # Teal alone is green, radar alone is blue; together they are nearer to blue.
    both = sample("s", "teal.png", "radar.png", sensors=["optical", "sar"],
                  options=("red", "green", "blue"))  # fmt: skip
    embedder = Colours()
    asker = EncoderAsker(embedder)
    one = sample("o", "teal.png", options=both.options)
    assert asker.ask(benchmark("classify"), one, pictures, None).raw == "green"
    got = asker.ask(benchmark("classify"), both, pictures, None)
    assert got.raw == "blue"
    assert got.meta["fused"] == "mean of the unit vectors of 2 images"
    total = np.array([0, 200 / 250, 150 / 250 + 1])
    shares = np.exp(10 * total / np.linalg.norm(total))
    expected = shares / shares.sum()
    assert list(got.meta["probabilities"].values()) == pytest.approx(expected, abs=0.01)


def test_samples_without_options_get_every_class_of_the_benchmark(
    pictures: Path,
) -> None:
    samples = [sample(c, f"{c}.png", answers=(c,)) for c in COLOURS]
    write(pictures, samples)
    asker = EncoderAsker(Colours())
    said = [asker.ask(benchmark("classify"), s, pictures, None).raw for s in samples]
    assert said == list(COLOURS)
    # Alone, one sample would know one class only.
    got = EncoderAsker(Colours()).ask(benchmark("classify"), samples[0], pictures, None)
    assert sorted(got.meta["probabilities"]) == ["blue", "green", "red"]


def test_a_benchmark_without_classes_is_refused(pictures: Path) -> None:
    write(pictures, [sample("s", "red.png")])
    with pytest.raises(SettingsError, match="lists no options, and no sample of made"):
        EncoderAsker(Colours()).ask(
            benchmark("classify"), sample("s", "red.png"), pictures, None
        )


def test_answers_in_words_are_refused() -> None:
    with pytest.raises(SettingsError, match="asks for 'caption', encoders alone give"):
        EncoderAsker(Colours()).prepare(benchmark("caption"))


def query(name: str, image: str, kind: str, right: str, **fields: Any) -> Sample:
    return sample(
        name, image, task="retrieve", type=kind, relevant={right: 1}, **fields
    )


def places() -> list[Sample]:
    """Every colour twice: as it is, and darker, in another file."""
    there = [query(f"a-{c}", f"{c}.png", "bright to dark", f"b-{c}") for c in COLOURS]
    back = [query(f"b-{c}", f"d-{c}.png", "dark to bright", f"a-{c}") for c in COLOURS]
    return there + back


RECALLS = [
    {"id": f"r@{k}", "metric": "retrieval", "value": f"r@{k}", "gallery": 3,
     "primary": k == 1}
    for k in (1, 5)
]  # fmt: skip


@pytest.fixture
def pairs(pictures: Path) -> Path:
    for name, colour in COLOURS.items():
        paint(pictures, f"d-{name}.png", tuple(c // 2 for c in colour))  # type: ignore[arg-type]
    write(pictures, places())
    return pictures


def test_a_query_ranks_the_records_of_the_other_direction(pairs: Path) -> None:
    embedder = Colours()
    asker = EncoderAsker(embedder)
    made = benchmark("retrieve", protocols=RECALLS)
    predictions = [asker.ask(made, s, pairs, None) for s in places()]
    assert set(predictions[0].meta["scores"]) == {"b-red", "b-green", "b-blue"}
    assert predictions[0].meta["gallery"] == 3
    assert json.loads(predictions[0].raw)[0] == "b-red"
    scored = apply(made.protocols[0], places(), predictions, group_by=("type",))
    assert scored.value == 1.0
    assert set(scored.groups) == {"type=bright to dark", "type=dark to bright"}
    assert scored.baselines["random"] == pytest.approx(1 / 3)
    assert embedder.encoded == 6  # each picture once, whatever role it has
    assert len(embedder.batches) == 2


def test_encoders_that_tell_nothing_apart_get_nothing(
    pairs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Colours, "encode_image", lambda self, views: np.ones((len(views), 3)) / 3**0.5
    )
    asker = EncoderAsker(Colours())
    made = benchmark("retrieve", protocols=RECALLS)
    predictions = [asker.ask(made, s, pairs, None) for s in places()]
    assert apply(made.protocols[0], places(), predictions).value == 0.0


def test_a_part_of_the_samples_searches_the_whole_gallery(
    pairs: Path, tmp_path: Path
) -> None:
    made = benchmark("retrieve", protocols=RECALLS)
    job = Job(made, tuple(places()[:1]), pairs, subset=True)
    (done,) = run_jobs([job], EncoderAsker(Colours(), "x"), tmp_path / "run", Options())
    assert done.failed == 0
    line = (tmp_path / "run/made/predictions.jsonl").read_text()
    assert len(json.loads(line)["meta"]["scores"]) == 3
    manifest = json.loads((tmp_path / "run/run.json").read_text())
    assert manifest["model"]["engine"] == "encoder"


def test_words_search_images(pairs: Path) -> None:
    def text(name: str, words: str, right: str) -> Sample:
        said = (Turn(role="user", text=words),)
        kind = "text to image"
        return query(name, "none.png", kind, right, conversation=said)

    images = [
        sample(f"i-{c}", f"{c}.png", task="retrieve", type="image") for c in COLOURS
    ]
    asked = [text("t0", "a blue sea", "i-blue"), text("t1", "a red roof", "i-red")]
    write(pairs, [*asked, *images])
    asker = EncoderAsker(Colours())
    made = benchmark("retrieve", protocols=RECALLS)
    first = [json.loads(asker.ask(made, s, pairs, None).raw) for s in asked]
    assert [names[0] for names in first] == ["i-blue", "i-red"]
    assert sorted(first[0]) == ["i-blue", "i-green", "i-red"]  # also the irrelevant one
    item = asker.ask(made, images[0], pairs, None)  # asks for nothing, and fails not
    assert (item.status, item.raw, item.meta) == ("ok", "[]", {})


def test_images_search_words(pairs: Path) -> None:
    kinds = ("text-to-image", "image-to-text")
    texts = [
        query(f"t-{c}", "none.png", kinds[0], f"i-{c}",
              conversation=(Turn(role="user", text=f"a {c} roof"),))
        for c in COLOURS
    ]  # fmt: skip
    images = [query(f"i-{c}", f"{c}.png", kinds[1], f"t-{c}") for c in COLOURS]
    write(pairs, [*texts, *images])
    asker = EncoderAsker(Colours())
    made = benchmark("retrieve", protocols=RECALLS)
    for asked in (*texts, *images):
        got = asker.ask(made, asked, pairs, None)
        assert json.loads(got.raw)[0] in asked.relevant


def test_a_query_never_finds_itself() -> None:
    samples = [query(n, f"{n}.png", "", m) for n, m in (("a", "b"), ("b", "a"))]
    assert members(samples, samples[0]) == samples
    asker = EncoderAsker(Colours(), find=lambda benchmark, images: samples)
    asker._pictures.of = lambda *_: unit(np.ones((1, 3)))  # type: ignore[method-assign]
    got = asker.ask(benchmark("retrieve"), samples[0], Path(), None)
    assert list(got.meta["scores"]) == ["b"]


def test_items_that_are_no_records_are_told() -> None:
    with pytest.raises(SettingsError, match=r"of q \(gone\) are no records"):
        members([query("q", "q.png", "text to image", "gone")],
                query("q", "q.png", "text to image", "gone"))  # fmt: skip


def test_pictures_are_encoded_eight_at_a_time_and_by_sensor(tmp_path: Path) -> None:
    samples = []
    for number in range(20):
        noise = np.random.default_rng(number).integers(0, 255, (20, 30, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
        sensor = "sar" if number % 2 else "optical"
        samples.append(
            sample(f"s{number}", f"{number}.png", sensors=[sensor], options=("red",))
        )
    (tmp_path / "6.png").write_text("no picture")
    write(tmp_path, samples)
    embedder = Colours()
    asker = EncoderAsker(embedder)
    made = benchmark("classify")
    for one in samples:
        if one.id == "s6":  # does not stop those before it
            with pytest.raises(ImageError):
                asker.ask(made, one, tmp_path, None)
        else:
            asker.ask(made, one, tmp_path, None)
    assert [len(batch) for batch in embedder.batches] == [7, 8, 2, 2]
    assert all(len(set(batch)) == 1 for batch in embedder.batches)


def test_vectors_outlive_a_run_until_pixels_or_encoders_change(
    pictures: Path, tmp_path: Path
) -> None:
    cache = VectorCache(tmp_path / "cache/vectors.sqlite")
    asked = sample("s", "red.png", options=("red", "blue"))

    def encoded(stamp: str = "", **changes: Any) -> int:
        embedder = Colours(**changes)
        asker = EncoderAsker(embedder, cache=cache, stamp=stamp)
        assert (
            asker.ask(benchmark("classify"), asked, pictures, None).raw in asked.options
        )
        return embedder.encoded

    assert encoded() == 1
    assert encoded() == 0
    assert encoded(revision="2") == 1
    assert encoded(stamp="other code") == 1
    paint(pictures, "red.png", (0, 0, 255))
    assert encoded() == 1
    assert len(cache) == 4


def test_a_cache_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database, and long enough to be none" * 40)
    with pytest.raises(SettingsError, match="Delete the file"):
        VectorCache(tmp_path / "file")


@pytest.mark.parametrize("folder", [".", "images", "images/"])
def test_the_samples_are_found_from_their_images(tmp_path: Path, folder: str) -> None:
    write(tmp_path / "deep", [sample("s", "red.png")])
    made = benchmark(
        "classify", data={"file": "deep/made.jsonl", "license": "n", "images": folder}
    )
    (found,) = samples_beside(made, tmp_path / "deep" / folder)
    assert found.id == "s"


def test_class_names_become_words() -> None:
    assert prompt_names(["resident", "river_lake"]) == [
        "residential area", "river or lake",
    ]  # fmt: skip
    assert prompt_names(["river", "lake", "Boeing 787"]) == [
        "river", "lake", "Boeing 787",
    ]  # fmt: skip
