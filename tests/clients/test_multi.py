"""Multi-vectors: as they are defined, written, kept over crashes, returned, compared and refused; over both transports. Queries of
every kind over them are held to the in-memory mode by test_query.py."""
import numpy as np
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server

DIM = 4
MAX_SIM = m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM)


@pytest.fixture(scope="module", params=TRANSPORTS)
def place(tmp_path_factory, request):
    s = Server(tmp_path_factory.mktemp("multi") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": "100"}).start()
    yield s, request.param
    s.stop()


def max_sim(query, stored):
    unit = lambda x: np.array(x) / np.linalg.norm(x, axis=-1, keepdims=True)
    return (unit(query) @ unit(stored).T).max(axis=1).sum()


def test_kept_over_a_crash(place):
    server, transport = place
    c, rng = server.client(transport), np.random.default_rng(5)
    c.create_collection("kept", vectors_config={
        "many": m.VectorParams(size=DIM, distance="Cosine", multivector_config=MAX_SIM, datatype=m.Datatype.FLOAT32),
        "half": m.VectorParams(size=DIM, distance="Dot", multivector_config=MAX_SIM, datatype=m.Datatype.FLOAT16),
        "one": m.VectorParams(size=2, distance="Dot")})
    vectors = {i: rng.uniform(-1, 1, (i % 5 + 1, DIM)).round(3).tolist() for i in range(200)}
    for at in range(0, 200, 40): # some are sealed
        c.upsert("kept", [m.PointStruct(id=i, vector={"many": vectors[i], "half": vectors[i]} if i % 3 else {"one": [1, 2]})
                          for i in range(at, at + 40)], wait=True)
    c.update_vectors("kept", [m.PointVectors(id=3, vector={"many": vectors[7] + vectors[8]})], wait=True) # it had none
    c.delete_vectors("kept", ["many"], [4], wait=True)
    server.kill()
    server.start()
    c = server.client(transport)
    there = {i: v for i, v in vectors.items() if i % 3 and i != 4}
    there[3] = vectors[7] + vectors[8]
    got = {p.id: p.vector for p in c.scroll("kept", limit=300, with_vectors=True)[0]}
    for i in range(200):
        assert ("many" in got[i]) == (i in there), i
        if i in there:
            unit = np.array(there[i]) / np.linalg.norm(there[i], axis=1, keepdims=True)
            assert np.allclose(got[i]["many"], unit, atol=1e-5), i
        if "half" in got[i]:
            assert np.allclose(got[i]["half"], vectors[i], atol=1e-3), i
    for _ in range(20):
        q = rng.uniform(-1, 1, (rng.integers(1, 4), DIM)).tolist()
        want = sorted(((max_sim(q, v), i) for i, v in there.items()), reverse=True)[:8]
        hits = c.query_points("kept", query=q, using="many", limit=8).points
        assert np.allclose([h.score for h in hits], [s for s, _ in want], atol=1e-4)
    found = c.query_points("kept", prefetch=m.Prefetch(query=q, using="many", limit=50), query=q, using="half", limit=5).points
    assert [h.score for h in found] == sorted((h.score for h in found), reverse=True) and len(found) == 5
    assert c.count("kept", m.Filter(must=[m.HasVectorCondition(has_vector="many")])).count == len(there)


def test_config_comes_back(place):
    server, transport = place
    c = server.client(transport)
    params = m.VectorParams(size=DIM, distance="Dot", multivector_config=MAX_SIM)
    c.create_collection("config", vectors_config=params)
    assert c.get_collection("config").config.params.vectors == params
    c.create_collection("config2", vectors_config={})
    c.create_vector_name("config2", "late", m.DenseVectorNameConfig(
        dense=m.DenseVectorConfig(size=DIM, distance=m.Distance.DOT, multivector_config=MAX_SIM)))
    c.upsert("config2", [m.PointStruct(id=1, vector={"late": [[1, 0, 0, 0], [0, 1, 0, 0]]})], wait=True)
    assert c.query_points("config2", query=[[1, 1, 0, 0], [0, 2, 0, 0]], using="late").points[0].score == 3


def test_beside_one_without_a_name(place):
    server, transport = place
    c = server.client(transport)
    for order in ({"": 4, "many": 2}, {"many": 2, "": 4}):  # the configuration was no JSON when the unnamed one came second
        c.recreate_collection("beside", vectors_config={name: m.VectorParams(size=size, distance="Dot") for name, size in order.items()})
        shown = c.get_collection("beside").config.params.vectors
        assert {name: v.size for name, v in shown.items()} == order


def test_one_is_a_list_of_one(place):
    server, transport = place
    c = server.client(transport)
    c.create_collection("single", vectors_config=m.VectorParams(size=2, distance="Euclid", multivector_config=MAX_SIM))
    c.upsert("single", [m.PointStruct(id=1, vector=[3.0, 4.0]), m.PointStruct(id=2, vector=[[0, 1], [1, 1]])], wait=True)
    assert c.retrieve("single", [1], with_vectors=True)[0].vector == [[3, 4]]
    assert [(h.id, round(h.score, 5)) for h in c.query_points("single", query=[0.0, 0.0]).points] == [(2, 1), (1, 5)]
    near = c.query_points("single", query=[[0, 0], [0, 0]]).points[0]
    assert near.id == 2 and abs(near.score - 2 ** 0.5) < 1e-5


@pytest.mark.parametrize("vector, why", [
    ([[1, 2], [1, 2, 3]], "same dimension"),
    ([[1, 2], []], "dimension"),
    ([[]], "non-empty"),
    ([[1, 2, 3]], "expected dim: 2, got 3"),
    ({"indices": [1], "values": [1.0]}, "Conversion"),
])
def test_refused(place, vector, why):
    server, transport = place
    c = server.client(transport)
    if not c.collection_exists("refused"):
        c.create_collection("refused", vectors_config={
            "many": m.VectorParams(size=2, distance="Dot", multivector_config=MAX_SIM), "one": m.VectorParams(size=2, distance="Dot")})
    if isinstance(vector, dict):
        vector = m.SparseVector(**vector)
    with pytest.raises(Exception, match=why):
        c.upsert("refused", [m.PointStruct(id=1, vector={"many": vector})], wait=True)
    assert c.count("refused").count == 0


def test_a_list_is_not_one(place):
    server, transport = place
    c = server.client(transport)
    c.create_collection("plain", vectors_config=m.VectorParams(size=2, distance="Dot"))
    with pytest.raises(Exception, match="Conversion between multi and regular vectors failed"):
        c.upsert("plain", [m.PointStruct(id=1, vector=[[1, 2]])], wait=True)
    with pytest.raises(Exception, match="Conversion between multi and regular vectors failed"):
        c.query_points("plain", query=[[1.0, 2.0]])
