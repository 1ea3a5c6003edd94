"""What operators ask: quotas, problems, optimizations, slow requests, the audit log; and what only clusters have."""
import datetime

import httpx
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path / "kith", {"KITH_SERVICE_SLOW_QUERY_MS": "1", "KITH_STORAGE_GROWING_ROWS_MAX": "1000", "KITH_AUDIT_READS": "true"}).start()
    yield s
    s.stop()


def get(server, path, method="GET", **more):
    return httpx.request(method, server.url + path, timeout=30, **more)


def small(c, name="c", n=10):
    c.create_collection(name, vectors_config=m.VectorParams(size=2, distance="Dot"))
    c.upsert(name, [m.PointStruct(id=i, vector=[i, 1]) for i in range(n)], wait=True)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_quota(server, transport):
    c = server.client(transport)
    small(c)
    shown = get(server, "/quotas").json()["result"]
    assert shown["config"] == {"enabled": False, "max_resident_memory_percent": None, "max_disk_usage_percent": None, "release_margin_percent": 5}
    assert 0 < shown["usage"]["disk_usage_percent"] <= 100 and 0 <= shown["usage"]["resident_memory_percent"] <= 100
    full = shown["usage"]["disk_usage_percent"]
    assert get(server, "/quotas", "PUT", json={"enabled": True, "max_disk_usage_percent": max(full - 1, 1), "release_margin_percent": 0}).json()["result"]
    writes = [lambda: c.upsert("c", [m.PointStruct(id=1, vector=[1, 1])], wait=True), lambda: c.set_payload("c", {"a": 1}, [1], wait=True),
              lambda: c.update_vectors("c", [m.PointVectors(id=1, vector=[2, 2])], wait=True)]
    for again in (False, True):
        for write in writes:
            with pytest.raises(Exception, match="Quota exceeded|507"):
                write()
        c.delete("c", [2], wait=True)
        c.clear_payload("c", [1], wait=True)
        assert c.count("c").count == 9
        if not again:  # it is kept
            server.stop()
            server.start()
            c = server.client(transport)
    assert get(server, "/quotas", "PUT", json={"enabled": True, "max_disk_usage_percent": 100}).json()["result"]
    [write() for write in writes]
    for wrong in ({"max_disk_usage_percent": 0}, {"max_disk_usage_percent": 101}, {"enabled": "yes"}):
        assert get(server, "/quotas", "PUT", json=wrong).status_code in (400, 422), wrong


def test_shown(server):
    c = server.client()
    small(c, n=3000)
    assert get(server, "/issues").json()["result"] == {"issues": []}
    assert get(server, "/issues", "DELETE").json()["result"] is True
    shown = get(server, "/collections/c/optimizations").json()["result"]
    assert shown["running"] == [] and shown["summary"].keys() == {"queued_optimizations", "queued_segments", "queued_points", "idle_segments"}
    assert get(server, "/collections/nowhere/optimizations").status_code == 404
    assert get(server, "/collections/c/truncate_unapplied_wal", "POST", json={}).json()["result"] is True
    assert get(server, "/locks").json()["result"] == {"error_message": None, "write": False}
    created = c.get_collection("c").created_at
    assert abs((datetime.datetime.now(datetime.timezone.utc) - created).total_seconds()) < 60
    assert server.client("grpc").get_collection("c").created_at == created


def test_slow_requests(server):
    c = server.client()
    small(c, n=3000)
    slow = get(server, "/profiler/slow_requests").json()["result"]["requests"]
    writes = [x for x in slow if x["path"] == "/collections/{collection_name}/points"]
    assert writes and writes[0]["collection_name"] == "c" and writes[0]["duration"] >= 0.001 and writes[0]["method"] == "PUT"
    assert all(x["method"] == "PUT" for x in get(server, "/profiler/slow_requests?method=PUT").json()["result"]["requests"])
    assert len(get(server, "/profiler/slow_requests?limit=1").json()["result"]["requests"]) == 1
    for wrong in ("abc", "", "-1", "1x"):
        refused = get(server, "/profiler/slow_requests?limit=" + wrong)
        assert refused.status_code == 400 and "limit" in refused.text and '"%s' % wrong in refused.json()["status"]["error"].replace("\\", "")


def test_audit_logs(server):
    c = server.client()
    small(c)
    c.count("c")
    entries = get(server, "/audit/logs", "POST", json={}).json()["result"]["entries"]
    assert [e["path"] for e in entries[:2]] == ["/collections/{collection_name}/points/count", "/collections/{collection_name}/points"]  # newest first
    only = get(server, "/audit/logs", "POST", json={"filters": {"method": "PUT", "result": "ok"}, "limit": 1}).json()["result"]["entries"]
    assert [e["path"] for e in only] == ["/collections/{collection_name}/points"]
    assert get(server, "/audit/logs", "POST", json={"time_to": "2020-01-01T00:00:00Z"}).json()["result"]["entries"] == []
    assert get(server, "/audit/logs", "POST", json={"time_from": "2020-01-01T00:00:00Z"}).json()["result"]["entries"]
    assert get(server, "/audit/logs", "POST", json={"limit": 10001}).status_code == 422


def test_what_only_clusters_have(server):
    c = server.client()
    small(c)
    for method, path in (("POST", "/cluster/recover"), ("DELETE", "/cluster/peer/1"), ("GET", "/cluster/metadata/keys"),
                         ("PUT", "/cluster/metadata/keys/a"), ("POST", "/collections/c/cluster")):
        answer = get(server, path, method, **({} if method in ("GET", "DELETE") else {"json": {}}))
        assert answer.status_code == 405 and "Distributed mode is disabled" in answer.json()["status"]["error"], path
    assert get(server, "/collections/c/shards").json()["result"] == {"shard_keys": []}
    for one in (c, server.client("grpc")):
        with pytest.raises(Exception, match="custom sharding"):
            one.create_shard_key("c", "k")
        with pytest.raises(Exception, match="custom sharding"):
            one.delete_shard_key("c", "k")
