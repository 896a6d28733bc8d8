"""The vector store: exact and approximate search, changes, damage, several users."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rsvlm.embedding import Vectors, unit
from rsvlm.retrieval import snapshot, vectors
from rsvlm.retrieval.database import Database, StoreError
from rsvlm.retrieval.exact import best, merged, nothing
from rsvlm.retrieval.vectors import VectorStore

D = 16


def clustered(count: int, seed: int = 0, width: int = D) -> Vectors:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((40, width))
    points = centres[rng.integers(0, 40, count)]
    return unit(points + 0.4 * rng.standard_normal((count, width)))


def reference(queries: Vectors, rows: Vectors, k: int) -> Vectors:
    return np.sort(queries @ rows.T, axis=1)[:, ::-1][:, :k]


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    return VectorStore(Database(tmp_path / "index.sqlite"), D)


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VectorStore:
    """A store of 3,000 vectors, numbered from 1000, with a snapshot."""
    pytest.importorskip("faiss")
    monkeypatch.setattr(vectors, "LEAST_ROWS", 1000)
    monkeypatch.setattr(vectors, "FEW_ROWS", 100)
    store = VectorStore(Database(tmp_path / "index.sqlite"), D)
    store.add(np.arange(1000, 4000), clustered(3000))
    store.optimise()
    assert store.state.snapshot is not None
    return store


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 2, 15, 16, 17, 100, 8191, 8192, 8193, 9001]),
    st.integers(1, 40),
    st.integers(1, 34),
    st.floats(0, 1),
)
def test_exact_search_is_exact(n: int, k: int, queries: int, share: float) -> None:
    rng = np.random.default_rng(n + k)
    rows = unit(rng.standard_normal((n, 5)))
    asked = unit(rng.standard_normal((queries, 5)))
    found = best(asked, rows, k)
    wanted = reference(asked, rows, k)
    np.testing.assert_allclose(found.scores[:, : min(n, k)], wanted, atol=1e-6)
    assert (found.slots[:, n:] == -1).all()
    some = np.flatnonzero(rng.random(n) < share)
    part = best(asked, rows, k, some)
    wanted = reference(asked, rows[some], k)
    np.testing.assert_allclose(part.scores[:, : len(some)], wanted, atol=1e-6)
    assert set(part.slots[part.slots >= 0]) <= set(some)


def test_answers_merge_by_score() -> None:
    one = best(np.eye(2, dtype=np.float32)[:1], np.eye(2, dtype=np.float32), 2)
    assert merged(one, nothing(1, 2)).slots.tolist() == [[0, 1]]
    other = best(np.eye(2, dtype=np.float32)[:1], np.array([[0.5, 0]], np.float32), 1)
    assert merged(one, other).scores.tolist() == [[1.0, 0.5]]


def test_vectors_come_back_by_number(store: VectorStore) -> None:
    rows = clustered(5)
    store.add([7, 3, 9, 100, 0], rows)
    np.testing.assert_array_equal(store.get([100, 7]), rows[[3, 0]])
    found = store.search(rows[1:2], 2)
    assert found.ids[0, 0] == 3
    assert found.scores[0, 0] == pytest.approx(1)
    assert len(store) == 5
    with pytest.raises(KeyError, match="8"):
        store.get([8])


def test_an_empty_store_finds_nothing(store: VectorStore) -> None:
    found = store.search(clustered(2), 3)
    assert found.ids.tolist() == [[-1] * 3] * 2
    assert np.isneginf(found.scores).all()
    assert store.remove([1]) == 0


@pytest.mark.parametrize(
    ("ids", "rows", "message"),
    [
        ([1], clustered(2), "shape|numbers for"),
        ([1], 2 * clustered(1), "length 1"),
        ([1], np.full((1, D), np.nan, np.float32), "length 1"),
        ([1, 1], clustered(2), "twice"),
        ([-1], clustered(1), "negative"),
        ([5], clustered(1), "taken"),
    ],
)
def test_what_cannot_be_added(
    store: VectorStore, ids: list[int], rows: Vectors, message: str
) -> None:
    store.add([5], clustered(1))
    before = store.state
    with pytest.raises(ValueError, match=message):
        store.add(ids, rows)
    assert store.state == before


def test_removed_vectors_are_not_found_and_may_come_again(store: VectorStore) -> None:
    rows = clustered(20)
    store.add(range(20), rows)
    assert store.remove([4, 5, 99]) == 2
    assert len(store) == 18
    assert not {4, 5} & set(store.search(rows[4:6], 20).ids.ravel())
    store.add([4], rows[5:6])
    assert store.search(rows[5:6], 1).ids.tolist() == [[4]]


def test_a_filter_leaves_only_its_own(store: VectorStore) -> None:
    rows = clustered(50)
    store.add(range(50), rows)
    found = store.search(rows[:1], 50, among=[3, 7, 999])
    assert set(found.ids[0]) == {3, 7, -1}


def test_a_change_that_is_undone_leaves_nothing(store: VectorStore) -> None:
    rows = clustered(9)
    store.add([0], rows[:1])

    def fail() -> None:
        with store.database.writing():
            store.add([1, 2], rows[1:3])
            assert store.search(rows[2:3], 1).ids.tolist() == [[2]]
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert len(store) == 1
    store.add([5, 6, 7], rows[5:8])  # over the rows that were undone
    for number in (5, 6, 7):
        assert store.search(rows[number : number + 1], 1).ids.tolist() == [[number]]
    assert store.verify() == []


def test_two_users_of_one_folder_see_each_other(store: VectorStore) -> None:
    other = VectorStore(Database(store.database.path), D)
    rows = clustered(30)
    store.add(range(10), rows[:10])
    assert other.search(rows[3:4], 1).ids.tolist() == [[3]]
    other.add(range(10, 20), rows[10:20])
    other.remove([3])
    assert store.search(rows[13:14], 1).ids.tolist() == [[13]]
    assert store.search(rows[3:4], 1).ids.tolist() != [[3]]
    store.rebuild()  # another file
    other.add([20], rows[20:21])
    assert other.search(rows[20:21], 1).ids.tolist() == [[20]]
    assert len(store) == 20


def test_vectors_of_another_length_are_refused(store: VectorStore) -> None:
    with pytest.raises(StoreError, match=f"of {D} numbers, not 8"):
        VectorStore(store.database, 8)


def test_a_snapshot_finds_what_exact_search_finds(indexed: VectorStore) -> None:
    asked = unit(clustered(3000)[::30] + 0.1)
    quick, exact = indexed.search(asked, 10), indexed.search(asked, 10, exact=True)
    shared = [len(set(a) & set(b)) for a, b in zip(quick.ids, exact.ids, strict=True)]
    assert np.mean(shared) >= 9.5
    np.testing.assert_allclose(quick.scores[:, 0], exact.scores[:, 0], atol=1e-6)


def test_later_and_removed_rows_need_no_new_snapshot(indexed: VectorStore) -> None:
    made = indexed.state.snapshot
    later = clustered(50, seed=3)
    indexed.add(range(50), later)
    indexed.remove(range(1000, 1040))
    assert indexed.state.snapshot == made
    assert (indexed.search(later, 1).ids[:, 0] == np.arange(50)).all()
    gone = clustered(3000)[:40]
    assert not set(range(1000, 1040)) & set(indexed.search(gone, 20).ids.ravel())
    indexed.optimise()
    assert indexed.state.snapshot == made  # too few to pay


def test_a_stale_snapshot_is_carried_on(indexed: VectorStore) -> None:
    made = indexed.state.snapshot
    assert made is not None
    later = clustered(400, seed=3)
    indexed.add(range(400), later)
    indexed.remove(range(1000, 1100))
    indexed.optimise()
    new = indexed.state.snapshot
    assert new is not None
    assert (new.rows, new.slots, new.taught) == (3300, 3400, made.taught)
    assert (indexed.search(later, 1).ids[:, 0] == np.arange(400)).all()
    assert [p.name for p in indexed.folder.glob("*.faiss")] == [new.file]


def test_a_filter_holds_in_a_snapshot(indexed: VectorStore) -> None:
    among = np.arange(1000, 4000, 2)
    found = indexed.search(clustered(5), 30, among=among)
    assert (found.ids % 2 == 0).all()


def test_product_codes_are_rescored(indexed: VectorStore) -> None:
    indexed.rebuild("pq")
    made = indexed.state.snapshot
    assert made is not None
    assert made.codes == "pq"
    rows = clustered(3000)[:20]
    assert (indexed.search(rows, 1).ids[:, 0] == np.arange(1000, 1020)).all()


def test_rebuild_drops_removed_rows(indexed: VectorStore) -> None:
    rows = clustered(3000)
    indexed.remove(range(1000, 2500))
    indexed.rebuild()
    state = indexed.state
    assert (state.count, state.removed) == (1500, 0)
    assert (indexed.folder / state.file).stat().st_size == 1500 * D * 4
    assert [p.name for p in indexed.folder.glob("*.f32")] == [state.file]
    np.testing.assert_array_equal(indexed.get([2700]), rows[1700:1701])
    assert indexed.verify() == []


def flip(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)


def test_a_damaged_snapshot_is_refused_and_made_again(indexed: VectorStore) -> None:
    made = indexed.state.snapshot
    assert made is not None
    flip(indexed.folder / made.file, made.size // 2)
    again = VectorStore(Database(indexed.database.path), D)
    rows = clustered(3000)
    with pytest.raises(StoreError, match=f"{made.file}.*rsvlm index rebuild"):
        again.search(rows[:1], 1)
    assert any(made.file in line for line in again.verify())
    assert again.search(rows[:1], 1, exact=True).ids.tolist() == [[1000]]
    again.rebuild()
    assert again.search(rows[:1], 1).ids.tolist() == [[1000]]
    assert again.verify() == []


def test_a_missing_snapshot_is_refused(indexed: VectorStore) -> None:
    made = indexed.state.snapshot
    assert made is not None
    (indexed.folder / made.file).unlink()
    with pytest.raises(StoreError, match=made.file):
        indexed.search(clustered(1), 1)


def test_damaged_vectors_are_refused_and_named(store: VectorStore) -> None:
    rows = clustered(30)
    for start in (0, 10, 20):
        store.add(range(start, start + 10), rows[start : start + 10])
    flip(store.folder / store.state.file, 12 * D * 4)
    again = VectorStore(Database(store.database.path), D)
    with pytest.raises(StoreError, match=r"vectors-0\.f32.*damaged"):
        again.search(rows[:1], 1)
    assert again.damaged().tolist() == list(range(10, 20))
    with pytest.raises(StoreError, match="10 vectors"):
        again.rebuild()
    bad = again.damaged()
    again.remove(bad)
    again.add(bad, rows[10:20])
    again.rebuild()
    assert again.verify() == []
    assert again.search(rows[12:13], 1).ids.tolist() == [[12]]


def test_a_file_cut_short_is_refused(store: VectorStore) -> None:
    store.add(range(30), clustered(30))
    path = store.folder / store.state.file
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="damaged"):
        VectorStore(Database(store.database.path), D).search(clustered(1), 1)


def test_a_damaged_hit_is_noticed(indexed: VectorStore) -> None:
    state = indexed.state
    rows = clustered(3000)
    assert indexed.search(rows[5:6], 1).ids.tolist() == [[1005]]
    data = np.memmap(indexed.folder / state.file, "<f4", "r+", shape=(3000, D))
    data[5] *= 3
    data.flush()
    with pytest.raises(StoreError, match="damaged"):
        VectorStore(Database(indexed.database.path), D).search(rows[5:6], 1)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"index\.sqlite"):
        Database(tmp_path / "index.sqlite")


def test_the_wheel_is_told_to_multiply_matrices() -> None:
    faiss = pytest.importorskip("faiss")
    snapshot.load_faiss()
    assert faiss.cvar.distance_compute_blas_threshold == 20


def test_a_gpu_copy_serves_where_there_is_one(
    indexed: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    faiss = snapshot.load_faiss()
    copies = []

    def copy(resources: object, device: int, index: object) -> object:
        copies.append(device)
        return index

    monkeypatch.setattr(faiss, "StandardGpuResources", object, raising=False)
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 1)
    monkeypatch.setattr(faiss, "index_cpu_to_gpu", copy, raising=False)
    again = VectorStore(Database(indexed.database.path), D)
    rows = clustered(3000)
    assert again.search(rows[:1], 1).ids.tolist() == [[1000]]
    assert copies == [0]
