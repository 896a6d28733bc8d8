"""Which policies a model gets, and with which thresholds."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.app.zooming import tile_progress, zoom_policies
from rsvlm.embedding import Vectors
from rsvlm.engines.base import Capabilities
from rsvlm.engines.stub import StubEngine
from rsvlm.findings import Findings
from rsvlm.retrieval.concepts import FILE, ConceptStore
from rsvlm.zooming_chain import ChainZoom
from rsvlm.zooming_known import KnownZoom
from rsvlm.zooming_margins import PictureProbe
from rsvlm.zooming_search import SearchZoom


class Encoder:
    name, revision, width, scale, side = "none", "1", 4, 1.0, 16
    sensors = frozenset({"optical"})

    def encode_image(self, views: Any) -> Vectors:
        raise NotImplementedError

    def encode_text(self, texts: Any) -> Vectors:
        raise NotImplementedError


class Knowing:
    labels, side = ("ship",), 448

    def find(self, *args: Any) -> Findings:
        raise NotImplementedError


def engine(zooms: bool) -> StubEngine:
    return StubEngine([], capabilities=Capabilities(zooms=zooms))


@pytest.mark.parametrize(
    ("zooms", "encoder", "expected"),
    [
        (False, None, set()),
        (True, None, {"chain"}),
        (False, Encoder(), {"search"}),
        (True, Encoder(), {"search", "chain"}),
    ],
)
def test_a_model_gets_what_its_parts_allow(
    zooms: bool, encoder: Encoder | None, expected: set[str]
) -> None:
    found = zoom_policies(engine(zooms), encoder)
    assert set(found) == expected
    if "chain" in expected:
        assert isinstance(found["chain"], ChainZoom)
    if "search" in expected:
        assert isinstance(found["search"], SearchZoom)
        assert found["search"].settings.whole_index


@pytest.mark.parametrize("encoder", [None, Encoder()])
def test_what_a_scan_found_comes_first(encoder: Encoder | None) -> None:
    finder = Knowing()
    found = zoom_policies(engine(False), encoder, finder, scans=lambda raster: None)
    known = found["auto"]
    assert isinstance(known, KnownZoom)
    assert (known.labels, known.then) == (finder.labels, None)
    assert ("search" in found) == (encoder is not None)
    if encoder:
        searching = found["search"]
        assert isinstance(searching, KnownZoom)
        assert isinstance(searching.then, SearchZoom)


@pytest.mark.parametrize(("revision", "fast"), [("1", 1.5), ("2", 3.0)])
def test_thresholds_come_with_the_labelled_pictures_of_the_encoders(
    revision: str, fast: float, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    probes = {"ship": PictureProbe(np.ones(4, np.float32), 0.0, 1.0)}
    ConceptStore(revision, probes, 1.5, 2.5).save(tmp_path / FILE)
    policy = zoom_policies(engine(False), Encoder(), folder=tmp_path)["search"]
    assert isinstance(policy, SearchZoom)
    assert policy.settings.fast == fast
    assert (policy.concepts is not None) == (revision == "1")
    # That they are not used is said, with the command that mends it.
    command = f"concepts_build DATA --model {tmp_path} --out {tmp_path / FILE}"
    assert (command in caplog.text) == (revision == "2")


def test_progress_is_quiet_where_nobody_looks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with tile_progress() as tell:
        tell(3, 10)
        tell(10, 10)
    assert capsys.readouterr() == ("", "")
