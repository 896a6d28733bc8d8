"""The archive: built, searched by words, picture, place and date, changed, mended."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rsvlm.errors import ImageError, SettingsError
from rsvlm.ranges import Web
from rsvlm.raster import Raster
from rsvlm.retrieval import archive_build
from rsvlm.retrieval.archive import Archive, Filter, thinned
from rsvlm.retrieval.archive_cut import open_hit
from rsvlm.retrieval.archive_files import Entry, entries
from rsvlm.retrieval.archive_place import Place
from rsvlm.retrieval.archive_tables import TileHit
from rsvlm.retrieval.database import StoreError
from tests.serving_parts import serving

Write = Callable[..., Path]

RED, GREEN, BLUE, BLACK = (200, 20, 20), (20, 200, 20), (20, 20, 200), (0, 0, 0)


@pytest.fixture
def archive(tmp_path: Path, write_scene: Write, colours: Any) -> Iterator[Archive]:
    """An archive of three scenes: two optical, one radar."""
    paths = [
        write_scene("west.tif", RED, GREEN, lon=10, date="2020-05-01"),
        write_scene("east.tif", RED, BLUE, lon=12, date="2021-06-02"),
        write_scene("radar_2019.tif", RED, BLUE, lon=10, sar=True),
    ]
    with Archive(tmp_path / "archive", colours) as made:
        built = made.add([Entry(path) for path in paths])
        assert (built.rasters, built.failed) == (3, {})
        yield made


def names(hits: list[TileHit]) -> list[str]:
    return [Path(hit.path).name for hit in hits]


def test_words_find_tiles(archive: Archive) -> None:
    best = archive.search_words("green", 3)[0]
    assert (Path(best.path).name, best.level) == ("west.tif", 0)
    assert best.window == (64, 0, 128, 64)
    assert best.days == ("2020-05-01", "2020-05-01")
    assert best.gsd_m == pytest.approx(10, rel=0.01)
    assert best.geometry is not None
    lon, lat = np.mean(best.geometry["coordinates"][0][:-1], axis=0)
    assert (lon, lat) == (pytest.approx(10, abs=0.1), pytest.approx(50, abs=0.1))
    data = archive.thumbnail(best.tile)
    assert data is not None
    assert data[:4] == b"RIFF"


def test_sensors_are_ranked_on_one_scale(archive: Archive) -> None:
    assert archive.sensors == ["optical", "sar"]
    hits = archive.search_words("red", 6)
    scores = {hit.sensor: hit.score for hit in reversed(hits)}
    assert scores["sar"] < scores["optical"]  # the gap
    assert {hit.sensor for hit in hits[:3]} == {"optical", "sar"}
    assert [hit.lift for hit in hits] == sorted((h.lift for h in hits), reverse=True)


def test_a_radar_image_finds_optical_ones(archive: Archive, tmp_path: Path) -> None:
    with Raster.open(tmp_path / "radar_2019.tif") as raster:
        view = raster.preview()
    hits = archive.search_view(view, 5, Filter(sensor="optical"))
    assert {hit.sensor for hit in hits} == {"optical"}


def test_similar_tiles_leave_the_tile_out(archive: Archive) -> None:
    green = archive.search_words("green", 1)[0]
    blue = archive.search_words("blue", 1, Filter(sensor="optical"))[0]
    hits = archive.similar(blue.tile, 9)
    assert blue.tile not in [hit.tile for hit in hits]
    assert hits[0].tile != green.tile
    with pytest.raises(SettingsError, match="no tile 999"):
        archive.similar(999)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("9.9,49.9,10.2,50.2", {"west.tif", "radar_2019.tif"}),
        ("12,50,5", {"east.tif"}),
        ("11,50", set()),
        ("11,50,90", {"west.tif", "east.tif", "radar_2019.tif"}),
        ("EAST", {"east.tif"}),
        ("179,-1,-179,1", set()),
    ],
)
def test_places(archive: Archive, tmp_path: Path, text: str, found: set[str]) -> None:
    place = Place.parse(text.replace("EAST", str(tmp_path / "east.tif")))
    hits = archive.search_words("red", 20, Filter(place=place, per_raster=0))
    assert set(names(hits)) == found


@pytest.mark.parametrize("text", ["here", "1,2,3,4,5", "200,1", "1,2,-3", "3,9,4,1"])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(SettingsError, match="degrees"):
        Place.parse(text)


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (("2020-01-01", "2020-12-31"), {"west.tif"}),
        (("2019-06-01", "2020-05-01"), {"west.tif", "radar_2019.tif"}),
        (("2022-01-01", "9999-12-31"), set()),
    ],
)
def test_dates(archive: Archive, days: tuple[str, str], found: set[str]) -> None:
    hits = archive.search_words("red", 20, Filter(days=days, per_raster=0))
    assert set(names(hits)) == found


def hit(tile: int, path: str, x: float) -> TileHit:
    return TileHit(
        tile=tile, score=0, lift=0, path=path, window=(x, 0, x + 10, 10), level=0,
        sensor="optical",
    )  # fmt: skip


def test_one_raster_does_not_fill_the_list() -> None:
    found = [hit(n, "a", 20 * n) for n in range(5)] + [hit(9, "b", 0)]
    assert [h.tile for h in thinned(found, 4, 2)] == [0, 1, 9]
    assert [h.tile for h in thinned(found, 4, 0)] == [0, 1, 2, 3]
    close = [hit(0, "a", 0), hit(1, "a", 5), hit(2, "a", 8), hit(3, "b", 5)]
    assert [h.tile for h in thinned(close, 4, 3)] == [0, 2, 3]


def test_one_can_ask_about_a_hit(archive: Archive) -> None:
    best = archive.search_words("blue", 1, Filter(sensor="optical"))[0]
    with open_hit(best) as raster, Raster.open(best.path) as whole:
        assert (raster.width, raster.height) == (64, 64)
        assert raster.sensor == "optical"
        assert raster.georeference is not None
        assert whole.georeference is not None
        np.testing.assert_allclose(
            raster.georeference.lonlat([(0, 0)]),
            whole.georeference.lonlat([best.window[:2]]),
            atol=1e-9,
        )
        np.testing.assert_array_equal(
            raster.read(raster_box(raster), 64, 64), whole.read(best.box, 64, 64)
        )


def raster_box(raster: Raster) -> Any:
    from rsvlm.geometry import HBB

    return HBB(0, 0, raster.width, raster.height)


def test_blank_tiles_are_left_out(
    tmp_path: Path, write_scene: Write, colours: Any
) -> None:
    path = write_scene("half.tif", RED, RED)
    import rasterio

    with rasterio.open(path, "r+") as target:
        target.write(np.zeros((3, 64, 64), np.uint8), window=((0, 64), (0, 64)))
    with Archive(tmp_path / "archive", colours) as archive:
        built = archive.add([Entry(path)])
    assert built.blank >= 1
    assert built.tiles >= 2


def test_a_build_goes_on_where_it_stopped(
    tmp_path: Path, write_scene: Write, colours: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_build, "BATCH", 4)
    path = write_scene("long.tif", *[RED, GREEN, BLUE] * 5)
    seen: list[tuple[int, int]] = []

    def stop(_: str, done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 2:
            raise KeyboardInterrupt

    with Archive(tmp_path / "archive", colours) as archive:
        with pytest.raises(KeyboardInterrupt):
            archive.add([Entry(path)], stop)
        assert len(archive) == len(archive.vectors) == 8
        assert any("to its end" in line for line in archive.verify())
        built = archive.add([Entry(path)])
        assert len(archive) == len(archive.vectors) == 8 + built.tiles == seen[0][1]
        assert archive.add([Entry(path)]).kept == 1
        assert archive.verify() == []


def test_a_changed_file_is_indexed_anew(archive: Archive, write_scene: Write) -> None:
    before = len(archive)
    path = write_scene("west.tif", BLUE, BLUE, lon=10)
    assert any("has changed" in line for line in archive.verify())
    built = archive.add([Entry(path)])
    assert (built.rasters, len(archive)) == (1, before)
    hits = archive.search_words("green", 9, Filter(sensor="optical"))
    assert all(hit.tile > before for hit in hits if hit.path == str(path))
    assert archive.verify() == []


def test_rasters_on_other_hosts_are_indexed_where_the_host_is_allowed(
    tmp_path: Path, write_scene: Write, colours: Any
) -> None:
    path = write_scene("2020-11-04.tif", RED, GREEN)
    with serving(path.read_bytes()) as server:
        url, web = server.url("S2_20201104.tif"), Web.of([server.host])
        with Archive(tmp_path / "archive", colours) as archive:
            (entry,) = entries([url])
            built = archive.add([entry])
            assert "--allow-host" in built.failed[url]
            assert (server.paths, len(archive)) == ([], 0)
            built = archive.add([entry], web=web)
            assert (built.rasters, built.failed) == (1, {})
            assert archive.add([entry], web=web).kept == 1
            best = archive.search_words("green", 1)[0]
            assert (best.path, best.days) == (url, ("2020-11-04", "2020-11-04"))
            with open_hit(best, web) as raster:
                assert raster.crs is not None
            with pytest.raises(ImageError, match="--allow-host"):
                open_hit(best)
            assert archive.verify(web) == []
            server.tag = '"2"'
            assert any("has changed" in line for line in archive.verify(web))
            assert archive.verify() == []  # without leave nobody is asked
            assert archive.add([entry], web=web).rasters == 1
            assert archive.remove(url) > 0
            assert len(archive) == 0


def test_removed_rasters_are_not_found(archive: Archive, tmp_path: Path) -> None:
    gone = archive.remove(tmp_path / "west.tif")
    assert gone > 0
    assert "west.tif" not in names(archive.search_words("green", 20))
    assert len(archive) == len(archive.vectors)
    with pytest.raises(SettingsError, match=r"no raster .*west\.tif"):
        archive.remove(tmp_path / "west.tif")


def test_a_raster_that_fails_is_named(tmp_path: Path, colours: Any) -> None:
    (tmp_path / "broken.tif").write_bytes(b"II*\0 no raster")
    with Archive(tmp_path / "archive", colours) as archive:
        built = archive.add(entries([str(tmp_path / "broken.tif")]))
    assert list(built.failed) == [str(tmp_path / "broken.tif")]


def test_damaged_vectors_are_encoded_anew(archive: Archive, tmp_path: Path) -> None:
    path = next((tmp_path / "archive").glob("*.f32"))
    data = bytearray(path.read_bytes())
    data[5] ^= 0x40
    path.write_bytes(data)
    with Archive.open(tmp_path / "archive", archive.embedder) as again:
        with pytest.raises(StoreError, match=r"rsvlm index rebuild"):
            again.search_words("red")
        assert any("not as written" in line for line in again.verify())
        assert again.rebuild() > 0
        assert again.verify() == []
        assert again.search_words("green", 1)[0].window == (64, 0, 128, 64)


def test_other_encoders_are_refused(archive: Archive, colours: Any) -> None:
    colours.revision = "2"
    with pytest.raises(StoreError, match="revision '1', not '2'"):
        Archive(archive.folder, colours)
    assert len(Archive.open(archive.folder)) == len(archive)


def test_a_folder_without_archive(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="rsvlm index build"):
        Archive.open(tmp_path)
    assert not list(tmp_path.iterdir())


def test_all_is_in_one_transaction(
    archive: Archive, write_scene: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(archive)

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(archive.vectors, "add", fail)
    with pytest.raises(StoreError, match="disk is full"):
        archive.add([Entry(write_scene("new.tif", RED))])
    assert len(archive) == before
