"""Custom sharding: points under keys, which calls name; over both transports, in memory and in files."""
import httpx
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server, sealing_early

NAME = "keyed"
WITH = m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gte=50))])


@pytest.fixture(scope="module", params=TRANSPORTS)
def c(tmp_path_factory, request):
    yield from sealing_early(tmp_path_factory, 100, request.param)


def points(start, count, **payload):
    return [m.PointStruct(id=i, vector=[i, 1.0], payload={"n": i, "tag": "ab"[i % 2], **payload}) for i in range(start, start + count)]


@pytest.fixture
def keyed(c):
    c.delete_collection(NAME)
    c.create_collection(NAME, vectors_config=m.VectorParams(size=2, distance="Dot"), sharding_method=m.ShardingMethod.CUSTOM)
    for key in ("red", "blue", 7):
        assert c.create_shard_key(NAME, key) is True
    c.create_payload_index(NAME, "n", "integer")
    c.create_payload_index(NAME, "tag", "keyword")
    c.upsert(NAME, points(0, 100), shard_key_selector="red", wait=True)
    c.upsert(NAME, points(100, 50), shard_key_selector="blue", wait=True)
    c.upsert(NAME, points(200, 30), shard_key_selector=7, wait=True)
    yield c
    c.delete_collection(NAME)


def ids(points):
    return sorted(p.id for p in points)


def test_reads(keyed):
    c = keyed
    count = lambda **a: c.count(NAME, **a).count
    assert (count(), count(shard_key_selector="red"), count(shard_key_selector=["blue", 7])) == (180, 100, 80)
    assert count(shard_key_selector="red", count_filter=WITH) == 50
    top = lambda **a: [(p.id, p.shard_key) for p in c.query_points(NAME, query=[1.0, 0.0], limit=2, **a).points]
    assert top() == [(229, 7), (228, 7)] and top(shard_key_selector="red") == [(99, "red"), (98, "red")]
    assert top(shard_key_selector=["red", "blue"], query_filter=m.Filter(must_not=[m.FieldCondition(key="tag", match=m.MatchValue(value="b"))])) == [(148, "blue"), (146, "blue")]
    for payload in (True, False, ["n"], m.PayloadSelectorExclude(exclude=["n"])):
        p = c.query_points(NAME, query=[1.0, 0.0], limit=1, shard_key_selector="blue", with_payload=payload).points[0]
        expected = {"n": 149, "tag": "b"} if payload is True else {"n": 149} if payload == ["n"] else {"tag": "b"} if payload else None
        assert (p.payload or None) == expected and p.shard_key == "blue"
    found, offset, seen = [], None, 0
    while True:
        page, offset = c.scroll(NAME, limit=37, offset=offset, shard_key_selector=["red", 7])
        found += page
        if offset is None:
            break
    assert ids(found) == [*range(100), *range(200, 230)] and {p.shard_key for p in found} == {"red", 7}
    assert all("$shard_key" not in p.payload for p in found)
    got = c.retrieve(NAME, [5, 105, 205], shard_key_selector="blue", with_vectors=True)
    assert [(p.id, p.payload, p.vector, p.shard_key) for p in got] == [(105, {"n": 105, "tag": "b"}, [105.0, 1.0], "blue")]
    assert [p.shard_key for p in c.retrieve(NAME, [205, 5, 105], with_payload=False)] == [7, "red", "blue"]
    assert {h.value: h.count for h in c.facet(NAME, "tag", shard_key_selector=7).hits} == {"a": 15, "b": 15}
    groups = c.query_points_groups(NAME, "tag", query=[1.0, 0.0], shard_key_selector="red", group_size=1).groups
    assert [(g.id, g.hits[0].id, g.hits[0].shard_key) for g in groups] == [("b", 99, "red"), ("a", 98, "red")]
    both = c.query_batch_points(NAME, [m.QueryRequest(query=[1.0, 0.0], limit=1, shard_key=k) for k in ("red", "blue")])
    assert [r.points[0].id for r in both] == [99, 149]
    fused = c.query_points(NAME, prefetch=[m.Prefetch(query=[1.0, 0.0], limit=5), m.Prefetch(query=[-1.0, 0.0], limit=5)],
                           query=m.FusionQuery(fusion="rrf"), shard_key_selector="blue", limit=20).points
    assert ids(fused) == [*range(100, 105), *range(145, 150)]
    assert len(c.search_matrix_pairs(NAME, sample=20, limit=1, shard_key_selector=7).pairs) == 20
    back = m.ShardKeyWithFallback
    assert count(shard_key_selector=back(target="green", fallback="red")) == 100 and count(shard_key_selector=back(target=7, fallback="red")) == 30


def test_writes(keyed):
    c, on = keyed, {"shard_key_selector": "red", "wait": True}
    kept = lambda key: c.count(NAME, shard_key_selector=key).count
    c.delete(NAME, m.PointIdsList(points=[1, 101], shard_key="red"), wait=True)
    assert (kept("red"), kept("blue")) == (99, 50)
    c.delete(NAME, m.FilterSelector(filter=WITH, shard_key="red"), wait=True)
    assert (kept("red"), kept("blue"), kept(7)) == (49, 50, 30)
    state = lambda i: (lambda p: (p.payload, p.shard_key))(c.retrieve(NAME, [i])[0])
    c.set_payload(NAME, {"x": 1}, points=[2, 102], **on)
    assert state(2) == ({"n": 2, "tag": "a", "x": 1}, "red") and state(102) == ({"n": 102, "tag": "a"}, "blue")
    c.overwrite_payload(NAME, {"y": 2}, points=[2, 102], **on)
    assert state(2) == ({"y": 2}, "red") and state(102)[1] == "blue"
    c.delete_payload(NAME, ["n"], points=[3, 103], **on)
    assert state(3) == ({"tag": "b"}, "red") and state(103) == ({"n": 103, "tag": "b"}, "blue")
    c.clear_payload(NAME, m.PointIdsList(points=[3, 103], shard_key="red"), wait=True)
    assert state(3) == ({}, "red") and state(103) == ({"n": 103, "tag": "b"}, "blue")
    c.update_vectors(NAME, [m.PointVectors(id=4, vector=[500.0, 0.0]), m.PointVectors(id=104, vector=[600.0, 0.0])], **on)
    assert c.query_points(NAME, query=[1.0, 0.0], limit=1).points[0].id == 4
    c.batch_update_points(NAME, [m.UpsertOperation(upsert=m.PointsList(points=points(900, 3), shard_key="blue")),
                                 m.DeleteOperation(delete=m.PointIdsList(points=[100], shard_key="blue")),
                                 m.SetPayloadOperation(set_payload=m.SetPayload(payload={"z": 1}, filter=WITH, shard_key=7))], wait=True)
    assert (kept("blue"), kept(7)) == (52, 30) and state(229)[0]["z"] == 1 and "z" not in state(149)[0]
    c.upsert(NAME, points(5, 1), shard_key_selector="blue", wait=True)  # an id stands under one key
    assert (kept("red"), kept("blue")) == (48, 53) and state(5)[1] == "blue"
    for wrong, text in [
        (lambda: c.upsert(NAME, points(1, 1), wait=True), "Shard key is missing"),
        (lambda: c.upsert(NAME, points(1, 1), shard_key_selector=["red", "blue"]), "one key"),
        (lambda: c.upsert(NAME, points(1, 1), shard_key_selector="green"), "green not found"),
        (lambda: c.count(NAME, shard_key_selector="green"), "green not found"),
        (lambda: c.upsert(NAME, points(1, 1, **{"$shard_key": "=blue"}), shard_key_selector="red"), "not free"),
        (lambda: c.set_payload(NAME, {"$shard_key": "=blue"}, points=[2], **on), "not free"),
        (lambda: c.set_payload(NAME, {"a": 1}, points=[2], key='"$shard_key"', **on), "not free"),
        (lambda: c.delete_payload(NAME, ['"$shard_key"'], points=[2], **on), "not free"),
        (lambda: c.delete(NAME, m.PointIdsList(points=[2])), "missing"),
    ]:
        with pytest.raises(Exception, match=text):
            wrong()
    assert (kept("red"), kept("blue"), kept(7)) == (48, 53, 30)


def test_keys(keyed):
    c = keyed
    keys = lambda: [k.key for k in c.list_shard_keys(NAME).shard_keys]
    assert keys() == ["red", "blue", 7]
    info = c.get_collection(NAME)
    assert info.config.params.sharding_method == "custom" and sorted(info.payload_schema) == ["n", "tag"]
    shards = c.collection_cluster_info(NAME)
    assert [(s.shard_key, s.points_count) for s in shards.local_shards] == [("red", 100), ("blue", 50), (7, 30)] and shards.shard_count == 3
    with pytest.raises(Exception, match="already exists"):
        c.create_shard_key(NAME, "red")
    with pytest.raises(Exception, match="not found"):
        c.delete_shard_key(NAME, "7") # a name, not the number
    for more, text in [({"placement": [2]}, "placement"), ({"placement": [1, 9]}, "placement"), ({"initial_state": m.ReplicaState.PARTIAL}, "initial_state")]:
        with pytest.raises(Exception, match=text):
            c.create_shard_key(NAME, "elsewhere", **more)
    assert c.create_shard_key(NAME, "here", placement=[1], initial_state=m.ReplicaState.ACTIVE) and c.delete_shard_key(NAME, "here")
    assert c.delete_shard_key(NAME, 7) is True and keys() == ["red", "blue"] and c.count(NAME).count == 150
    c.create_shard_key(NAME, "x" * 300)
    assert keys()[2] == "x" * 300
    snapshot = c.create_snapshot(NAME)
    c.delete_shard_key(NAME, "red")
    c.recover_snapshot(NAME, location=f"file:///{NAME}/{snapshot.name}")
    assert keys() == ["red", "blue", "x" * 300] and c.count(NAME, shard_key_selector="red").count == 100
    c.delete_snapshot(NAME, snapshot.name)
    c.delete_collection("whole")
    c.create_collection("whole", vectors_config=m.VectorParams(size=2, distance="Dot"))
    assert c.list_shard_keys("whole").shard_keys == []
    for wrong, text in [(lambda: c.create_shard_key("whole", "k"), "custom sharding"), (lambda: c.delete_shard_key("whole", "k"), "custom sharding"),
                        (lambda: c.count("whole", shard_key_selector="k"), "not supported"), (lambda: c.create_shard_key("nobody", "k"), "nobody"),
                        (lambda: c.upsert("whole", points(1, 1), shard_key_selector="k"), "not supported")]:
        with pytest.raises(Exception, match=text):
            wrong()
    for mine in ("mine", "=mine", 5, None):  # a name like any other elsewhere
        c.upsert("whole", points(1, 1, **{"$shard_key": mine}), wait=True)
        for p in (c.retrieve("whole", [1])[0], c.scroll("whole")[0][0], c.query_points("whole", query=[1.0, 0.0]).points[0]):
            assert p.payload["$shard_key"] == mine and p.shard_key is None
    c.delete_collection("whole")


def test_after_a_restart(tmp_path):
    s = Server(tmp_path / "kith").start()
    c = s.client()
    c.create_collection(NAME, vectors_config=m.VectorParams(size=2, distance="Dot"), sharding_method=m.ShardingMethod.CUSTOM)
    c.create_shard_key(NAME, "red")
    c.upsert(NAME, points(0, 20), shard_key_selector="red", wait=True)
    s.kill()
    s.start()
    assert [k.key for k in c.list_shard_keys(NAME).shard_keys] == ["red"] and c.count(NAME, shard_key_selector="red").count == 20
    assert c.retrieve(NAME, [3])[0].shard_key == "red"
    s.stop()


def test_shards_by_number(server):
    """shard 0 of a collection without keys is the collection; elsewhere keys are to be named"""
    url, c = server.url, server.client("rest")
    c.delete_collection("one")
    c.create_collection("one", vectors_config=m.VectorParams(size=2, distance="Dot"))
    c.upsert("one", points(1, 3), wait=True)
    ask = lambda name, shard, what, body: httpx.post(f"{url}/collections/{name}/shards/{shard}/points{what}", json=body)
    assert {p["id"] for p in ask("one", 0, "", {"ids": [1, 3, 9]}).json()["result"]} == {1, 3}
    assert ask("one", 0, "/count", {"exact": True}).json()["result"]["count"] == c.count("one").count
    assert [p["id"] for p in ask("one", 0, "/scroll", {"limit": 2}).json()["result"]["points"]] == [1, 2]
    assert ask("one", 1, "/count", {}).status_code == 404 and "Shard 1 not found" in ask("one", 1, "/count", {}).text
    assert ask("nobody", 0, "/count", {}).status_code == 404
    c.delete_collection("parts")
    c.create_collection("parts", vectors_config=m.VectorParams(size=2, distance="Dot"), sharding_method=m.ShardingMethod.CUSTOM)
    refused = ask("parts", 0, "/count", {})
    c.delete_collection("parts")
    assert refused.status_code == 400 and "shard_key" in refused.text
    c.delete_collection("one")
