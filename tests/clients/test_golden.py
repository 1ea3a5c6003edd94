"""Databases that earlier versions wrote still open, answer and take writes."""
import os
import random
import tarfile

import pytest
from qdrant_client import QdrantClient, models as m

from conftest import Server

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden")


@pytest.fixture
def first(tmp_path):
    with tarfile.open(os.path.join(GOLDEN, "first.tar.xz")) as t:
        t.extractall(tmp_path, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    server = Server(tmp_path / "first").start()
    yield QdrantClient(server.url, timeout=60)
    server.stop()


def points():
    random.seed(7)
    return [{k: [random.randrange(-9, 10) + .5 for _ in range(4)] for k in ("cos", "l1", "l2")} for _ in range(2100)]


def distance(name, a, b):
    if name == "cos":
        dot, aa, bb = (sum(x * y for x, y in zip(u, v)) for u, v in ((a, b), (a, a), (b, b)))
        return -dot / (aa * bb) ** .5
    return sum(abs(x - y) for x, y in zip(a, b)) if name == "l1" else sum((x - y) ** 2 for x, y in zip(a, b))


@pytest.mark.parametrize("name", ["cos", "l1", "l2"])
def test_first_format(first, name):
    rows, hits = points(), 0
    assert first.count("old").count == 2100
    for query in ([1, 2, 3, 4], [-5, 0, 0, 2], [9, -9, 9, -9], [0.1, 0.2, -7, 3]):
        worst = sorted(distance(name, query, r[name]) for r in rows)[9]
        got = first.query_points("old", query=query, using=name, limit=10).points
        hits += sum(distance(name, query, rows[p.id][name]) <= worst + 1e-5 for p in got)
    assert hits >= 38
    filtered = first.query_points("old", query=[1, 2, 3, 4], using=name, limit=10, with_payload=True,
                                  query_filter=m.Filter(must=[m.FieldCondition(key="n", match=m.MatchValue(value=3))]))
    assert len(filtered.points) == 10 and all(p.payload["n"] == 3 for p in filtered.points)
    first.upsert("old", [m.PointStruct(id=5, vector={name: [1, 2, 3, 4]}, payload={"n": 77})])
    assert first.query_points("old", query=[1, 2, 3, 4], using=name, limit=1).points[0].id == 5
