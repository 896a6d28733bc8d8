"""Labelled pictures: kept, checked against their encoders, learned from samples."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rsvlm.embedding import Vectors, unit
from rsvlm.errors import CheckpointError
from rsvlm.geometry import HBB, Window
from rsvlm.render import View
from rsvlm.retrieval.concepts import ConceptStore
from rsvlm.retrieval.concepts_build import Shown, build, fitted, thinned, windows_of
from rsvlm.samples import ImageRef, Sample, Target
from rsvlm.zooming_margins import PictureProbe


class Colours:
    """Embeds a picture as its mean colour; texts as nothing known."""

    name, revision, width, scale, side = "colours", "7", 4, 10.0, 16
    sensors = frozenset({"optical"})

    def encode_image(self, views: Sequence[View]) -> Vectors:
        means = [view.pixels.reshape(-1, 3).mean(0) / 255 for view in views]
        return unit(np.hstack([means, np.ones((len(views), 1))]))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        rows = [[1, len(text) % 7, len(text) % 3, 1] for text in texts]
        return unit(np.array(rows, float))


def plain(*colour: int) -> View:
    pixels = np.full((8, 8, 3), colour, np.uint8)
    return View(pixels, Window(HBB(0, 0, 8, 8), 8, 8), "optical", "true-colour", "")


def store() -> ConceptStore:
    direction = np.array([1, 0, 0, 0], np.float32)
    probes = {"ship": PictureProbe(direction, 0.25, 0.5)}
    return ConceptStore("7", probes, 3.5, 2.5)


def test_a_store_comes_back(tmp_path: Path) -> None:
    store().save(tmp_path / "concepts.npz")
    found = ConceptStore.load(tmp_path / "concepts.npz", "7")
    assert (found.fast, found.slow) == (3.5, 2.5)
    probe = found.probe("ship")
    assert probe is not None
    assert probe.margins(np.eye(4, dtype=np.float32)[:2]) == pytest.approx([1.5, -0.5])


def test_other_words_find_the_label() -> None:
    known = store()
    assert known.probe("boats") is known.probes["ship"]
    assert store().probe("windmill") is None


def test_a_store_of_other_encoders_is_refused(tmp_path: Path) -> None:
    store().save(tmp_path / "concepts.npz")
    with pytest.raises(
        CheckpointError, match="revision '7' of the encoders, not by '8'"
    ):
        ConceptStore.load(tmp_path / "concepts.npz", "8")


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04broken"])
def test_a_damaged_store_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "concepts.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="is no concept store"):
        ConceptStore.load(path, "7")


def sample(path: str, targets: dict[str, HBB], **more: object) -> Sample:
    return Sample.model_validate(
        {
            "id": path, "task": "detect", "source": "s", "licence": "l",
            "split": "train", "images": [ImageRef(path=path, width=200, height=120)],
            "targets": [
                Target(label=label, hbb=(b.x0, b.y0, b.x1, b.y1))
                for label, b in targets.items()
            ],
            **more,
        }
    )  # fmt: skip


def test_windows_know_what_they_show() -> None:
    ship, plane = HBB(10, 10, 20, 20), HBB(180, 100, 190, 110)
    samples = [sample("a.png", {"ship": ship, "airplane": plane}) for _ in range(20)]
    shown = windows_of(samples, Path("x"), 64)
    assert {one.labels for one in shown} >= {
        frozenset({"ship"}), frozenset({"airplane"}), frozenset[str](),
    }  # fmt: skip
    for one in shown:
        assert (one.window.width, one.window.height) == (64, 64)
        for label, box in (("ship", ship), ("airplane", plane)):
            x, y = box.center
            w = one.window
            assert (label in one.labels) == (w.x0 <= x < w.x1 and w.y0 <= y < w.y1)
    assert len(thinned(shown, 3)) <= 3 * 4


def test_scenes_are_shown_whole_and_radar_is_left_out() -> None:
    scene = sample(
        "b.png", {}, task="classify", answers=["forest"], meta={"kind": "scene"}
    )
    cover = sample(
        "b.png", {}, task="classify", answers=["water"], meta={"kind": "cover"}
    )
    radar = sample(
        "c.png", {}, images=[ImageRef(path="c.png", width=9, height=9, sensor="sar")]
    )
    (shown,) = windows_of([scene, cover, radar], Path("x"), 64)
    assert shown == Shown(Path("x/b.png"), HBB(0, 0, 200, 120), frozenset({"forest"}))


def test_a_label_is_learned_from_its_pictures(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    shown = []
    for number in range(48):
        red = number % 3 == 0
        pixels = generator.integers(40, 120, (32, 32, 3), np.uint8)
        pixels[..., 0] += 60 * red
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        labels = frozenset({"barn"} if red else ())
        shown.append(Shown(path, HBB(0, 0, 32, 32), labels))
    encoder = Colours()
    found = build(shown[:30], shown[30:], encoder)
    assert set(found.probes) == {"barn"}
    assert found.revision == "7"
    margins = found.probes["barn"].margins(
        encoder.encode_image([plain(160, 80, 80), plain(80, 80, 80)])
    )
    assert margins[0] > found.slow > margins[1]


def test_nothing_labelled_means_a_threshold_that_nothing_reaches() -> None:
    assert fitted({}, [], np.zeros((0, 4), np.float32)) == 1e6
