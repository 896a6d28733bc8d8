"""Writes a tiny extract of OpenStreetMap."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

#: Top left corner of the image, degrees, and degrees of a pixel: about 1.1 m.
WEST, NORTH, STEP = 10.0, 0.0, 1e-5


def lonlat(x: float, y: float) -> tuple[float, float]:
    """Return the position of a pixel of the image."""
    return WEST + STEP * x, NORTH - STEP * y


@pytest.fixture
def extract(tmp_path: Path) -> Callable[..., Path]:
    """Write ways (tags, points in pixels) and relations to an extract."""
    osmium = pytest.importorskip("osmium")

    def write(
        ways: Sequence[tuple[Mapping[str, str], Sequence[tuple[float, float]]]],
        name: str = "maps/map.osm.pbf",
        relations: Sequence[tuple[Mapping[str, str], Sequence[tuple[int, str]]]] = (),
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nodes: dict[tuple[float, float], int] = {}
        for _, points in ways:
            for point in points:
                nodes.setdefault(point, len(nodes) + 1)
        mutable = osmium.osm.mutable
        with osmium.SimpleWriter(str(path)) as writer:
            for point, number in nodes.items():
                writer.add_node(mutable.Node(id=number, location=lonlat(*point)))
            for number, (tags, points) in enumerate(ways, start=1):
                refs = [nodes[point] for point in points]
                writer.add_way(mutable.Way(id=number, nodes=refs, tags=dict(tags)))
            for number, (tags, members) in enumerate(relations, start=1):
                parts = [("w", way, role) for way, role in members]
                relation = mutable.Relation(id=number, members=parts, tags=dict(tags))
                writer.add_relation(relation)
        return path

    return write
