"""The first day of a user: the official client from creation to deletion, at a real size."""
import time

import httpx
import numpy as np
import pytest
from qdrant_client import models as m

N, DIM = 50_000, 48


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(200, DIM))
    return (centres[rng.integers(0, 200, N)] + 0.7 * rng.normal(size=(N, DIM))).astype(np.float32)


def payload(i):
    return {"group": i % 100, "city": ["berlin", "paris", "rome", "oslo"][i % 4], "price": i / 10,
            "when": f"2024-{1 + i % 12:02d}-{1 + i % 28:02d}T10:00:00Z", "tags": [f"t{i % 7}", f"u{i % 11}"],
            "open": i % 3 == 0, "nested": [{"a": i % 5, "b": i % 2}, {"a": i % 3}]}


def wait_green(client, name):
    for _ in range(600):
        info = client.get_collection(name)
        if info.status == m.CollectionStatus.GREEN and info.indexed_vectors_count >= 0.6 * info.points_count:
            return info
        time.sleep(0.2)
    raise AssertionError("the collection does not become green")


def test_first_day(client, vectors):
    name = "tour"
    client.delete_collection(name)
    assert client.create_collection(name, vectors_config=m.VectorParams(size=DIM, distance=m.Distance.COSINE))
    for field, kind in [("group", "integer"), ("city", "keyword"), ("price", "float"), ("when", "datetime"),
                        ("open", "bool")]:
        assert client.create_payload_index(name, field, kind).status == m.UpdateStatus.COMPLETED
    for at in range(0, N, 1000):
        ids = range(at, at + 1000)
        client.upsert(name, m.Batch(ids=list(ids), vectors=vectors[at:at + 1000].tolist(),
                                    payloads=[payload(i) for i in ids]), wait=at + 1000 == N)
    assert client.count(name).count == N
    info = wait_green(client, name)
    assert info.points_count == N and info.payload_schema["city"].points == N

    # recall of the graph against the exact answer, plain and under filters
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    rng = np.random.default_rng(8)
    queries = (vectors[rng.integers(0, N, 100)] + 0.3 * rng.normal(size=(100, DIM))).astype(np.float32)
    filters = {
        "none": (None, np.ones(N, bool)),
        "city": (m.Filter(must=[m.FieldCondition(key="city", match=m.MatchValue(value="rome"))]), np.arange(N) % 4 == 2),
        "half": (m.Filter(must=[m.FieldCondition(key="price", range=m.Range(lt=N / 20))]), np.arange(N) < N / 2),
        "ten": (m.Filter(must=[m.FieldCondition(key="group", range=m.Range(gte=90))]), np.arange(N) % 100 >= 90),
        "one": (m.Filter(must=[m.FieldCondition(key="group", match=m.MatchValue(value=5))]), np.arange(N) % 100 == 5),
        "not": (m.Filter(must_not=[m.FieldCondition(key="city", match=m.MatchAny(any=["rome", "oslo"]))]),
                np.arange(N) % 4 < 2),
    }
    for label, (f, mask) in filters.items():
        allowed = np.flatnonzero(mask)
        assert client.count(name, f).count == len(allowed), label
        hits = 0
        for q in queries:
            scores = unit[allowed] @ (q / np.linalg.norm(q))
            best = np.sort(scores)[-10]
            got = client.query_points(name, query=q.tolist(), query_filter=f, limit=10).points
            assert len(got) == 10 and all(mask[p.id] for p in got), label
            hits += sum(p.score >= best - 1e-5 for p in got)
        assert hits / 1000 >= (0.97 if label == "none" else 0.95), (label, hits / 1000)

    # scroll to the end
    seen, offset = [], None
    while True:
        points, offset = client.scroll(name, limit=7000, offset=offset, with_payload=False)
        seen += [p.id for p in points]
        if offset is None:
            break
    assert seen == list(range(N))

    # change, delete, count
    everything = m.Filter(must=[m.FieldCondition(key="group", match=m.MatchValue(value=3))])
    client.set_payload(name, {"marked": True}, points=everything)
    assert client.count(name, m.Filter(must=[m.FieldCondition(key="marked", match=m.MatchValue(value=True))])).count == N // 100
    client.delete(name, m.FilterSelector(filter=m.Filter(must=[m.FieldCondition(key="group", range=m.Range(lt=50))])))
    assert client.count(name).count == N // 2
    got = client.query_points(name, query=vectors[60].tolist(), limit=5, with_payload=True).points
    assert got[0].id == 60 and got[0].payload["group"] == 60
    assert client.retrieve(name, [1, 99])[0].id == 99
    assert client.recreate_collection(name, vectors_config=m.VectorParams(size=4, distance=m.Distance.DOT)) \
        if hasattr(client, "recreate_collection") else client.delete_collection(name)


def test_graph_is_used(server, client, vectors):
    import json
    import urllib.request
    name = "plans"
    client.delete_collection(name)
    client.create_collection(name, vectors_config=m.VectorParams(size=DIM, distance=m.Distance.EUCLID))
    client.upload_collection(name, vectors[:25000], ids=range(25000), batch_size=1000, wait=True)
    wait_green(client, name)
    body = json.dumps({"query": vectors[5].tolist(), "limit": 3}).encode()
    request = urllib.request.Request(f"{server.url}/collections/{name}/points/query?explain=true", body,
                                     {"content-type": "application/json"})
    answer = json.load(urllib.request.urlopen(request))["result"]
    assert "walk" in [p["strategy"] for p in answer["explain"]]
    assert answer["points"][0]["id"] == 5 and answer["points"][0]["score"] < 1e-3
    with urllib.request.urlopen(f"{server.url}/collections/{name}/memory") as r:
        parts = {p["part"]: p for p in json.load(r)["result"]["parts"]}
    cluster = client.http.distributed_api.collection_cluster_info(name).result
    assert cluster.shard_count == 1 and cluster.local_shards[0].points_count == 25000 and not cluster.remote_shards
    held, stored = (sum(p[k] for p in parts.values()) for k in ("held_bytes", "stored_bytes"))
    assert held + stored >= 25000 * (DIM * 4 + 16) and set(parts) <= {"ids", "documents", "vectors", "index", "changes", "growing"}


def test_index_parameters(server, client, vectors):
    """m = 0 and indexing_threshold = 0 mean no graph, until they are changed; ours is asked for the plan."""
    import json
    import urllib.request

    def plans(name):
        body = json.dumps({"query": vectors[5].tolist(), "limit": 3, "params": {"acorn": {"enable": True}}}).encode()
        request = urllib.request.Request(
            f"{server.url}/collections/{name}/points/query?explain=true&timeout=60&consistency=majority", body,
            {"content-type": "application/json"})
        return {p["strategy"] for p in json.load(urllib.request.urlopen(request))["result"]["explain"]}

    def change(name, **what):
        client.update_collection(name, **what)
        for _ in range(1200):
            if "walk" in plans(name):
                return
            time.sleep(0.1)
        raise AssertionError("no graph came")

    for name, create, update in [
        ("by_m", {"hnsw_config": m.HnswConfigDiff(m=0)}, {"hnsw_config": m.HnswConfigDiff(m=24, ef_construct=200)}),
        ("by_threshold", {"optimizers_config": m.OptimizersConfigDiff(indexing_threshold=0)},
         {"optimizers_config": m.OptimizersConfigDiff(indexing_threshold=10000)}),
        ("by_vector", {"vectors_config": m.VectorParams(size=DIM, distance=m.Distance.DOT,
                                                        hnsw_config=m.HnswConfigDiff(m=0))},
         {"vectors_config": {"": m.VectorParamsDiff(hnsw_config=m.HnswConfigDiff(m=16))}}),
    ]:
        client.delete_collection(name)
        client.create_collection(name, **{"vectors_config": m.VectorParams(size=DIM, distance=m.Distance.DOT), **create})
        client.upload_collection(name, vectors[:25000], ids=range(25000), batch_size=1000, wait=True)
        assert plans(name) == {"exact"}, name
        change(name, **update)
        info = client.get_collection(name).config
        if name == "by_m":
            assert (info.hnsw_config.m, info.hnsw_config.ef_construct) == (24, 200)
        if name == "by_vector":
            assert info.params.vectors.hnsw_config.m == 16
        client.delete_collection(name)


def scaled(x, bits):
    """32 elements with one scale (docs/format/record.md), of each row"""
    x = np.atleast_2d(x).astype(np.float32)
    most = np.abs(x).max(axis=1, keepdims=True) / np.float32(127 if bits == 8 else 15)
    whole = most.view(np.uint32)
    scale = ((whole + 0x7fff + (whole >> 16 & 1)) & 0xffff0000).view(np.float32)
    codes = np.clip(np.rint(x / scale), -127, 127) if bits == 8 else 2 * np.clip(np.rint((x / scale + 15) / 2), 0, 15) - 15
    return np.squeeze(codes * scale).astype(np.float64)


@pytest.mark.parametrize("datatype,distance", [(t, d) for t in ("FLOAT16", "UINT8", "TURBO4", "TURBO8", "TURBO16") for d in ("COSINE", "DOT", "EUCLID")])
def test_datatypes(client, datatype, distance):
    name, rng = "datatypes", np.random.default_rng(11)
    given = (rng.random((3000, 32)) * (300 if datatype == "UINT8" else 2) - (20 if datatype == "UINT8" else 1))
    given = given.astype(np.float32)
    client.delete_collection(name)
    client.create_collection(name, vectors_config=m.VectorParams(
        size=32, distance=getattr(m.Distance, distance), datatype=getattr(m.Datatype, datatype)))
    client.upload_collection(name, given, ids=range(3000), wait=True)
    assert client.get_collection(name).config.params.vectors.datatype == getattr(m.Datatype, datatype)
    unit = lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True)
    if datatype == "UINT8":
        keep = lambda x: np.clip(np.trunc(x), 0, 255).astype(np.float64)
    else:
        rounded = {"TURBO8": lambda x: scaled(x, 8), "TURBO4": lambda x: scaled(x, 4)}.get(datatype, lambda x: x.astype(np.float16).astype(np.float64))
        keep = lambda x: rounded(unit(x) if distance == "COSINE" else x)
    kept = keep(given)
    back = client.retrieve(name, list(range(50)), with_vectors=True)
    assert np.allclose(np.array([p.vector for p in back]), kept[:50], atol=1e-3)
    for i in range(20):
        q = keep(given[i] + 0.25)
        if distance == "EUCLID":
            scores = -np.linalg.norm(kept - q, axis=1)
        else:
            scores = unit(kept) @ unit(q) if distance == "COSINE" else kept @ q
        got = client.query_points(name, query=(given[i] + 0.25).tolist(), limit=5,
                                  search_params=m.SearchParams(exact=True)).points
        want = np.sort(scores)[::-1][:5]
        found = np.array([-p.score if distance == "EUCLID" else p.score for p in got])
        assert np.allclose(found, want, rtol=2e-3, atol=2e-3), (found, want)
    client.delete_collection(name)


def test_datatypes_take_less_room(server):
    rows, size = 5000, 256
    given = np.random.default_rng(3).standard_normal((rows, size)).astype(np.float32)
    took = {}
    for datatype in m.Datatype:
        server.client().create_collection("room", vectors_config=m.VectorParams(size=size, distance="Dot", datatype=datatype))
        server.client("grpc").upload_collection("room", given, ids=range(rows), wait=True)
        server.client().create_snapshot("room")  # seals them
        parts = httpx.get(f"{server.url}/collections/room/memory").json()["result"]["parts"]
        took[datatype.value] = sum(p["stored_bytes"] for p in parts if p["part"] == "vectors") / (rows * size)
        server.client().delete_collection("room")
    assert took == pytest.approx({"float32": 4, "float16": 2, "turbo16": 2, "uint8": 1, "turbo8": 34 / 32, "turbo4": 18 / 32}, rel=0.05)


@pytest.mark.parametrize("modifier", ["none", "idf"])
def test_sparse(client, modifier):
    """Beside the client's own memory: the same points, the same scores."""
    from qdrant_client import QdrantClient
    rng, name, n = np.random.default_rng(3), "sparse", 4000
    local = QdrantClient(":memory:")

    def sparse(count):
        indices = np.unique(rng.zipf(1.3, count) % 3000)
        return m.SparseVector(indices=rng.permutation(indices).tolist(), values=rng.uniform(0.1, 3, len(indices)).tolist())

    points = [m.PointStruct(id=i, vector={"text": sparse(8), **({"": [float(i), 1.0]} if i % 2 else {})},
                            payload={"group": i % 10}) for i in range(n)]
    for c in (client, local):
        c.delete_collection(name)
        c.create_collection(name, vectors_config=m.VectorParams(size=2, distance=m.Distance.DOT),
                            sparse_vectors_config={"text": m.SparseVectorParams(modifier=m.Modifier(modifier))})
        for at in range(0, n, 500):
            c.upsert(name, points[at:at + 500], wait=True)
    config = client.get_collection(name).config.params
    assert config.sparse_vectors["text"].modifier == m.Modifier(modifier) and config.vectors.size == 2

    def same(**args):
        a, b = (c.query_points(name, using="text", limit=10, **args).points for c in (client, local))
        assert len(a) == len(b)
        assert np.allclose([p.score for p in a], [p.score for p in b], rtol=1e-4)
        sure = [p.id for p in b if b[-1].score < p.score - 1e-4]
        assert {p.id for p in a} >= set(sure)

    def compare():
        for i in range(30):
            query = sparse(5)
            same(query=query)
            same(query=query, query_filter=m.Filter(must=[m.FieldCondition(key="group", match=m.MatchValue(value=i % 10))]))
            same(query=i + (i % 7 == 0))
            same(query=query, score_threshold=4.0)
    compare()
    for c in (client, local):
        c.delete(name, m.PointIdsList(points=list(range(0, n, 7))), wait=True)
        c.update_vectors(name, [m.PointVectors(id=i, vector={"text": m.SparseVector(indices=[1, 2, 3], values=[1.0, 2.0, i / 10])})
                                for i in range(1, 40) if i % 7], wait=True)
    rng = np.random.default_rng(4)
    compare()
    got = client.retrieve(name, [1, 3], with_vectors=True)
    assert got[0].vector["text"].indices == [1, 2, 3] and got[0].vector[""] == [1.0, 1.0]
    with pytest.raises(Exception, match="Conversion between sparse and regular vectors failed"):
        client.query_points(name, query=[1.0, 2.0], using="text")
    with pytest.raises(Exception, match="unique"):
        client.query_points(name, query=m.SparseVector(indices=[1, 1], values=[1.0, 2.0]), using="text")
    client.delete_collection(name)
