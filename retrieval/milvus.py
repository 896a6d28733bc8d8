"""The same vectors in Milvus: a cluster by address, or a file of milvus-lite.

The archive's rows stay in SQLite and are the truth: a vector is written before its row
is committed, under the number that the row will have, so that what a killed process
left behind is written over later and is never found before.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from rsvlm.embedding import Vectors
from rsvlm.errors import MissingExtraError
from rsvlm.retrieval.database import StoreError, batches
from rsvlm.retrieval.vectors_state import Found

#: Vectors in one request: 3 MB of 384 floats, below the limit of 64 MB of gRPC.
SENT = 2048


class MilvusVectors:
    """Vectors in a collection of Milvus; a ``VectorIndex``.

    .. versionadded:: 0.2
    """

    def __init__(
        self, address: str, width: int, collection: str = "tiles", token: str = ""
    ) -> None:
        """Connect, and create the collection where there is none.

        Args:
            address: ``http://HOST:PORT`` of a cluster, or a file name that ends in
                ``.db`` for milvus-lite.
            width: Length D of a vector.
            collection: Its name.
            token: Password of the cluster, ``USER:PASSWORD`` or a key.

        Raises:
            MissingExtraError: If the client is not installed.
            StoreError: If the server does not answer, or holds vectors of another
                length.
        """
        try:
            from pymilvus import DataType, MilvusClient, MilvusException
        except ImportError:
            raise MissingExtraError("pymilvus", "milvus") from None
        self.width, self.address, self._name = width, address, collection
        self._failure: type[Exception] = MilvusException
        try:
            self._client = MilvusClient(address, token=token)
            if not self._client.has_collection(collection):
                schema = MilvusClient.create_schema(auto_id=False)
                schema.add_field("id", DataType.INT64, is_primary=True)
                schema.add_field("vector", DataType.FLOAT_VECTOR, dim=width)
                index = self._client.prepare_index_params()
                index.add_index("vector", index_type="AUTOINDEX", metric_type="IP")
                self._client.create_collection(
                    collection, schema=schema, index_params=index,
                    consistency_level="Strong",
                )  # fmt: skip
            self._client.load_collection(collection)
            fields = self._client.describe_collection(collection)["fields"]
        except MilvusException as error:
            raise self._refusal(error) from None
        known = int(fields[1]["params"]["dim"])
        if known != width:
            raise StoreError(
                f"The collection {collection!r} of {address} holds vectors of {known} "
                f"numbers, not {width}. Name another collection."
            )

    def __len__(self) -> int:
        rows = self._ask("query", output_fields=["count(*)"], filter="")
        return int(rows[0]["count(*)"])

    def add(self, ids: ArrayLike, vectors: Vectors) -> None:
        """Add vectors of length 1, shape (N, D); those of the same numbers go."""
        numbers = np.asarray(ids, np.int64).reshape(-1).tolist()
        if np.shape(vectors) != (len(numbers), self.width):
            raise ValueError(
                f"{len(numbers)} numbers for vectors of {np.shape(vectors)}"
            )
        rows = [
            {"id": number, "vector": vector}
            for number, vector in zip(
                numbers, np.asarray(vectors, np.float32), strict=True
            )
        ]
        for part in batches(rows, SENT):
            self._ask("upsert", data=list(part))

    def remove(self, ids: ArrayLike) -> int:
        """Remove vectors; return how many there were."""
        there = self._rows(ids, ["id"])
        for part in batches(list(there), SENT):
            self._ask("delete", ids=list(part))
        return len(there)

    def get(self, ids: ArrayLike) -> Vectors:
        """Return vectors, shape (K, D).

        Raises:
            KeyError: If there is none of a number.
        """
        rows = self._rows(ids, ["vector"])
        wanted = np.asarray(ids, np.int64).reshape(-1).tolist()
        found = [rows[number]["vector"] for number in wanted]
        return np.array(found, np.float32).reshape(-1, self.width)

    def search(self, queries: Vectors, k: int, among: ArrayLike | None = None) -> Found:
        """Return the k best vectors of each query, shape (B, D).

        Args:
            queries: Of length 1.
            k: Vectors wanted for each.
            among: Numbers that may be found; they are sent with the request.
        """
        queries = np.asarray(queries, np.float32).reshape(-1, self.width)
        out = Found(
            np.full((len(queries), k), -1, np.int64),
            np.full((len(queries), k), -np.inf, np.float32),
        )
        only: dict[str, Any] = {}
        if among is not None:
            numbers = np.asarray(among, np.int64).reshape(-1).tolist()
            if not numbers:
                return out
            only = {"filter": f"id in {numbers}"}
        answers = self._ask("search", data=list(queries), limit=k, **only)
        for row, hits in enumerate(answers):
            for place, hit in enumerate(hits):
                out.ids[row, place] = hit["id"]
                out.scores[row, place] = hit["distance"]
        return out

    def optimise(self) -> None:
        """Wait until everything that was sent is on the disks of the server."""
        self._ask("flush")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _rows(self, ids: ArrayLike, fields: list[str]) -> dict[int, dict[str, Any]]:
        numbers = np.unique(np.asarray(ids, np.int64)).tolist()
        rows: dict[int, dict[str, Any]] = {}
        for part in batches(numbers, SENT):
            for row in self._ask("get", ids=list(part), output_fields=["id", *fields]):
                rows[int(row["id"])] = row
        return rows

    def _ask(self, method: str, **values: Any) -> Any:
        try:
            return getattr(self._client, method)(self._name, **values)
        except self._failure as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> StoreError:
        line = " ".join(str(error).split())[:200]
        return StoreError(
            f"Milvus at {self.address!r} failed: {line}. See that the server runs."
        )
