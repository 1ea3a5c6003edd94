"""A cluster of one (cluster.enabled): what clients that expect a cluster are told, and what its keys keep."""
import httpx
import pytest
from qdrant_client import models as m

from conftest import Server


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("cluster") / "kith", {"QDRANT__CLUSTER__ENABLED": "true"}).start()
    yield s
    s.stop()


def ask(s, method, path, **more):
    return httpx.request(method, s.url + path, timeout=20, **more)


def test_who_is_here(alone):
    c = alone.client()
    status = c.cluster_status()
    assert status.status == "enabled" and status.peer_id == 1 and list(status.peers) == ["1"] and status.peers["1"].uri.startswith("http://127.0.0.1:")
    assert status.raft_info.role == "Leader" and status.raft_info.leader == 1 and status.consensus_thread_status.consensus_thread_status == "working"
    c.create_collection("c", vectors_config=m.VectorParams(size=2, distance="Dot"))
    c.upsert("c", [m.PointStruct(id=i, vector=[i, 1]) for i in range(7)], wait=True)
    assert c.cluster_status().raft_info.commit > status.raft_info.commit
    far = ask(alone, "GET", "/cluster/telemetry").json()["result"]
    assert far["collections"]["c"]["shards"][0]["replicas"] == [{"peer_id": 1, "state": "Active", "status": "green", "num_points": 7}]
    assert far["cluster"]["number_of_peers"] == 1 and far["cluster"]["peers"]["1"]["responsive"] is True
    assert ask(alone, "GET", "/telemetry").json()["result"]["cluster"] == {"enabled": True}
    assert c.recover_current_peer() is True
    assert ask(alone, "DELETE", "/cluster/peer/1").status_code == 400 and ask(alone, "DELETE", "/cluster/peer/2?force=true").status_code == 404
    for operation in ({"move_shard": {"shard_id": 0, "to_peer_id": 2, "from_peer_id": 1}}, {"drop_replica": {"shard_id": 0, "peer_id": 1}}):
        refused = ask(alone, "POST", "/collections/c/cluster", json=operation)
        assert refused.status_code == 400 and "no other peer" in refused.text


def test_shards_under_keys(alone):
    c = alone.client()
    c.create_collection("parts", vectors_config=m.VectorParams(size=2, distance="Dot"), sharding_method=m.ShardingMethod.CUSTOM)
    for key, n in (("a", 3), (7, 2)):
        c.create_shard_key("parts", key)
        c.upsert("parts", [m.PointStruct(id=100 * n + i, vector=[i, 1]) for i in range(n)], wait=True, shard_key_selector=key)
    local = ask(alone, "GET", "/collections/parts/cluster").json()["result"]["local_shards"]
    assert [(s["shard_id"], s["shard_key"], s["points_count"]) for s in local] == [(0, "a", 3), (1, 7, 2)]
    far = ask(alone, "GET", "/cluster/telemetry").json()["result"]["collections"]["parts"]["shards"]
    assert [(s["id"], s["key"], s["replicas"][0]["num_points"]) for s in far] == [(0, "a", 3), (1, 7, 2)]
    told = {x["id"]: x for x in ask(alone, "GET", "/telemetry?details_level=2").json()["result"]["collections"]["collections"]}
    assert [(s["id"], s["key"], s["local"]["num_points"]) for s in told["parts"]["shards"]] == [(0, "a", 3), (1, 7, 2)]


def test_metadata(alone):
    keys = lambda: ask(alone, "GET", "/cluster/metadata/keys").json()["result"]
    value = lambda k: ask(alone, "GET", f"/cluster/metadata/keys/{k}").json()["result"]
    assert keys() == [] and value("a") is None
    assert ask(alone, "PUT", "/cluster/metadata/keys/a", json={"x": [1, None, "y"]}).json()["result"] is True
    assert ask(alone, "PUT", "/cluster/metadata/keys/b", json=5).json()["result"] is True
    assert keys() == ["a", "b"] and value("a") == {"x": [1, None, "y"]} and value("b") == 5
    alone.kill()
    alone.start()
    assert keys() == ["a", "b"]
    assert ask(alone, "DELETE", "/cluster/metadata/keys/a").json()["result"] is True and keys() == ["b"] and value("a") is None


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_keys_of_shards(alone, transport):
    c = alone.client(transport)
    c.delete_collection("k")
    c.create_collection("k", vectors_config=m.VectorParams(size=2, distance="Dot"), sharding_method=m.ShardingMethod.CUSTOM)
    change = lambda operation: c.cluster_collection_update("k", operation)
    for key in ("a", "b"):
        assert change(m.CreateShardingKeyOperation(create_sharding_key=m.CreateShardingKey(shard_key=key))) is True
    c.upsert("k", [m.PointStruct(id=i, vector=[i, 1], payload={"tenant": i % 2}) for i in range(10)], shard_key_selector="a", wait=True)
    odd = m.Filter(must=[m.FieldCondition(key="tenant", match=m.MatchValue(value=1))])
    assert change(m.ReplicatePointsOperation(replicate_points=m.ReplicatePoints(from_shard_key="a", to_shard_key="b", filter=odd))) is True
    assert [c.count("k", shard_key_selector=key).count for key in "ab"] == [5, 5] and c.retrieve("k", [3])[0].shard_key == "b"
    assert change(m.DropShardingKeyOperation(drop_sharding_key=m.DropShardingKey(shard_key="b"))) is True and c.count("k").count == 5
    with pytest.raises(Exception, match="zzz not found"):
        change(m.ReplicatePointsOperation(replicate_points=m.ReplicatePoints(from_shard_key="a", to_shard_key="zzz")))


def test_without(server):
    assert server.client().cluster_status().status == "disabled"
    for method, path in (("GET", "/cluster/telemetry"), ("POST", "/cluster/recover"), ("DELETE", "/cluster/peer/1"), ("GET", "/cluster/metadata/keys"),
                         ("PUT", "/cluster/metadata/keys/a"), ("GET", "/cluster/metadata/keys/a"), ("DELETE", "/cluster/metadata/keys/a")):
        assert ask(server, method, path, **({"json": {}} if method in ("POST", "PUT") else {})).status_code == 405
