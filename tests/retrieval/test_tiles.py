"""The index of tiles: what is read, kept, taken up again and noticed."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rsvlm.embedding import Vectors, unit
from rsvlm.ranges import Web
from rsvlm.raster import Raster
from rsvlm.render import View
from rsvlm.retrieval import tiles_store
from rsvlm.retrieval.tiles import TileIndex, is_blank
from rsvlm.retrieval.tiles_grid import Pyramid, TileSettings
from rsvlm.retrieval.tiles_reading import read_tiles
from rsvlm.retrieval.tiles_store import BLANK, ENCODED, TileStoreError, content_key
from tests.serving_parts import serving

SMALL = TileSettings(tile=32, overlap=0.25)


class Colours:
    """Embeds a picture as its mean colour, so that a vector can be worked out."""

    name, revision, width, scale, side = "colours", "1", 4, 10.0, 16
    sensors = frozenset({"optical"})

    def __init__(self) -> None:
        self.seen = 0

    def encode_image(self, views: Sequence[View]) -> Vectors:
        self.seen += len(views)
        means = [view.pixels.reshape(-1, 3).mean(0) / 255 for view in views]
        return unit(np.hstack([means, np.ones((len(views), 1))]))

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "cache"))


def write(path: Path, pixels: NDArray[np.uint8], **profile: object) -> Path:
    import rasterio

    settings = {"driver": "GTiff", "dtype": "uint8", "count": 3, **profile}
    with rasterio.open(
        path,
        "w",
        width=pixels.shape[1],
        height=pixels.shape[0],
        crs="EPSG:32611",
        transform=rasterio.Affine(1, 0, 4e5, 0, -1, 4e6),
        **settings,
    ) as file:
        file.write(pixels.transpose(2, 0, 1))
    return path


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    generator = np.random.default_rng(0)
    return generator.integers(1, 256, (100, 150, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path: Path, pixels: NDArray[np.uint8]) -> Path:
    return write(tmp_path / "a.tif", pixels)


@pytest.fixture
def raster(path: Path) -> Iterator[Raster]:
    with Raster.open(path) as raster:
        yield raster


def opened(
    raster: Raster, encoder: Colours | None = None
) -> AbstractContextManager[TileIndex]:
    return TileIndex.open(raster, encoder or Colours(), SMALL)


# the pyramid


def test_levels_double_up_to_one_tile() -> None:
    pyramid = Pyramid(150, 100, 16, SMALL)
    # 32, 64, 128 and the whole: 256 would be more than there is, so 150.
    assert pyramid.scales == [2, 4, 8, 150 / 16]
    assert pyramid.of_level(3).size == 1
    assert pyramid.boxes[-1].tolist() == [0, 0, 150, 100]
    # Level 0 is drawn as 75 x 50 px: tiles of 16 at a stride of 12.
    first = pyramid.drawn[pyramid.of_level(0)]
    assert first[:3].tolist() == [[0, 0, 16, 16], [12, 0, 28, 16], [24, 0, 40, 16]]


def test_a_raster_of_one_tile_has_one_level() -> None:
    pyramid = Pyramid(30, 20, 16, SMALL)
    assert len(pyramid) == 1
    assert pyramid.boxes.tolist() == [[0, 0, 30, 20]]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 900), st.integers(1, 900), st.integers(8, 64))
def test_tiles_of_a_level_cover_the_raster(width: int, height: int, side: int) -> None:
    pyramid = Pyramid(width, height, side, SMALL)
    assert (pyramid.boxes[:, 2:] > pyramid.boxes[:, :2]).all()
    assert (pyramid.boxes >= 0).all()
    for level in range(len(pyramid.scales)):
        boxes = pyramid.boxes[pyramid.of_level(level)]
        for x, y in ((0.5, 0.5), (width - 0.5, height - 0.5), (width / 2, height / 3)):
            inside = (boxes[:, :2] <= (x, y)).all(1) & (boxes[:, 2:] >= (x, y)).all(1)
            assert inside.any()


def test_children_lie_in_their_tile() -> None:
    pyramid = Pyramid(150, 100, 16, SMALL)
    top = len(pyramid) - 1
    assert pyramid.children(top).tolist() == pyramid.of_level(2).tolist()
    tile = int(pyramid.of_level(1)[0])
    below = pyramid.children(tile)
    assert set(pyramid.levels[below]) == {0}
    middles = (pyramid.boxes[below, :2] + pyramid.boxes[below, 2:]) / 2
    assert (middles <= pyramid.boxes[tile, 2:]).all()


# reading


def test_tiles_are_what_a_view_of_their_window_shows(raster: Raster) -> None:
    pyramid = Pyramid(raster.width, raster.height, 16, SMALL)
    seen = []
    for numbers, views in read_tiles(raster, pyramid, np.arange(len(pyramid))):
        for number, view in zip(numbers, views, strict=True):
            seen.append(int(number))
            assert view.pixels.shape[:2] == (view.window.height, view.window.width)
            alone = raster.view(view.window.box, view.window.width, view.window.height)
            # Coarser pictures end inside a pixel, which moves those beside it a bit.
            most = 1 if pyramid.levels[number] == 0 else 255
            assert np.abs(view.pixels.astype(int) - alone.pixels).max() <= most
    assert sorted(seen) == list(range(len(pyramid)))


def test_many_parts_come_in_order_and_whole(
    raster: Raster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rsvlm.retrieval.tiles_reading.PART", 16 * 40)
    pyramid = Pyramid(raster.width, raster.height, 16, SMALL)
    batches = list(read_tiles(raster, pyramid, np.arange(len(pyramid))))
    assert len(batches) > 8
    assert sorted(np.concatenate([n for n, _ in batches])) == list(range(len(pyramid)))


def test_a_raster_of_bytes_is_read_as_well(path: Path) -> None:
    with Raster.from_bytes(path.read_bytes(), str(path)) as raster:
        pyramid = Pyramid(raster.width, raster.height, 16, SMALL)
        batches = list(read_tiles(raster, pyramid, np.arange(3)))
    assert sum(len(views) for _, views in batches) == 3


# the index


def test_vectors_are_of_their_tiles(raster: Raster, pixels: NDArray[np.uint8]) -> None:
    with opened(raster) as index:
        index.build()
        assert index.is_complete
        vectors, seen = index.vectors(np.arange(len(index)))
        box = index.pyramid.box(1)
    assert seen.all()
    x0, x1, y1 = int(box.x0), int(box.x1), int(box.y1)
    mean = pixels[:y1, x0:x1].reshape(-1, 3).mean(0) / 255
    assert vectors[1] == pytest.approx(unit(np.append(mean, 1)), abs=0.01)


def test_a_second_question_reads_nothing(raster: Raster) -> None:
    encoder = Colours()
    with opened(raster, encoder) as index:
        index.build()
    before = encoder.seen
    with opened(raster, encoder) as index:
        index.build()
        assert (index.read, index.has_changed) == (0, False)
    assert encoder.seen == before == len(index)


def test_an_interrupted_run_is_carried_on(raster: Raster) -> None:
    class Interrupted(Colours):
        def encode_image(self, views: Sequence[View]) -> Vectors:
            if self.seen > 10:
                raise KeyboardInterrupt
            return super().encode_image(views)

    with pytest.raises(KeyboardInterrupt), opened(raster, Interrupted()) as index:
        index.build()
    encoder = Colours()
    with opened(raster, encoder) as index:
        kept = int((index.store.states != 0).sum())
        assert 8 <= kept < len(index)
        index.build()
        assert index.read == len(index) - kept
        vectors, _ = index.vectors(np.arange(len(index)))
    os.utime(raster.path)
    with opened(raster) as fresh:
        fresh.build()
        assert fresh.read == len(fresh)
        again, _ = fresh.vectors(np.arange(len(fresh)))
    assert np.array_equal(vectors, again)


def test_a_limited_build_begins_with_coarse_levels_and_goes_on(raster: Raster) -> None:
    def built(most: int | None) -> tuple[int, int | None, list[int]]:
        with TileIndex.open(raster, Colours(), SMALL, most=most) as index:
            index.build()
            left = index.levels[index.store.states == 0]
            return index.read, index.finest_complete, sorted(set(left.tolist()))

    with opened(raster) as index:
        counts = np.bincount(index.levels)
        assert index.finest_complete is None
    coarse = int(counts[1:].sum())
    assert built(counts[3]) == (counts[3], 3, [0, 1, 2])
    assert built(coarse - counts[3] - 1) == (coarse - counts[3] - 1, 2, [0, 1])
    assert built(2) == (2, 1, [0])
    assert built(None) == (counts[0] - 1, 0, [])
    assert built(9) == (0, 0, [])


def test_an_interrupted_build_leaves_whole_coarse_levels(raster: Raster) -> None:
    class Interrupted(Colours):
        def encode_image(self, views: Sequence[View]) -> Vectors:
            if self.seen > 20:
                raise KeyboardInterrupt
            return super().encode_image(views)

    with pytest.raises(KeyboardInterrupt), opened(raster, Interrupted()) as index:
        index.build()
    with opened(raster) as index:
        assert index.finest_complete == 1


def test_only_what_is_asked_for_is_read(raster: Raster) -> None:
    encoder = Colours()
    with opened(raster, encoder) as index:
        vectors, seen = index.vectors(np.array([5, 2]))
        assert encoder.seen == 2
        assert seen.tolist() == [True, True]
        index.build()
        again, _ = index.vectors(np.array([5, 2]))
    assert encoder.seen == len(index)
    assert np.allclose(vectors, again, atol=1e-3)


def test_a_raster_that_changes_on_disk_is_noticed(
    path: Path, pixels: NDArray[np.uint8]
) -> None:
    with Raster.open(path) as raster, opened(raster) as index:
        index.build()
        key = content_key(raster)
    about = path.stat()
    write(path, 255 - pixels)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert path.stat().st_size == about.st_size
    with Raster.open(path) as raster:
        assert content_key(raster) != key  # same size, same time
        with opened(raster) as index:
            assert index.has_changed
            assert not index.store.states.any()
    assert len(list((Path(os.environ["RSVLM_CACHE"]) / "tiles").glob("*/"))) <= 2


def test_a_file_on_another_host_is_indexed_once_and_its_changes_are_noticed(
    path: Path,
) -> None:
    with serving(path.read_bytes()) as server:

        def indexed() -> tuple[int, bool]:
            web = Web.of([server.host])
            with Raster.open(server.url(), web=web) as raster, opened(raster) as index:
                index.build()
                return index.read, index.has_changed

        first, changed = indexed()
        assert first > 8
        assert not changed
        assert indexed() == (0, False)
        server.tag = '"2"'
        assert indexed() == (first, True)


def test_another_revision_of_the_encoder_starts_anew(raster: Raster) -> None:
    with opened(raster) as index:
        index.build()
    encoder = Colours()
    encoder.revision = "2"
    with opened(raster, encoder) as index:
        assert not index.store.states.any()
        assert not index.has_changed


def test_a_damaged_store_is_made_again(raster: Raster) -> None:
    with opened(raster) as index:
        index.build()
        folder = index.store.folder
    (folder / "states.u8").write_bytes(b"\1")
    with opened(raster) as index:
        assert len(index.store.states) == len(index)
        assert not index.is_complete


def test_blank_tiles_are_not_encoded(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    pixels[:, 60:] = 0
    with Raster.open(write(tmp_path / "b.tif", pixels, nodata=0)) as raster:
        encoder = Colours()
        with opened(raster, encoder) as index:
            index.build()
            states = index.store.states
            beyond = index.pyramid.boxes[:, 0] >= 60
            assert (states[beyond] == BLANK).all()
            assert (states[~beyond] == ENCODED).any()
            vectors, seen = index.vectors(np.flatnonzero(beyond))
    assert not vectors.any()
    assert not seen.any()
    assert encoder.seen == (states == ENCODED).sum()


def test_one_value_is_blank(raster: Raster) -> None:
    view = raster.preview()
    assert not is_blank(view)
    view.pixels[:] = 7
    assert is_blank(view)


def test_progress_counts_the_tiles(raster: Raster) -> None:
    told: list[tuple[int, int]] = []
    with TileIndex.open(
        raster, Colours(), SMALL, lambda done, all: told.append((done, all))
    ) as index:
        index.build()
    assert told[-1] == (len(index), len(index))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


# trouble with the disk


def test_a_full_disk_is_named_before_any_work(
    raster: Raster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    encoder = Colours()
    with monkeypatch.context() as patched:
        patched.setattr(tiles_store, "write_json", full)
        with pytest.raises(TileStoreError, match=r"is full.*RSVLM_CACHE"):
            opened(raster, encoder).__enter__()
    assert encoder.seen == 0
    with opened(raster, encoder) as index:  # nothing half-made is left behind
        index.build()


def test_a_disk_that_fills_up_meanwhile_is_named(raster: Raster) -> None:
    class Full:
        def seek(self, *_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        def close(self) -> None: ...

    with opened(raster) as index, index.store._vectors:
        index.store._vectors = Full()  # type: ignore[assignment]
        with pytest.raises(TileStoreError, match="is full"):
            index.build()


def test_a_cache_that_cannot_be_written_is_named(
    raster: Raster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RSVLM_CACHE", str(tmp_path / "file"))
    with pytest.raises(TileStoreError, match="cannot be written"):
        opened(raster).__enter__()
