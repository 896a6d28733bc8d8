"""Encoding on workers: what they return stands in its place again."""

import sys
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rsvlm.embedding import Vectors, unit
from rsvlm.geometry import HBB, Window
from rsvlm.render import View
from rsvlm.retrieval.ray_encoding import RayEmbedder


class Brightness:
    """One number a picture, so that an order that is lost shows."""

    name, revision, width, scale = "brightness", "1", 2, 1.0
    sensors, side, window_m = frozenset({"optical"}), 4, None

    def encode_image(self, views: Sequence[View]) -> Vectors:
        values = [[float(view.pixels[0, 0, 0]), 100.0] for view in views]
        return unit(np.array(values, np.float32))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return unit(np.ones((len(texts), 2)))


def view(value: int) -> View:
    pixels = np.full((4, 4, 3), value, np.uint8)
    return View(pixels, Window(HBB(0, 0, 4, 4), 4, 4), "optical", "true-colour", "")


def holds(embedder: RayEmbedder) -> None:
    views = [view(value) for value in range(0, 250, 35)]
    expected = Brightness().encode_image(views)
    np.testing.assert_array_equal(embedder.encode_image(views), expected)
    np.testing.assert_array_equal(embedder.encode_image(views[:1]), expected[:1])
    assert embedder.encode_image([]).shape == (0, 2)
    assert embedder.encode_text(["a", "b"]).shape == (2, 2)
    assert (embedder.name, embedder.width, embedder.side) == ("brightness", 2, 4)


def here() -> Any:
    """Ray's calls, carried out in this process."""

    def remote(**_: Any) -> Any:
        def actor(kind: Any) -> Any:
            def start(*given: Any) -> Any:
                inner = kind(*given)
                return SimpleNamespace(
                    **{
                        name: SimpleNamespace(remote=getattr(inner, name))
                        for name in ("about", "encode_image", "encode_text")
                    }
                )

            return SimpleNamespace(remote=start)

        return actor

    return SimpleNamespace(remote=remote, get=lambda x: x, kill=lambda _: None)


@pytest.mark.parametrize("workers", [1, 3])
def test_pictures_are_divided_and_joined(
    monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setitem(sys.modules, "ray", here())
    with RayEmbedder(Brightness, workers) as embedder:
        holds(embedder)


@pytest.fixture
def cluster() -> Iterator[None]:
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("cluster")
def test_on_a_ray_of_this_machine() -> None:
    with RayEmbedder(Brightness, 2) as embedder:
        holds(embedder)
