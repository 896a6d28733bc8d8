"""The vectors of an archive in Milvus, here in milvus-lite."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from rsvlm.embedding import Vectors, unit
from rsvlm.retrieval.database import StoreError
from rsvlm.retrieval.milvus import MilvusVectors

pytest.importorskip("pymilvus")
pytest.importorskip("milvus_lite")

# Both packages leave connections and threads to the end of the process.
pytestmark = pytest.mark.filterwarnings("ignore")

D = 8


@pytest.fixture
def vectors(tmp_path: Path) -> Iterator[MilvusVectors]:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    made = MilvusVectors(str(tmp_path / "vectors.db"), D)
    yield made
    made.close()


def rows(count: int) -> Vectors:
    return unit(np.random.default_rng(0).standard_normal((count, D)))


def test_it_answers_like_the_store_of_a_folder(vectors: MilvusVectors) -> None:
    held = rows(50)
    vectors.add(range(100, 150), held)
    assert len(vectors) == 50
    np.testing.assert_allclose(vectors.get([120, 101]), held[[20, 1]], atol=1e-6)
    found = vectors.search(held[:5], 3)
    scores = np.sort(held[:5] @ held.T, axis=1)[:, ::-1][:, :3]
    assert found.ids[:, 0].tolist() == [100, 101, 102, 103, 104]
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)
    only = vectors.search(held[:1], 3, among=[110, 111])
    assert set(only.ids[0]) == {110, 111, -1}
    assert vectors.search(held[:1], 2, among=[]).ids.tolist() == [[-1, -1]]
    vectors.add([100], held[49:50])  # what a killed process left is written over
    assert len(vectors) == 50
    assert vectors.remove([100, 149, 999]) == 2
    assert len(vectors) == 48
    assert 149 not in vectors.search(held[49:50], 48).ids
    vectors.optimise()
    with pytest.raises(KeyError):
        vectors.get([999])


def test_vectors_of_another_length_are_refused(
    vectors: MilvusVectors, tmp_path: Path
) -> None:
    with pytest.raises(StoreError, match=f"of {D} numbers, not 4"):
        MilvusVectors(vectors.address, 4)


def test_a_server_that_does_not_answer() -> None:
    with pytest.raises(StoreError, match="failed"):
        MilvusVectors("http://127.0.0.1:9", D)
