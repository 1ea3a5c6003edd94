"""Vectors that come to a collection and go from it, while it is used and when it is opened again."""
import math
import random

import numpy as np
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server

DIM = 8


@pytest.fixture(scope="module", params=TRANSPORTS)
def server(tmp_path_factory, request):
    s = Server(tmp_path_factory.mktemp("names") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": "150"}).start()
    s.transport = request.param
    yield s
    s.stop()


def dense(size=DIM, distance=m.Distance.EUCLID, **more):
    return m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=size, distance=distance, **more))


def nearest(vectors, query, n=5):
    order = sorted(vectors, key=lambda i: (float(np.sum((vectors[i] - query) ** 2)), i))
    return order[:n]


def test_coming_and_going(server):
    client, rng, r = server.client(server.transport), np.random.default_rng(5), random.Random(5)
    client.create_collection("c", {"first": m.VectorParams(size=DIM, distance=m.Distance.EUCLID)})
    draw = lambda: rng.random(DIM).astype(np.float32)
    first = {i: draw() for i in range(400)}
    client.upsert("c", [m.PointStruct(id=i, vector={"first": v.tolist()}, payload={"n": i}) for i, v in first.items()])
    for round in range(3):
        second, words = {}, {}
        assert client.create_vector_name("c", "second", dense()).status == "completed"
        assert client.create_vector_name("c", "words", m.SparseVectorNameConfig(
            sparse=m.SparseVectorConfig(modifier=m.Modifier.IDF))).status == "completed"
        info = client.get_collection("c").config.params
        assert set(info.vectors) == {"first", "second"} and info.vectors["second"].size == DIM
        assert info.sparse_vectors["words"].modifier == m.Modifier.IDF
        assert client.query_points("c", query=draw().tolist(), using="second").points == []
        for ids in (r.sample(range(400), 120), r.sample(range(400), 60)):
            second.update({i: draw() for i in ids})
            client.update_vectors("c", [m.PointVectors(id=i, vector={"second": second[i].tolist()}) for i in ids])
        for i in range(400, 450): # new points, some of them over old ones' places
            first[i], second[i] = draw(), draw()
            words[i] = i % 7
            client.upsert("c", [m.PointStruct(id=i, vector={"first": first[i].tolist(), "second": second[i].tolist(),
                                                            "words": m.SparseVector(indices=[i % 7], values=[1.0 + i])})])
        if round == 1:
            server.stop()
            server.start()
            client = server.client(server.transport)
        for vectors, name in ((first, "first"), (second, "second")):
            query = draw()
            got = client.query_points("c", query=query.tolist(), using=name, limit=5,
                                      search_params=m.SearchParams(exact=True)).points
            assert [p.id for p in got] == nearest(vectors, query)
        got = client.query_points("c", query=m.SparseVector(indices=[3], values=[1.0]), using="words", limit=50).points
        assert {p.id for p in got} == {i for i, w in words.items() if w == 3}
        has = m.Filter(must=[m.HasVectorCondition(has_vector="second")])
        assert client.count("c", count_filter=has).count == len(second)
        assert client.delete_vector_name("c", "second").status == "completed"
        assert client.delete_vector_name("c", "words").status == "completed"
        with pytest.raises(Exception, match="Not existing vector name"):
            client.query_points("c", query=draw().tolist(), using="second")
        point = client.retrieve("c", [405], with_vectors=True)[0]
        assert list(point.vector) == ["first"] and client.count("c").count == 450
    client.delete_collection("c")


def test_what_is_refused(server):
    client = server.client(server.transport)
    client.create_collection("c", {"first": m.VectorParams(size=DIM, distance=m.Distance.DOT)})
    client.create_collection("d", m.VectorParams(size=DIM, distance=m.Distance.DOT))
    assert client.create_vector_name("c", "first", dense(distance=m.Distance.DOT)).status == "completed"
    for wrong in (dense(), dense(DIM + 1, m.Distance.DOT), m.SparseVectorNameConfig(sparse=m.SparseVectorConfig())):
        with pytest.raises(Exception, match="exists already"):
            client.create_vector_name("c", "first", wrong)
    with pytest.raises(Exception, match="size"):
        client.create_vector_name("c", "x", dense(70000))
    with pytest.raises(Exception, match="unnamed"):
        client.create_vector_name("d", "x", dense())
    client.create_vector_name("d", "x", m.SparseVectorNameConfig(sparse=m.SparseVectorConfig()))
    with pytest.raises(Exception, match="Not existing vector name"):
        client.delete_vector_name("c", "nothing")
    for call in (lambda: client.create_vector_name("none", "x", dense()), lambda: client.delete_vector_name("none", "x")):
        with pytest.raises(Exception, match="Collection .none. doesn"):
            call()
    for name in "cd":
        client.delete_collection(name)


def test_what_is_kept_and_echoed(client):
    """settings that the engine decides by itself: taken, kept through changes, shown as they were given"""
    client.delete_collection("kept")
    client.create_collection("kept", vectors_config=m.VectorParams(size=2, distance="Dot", memory="cold"),
                             sparse_vectors_config={"s": m.SparseVectorParams(modifier="idf", index=m.SparseIndexParams(datatype="uint8", memory="pinned"))},
                             hnsw_config=m.HnswConfigDiff(inline_storage=True, memory="cached"),
                             optimizers_config=m.OptimizersConfigDiff(prevent_unoptimized=True))
    client.update_collection("kept", collection_params=m.CollectionParamsDiff(
        read_fan_out_factor=0, read_fan_out_delay_ms=7, payload=m.PayloadStorageParams(memory="cached"),
        id_tracker=m.IdTrackerParams(memory="cold")),
        sparse_vectors_config={"s": m.SparseVectorParams(index=m.SparseIndexParams(on_disk=True))})
    config = client.get_collection("kept").config
    assert (config.params.read_fan_out_factor, config.params.read_fan_out_delay_ms) == (0, 7)
    assert (config.params.payload.memory, config.params.id_tracker.memory, config.params.vectors.memory) == ("cached", "cold", "cold")
    assert config.hnsw_config.inline_storage is True and config.hnsw_config.memory == "cached" and config.optimizer_config.prevent_unoptimized is True
    sparse = config.params.sparse_vectors["s"]
    assert (sparse.modifier, sparse.index.datatype, sparse.index.memory, sparse.index.on_disk) == ("idf", "uint8", "pinned", True)
    client.upsert("kept", [m.PointStruct(id=1, vector={"": [1, 2], "s": m.SparseVector(indices=[1], values=[0.37])})], wait=True)
    assert client.retrieve("kept", [1], with_vectors=True)[0].vector["s"].values == [pytest.approx(0.37)]
    client.delete_collection("kept")


def test_modifier_changes(client):
    """scores are those of a collection that was made so, of sealed and of new points"""
    client.delete_collection("turned")
    client.create_collection("turned", vectors_config={}, sparse_vectors_config={"s": m.SparseVectorParams()})
    points = [m.PointStruct(id=i, vector={"s": m.SparseVector(indices=[1, 2 + i % 5], values=[1.0, 2.0])}) for i in range(50)]
    client.upsert("turned", points[:40], wait=True)
    client.create_snapshot("turned")  # seals them
    client.upsert("turned", points[40:], wait=True)

    def scores():
        query = m.SparseVector(indices=[1, 3], values=[1.0, 1.0])
        return [h.score for h in client.query_points("turned", query=query, using="s", limit=50).points]
    plain = scores()
    assert plain == [3.0] * 10 + [1.0] * 40
    client.update_collection("turned", sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.IDF)})
    assert client.get_collection("turned").config.params.sparse_vectors["s"].modifier == m.Modifier.IDF
    rare, common = (math.log((50 - n + 0.5) / (n + 0.5) + 1) for n in (10, 50))
    assert scores() == pytest.approx([common + 2 * rare] * 10 + [common] * 40, rel=1e-5)
    client.update_collection("turned", sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.NONE)})
    assert scores() == plain
    client.delete_collection("turned")
