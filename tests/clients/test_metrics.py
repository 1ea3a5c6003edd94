"""What Prometheus reads: every answer counted once, by transport, endpoint and status, and shown at both doors."""
import re

import grpc
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from qdrant_client import models

from conftest import TRANSPORTS, Server, free_port


def read(url):
    """name -> {labels: value}; the parser refuses what Prometheus would"""
    page = httpx.get(url + "/metrics", timeout=20)
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/plain")
    families = list(text_string_to_metric_families(page.text))
    assert len({f.name for f in families}) == len(families)  # each is announced once
    return {name: {tuple(sorted(s.labels.items())): s.value for f in families for s in f.samples if s.name == name}
            for name in {s.name for f in families for s in f.samples}}


@pytest.fixture
def server(tmp_path):
    metrics = free_port()
    s = Server(tmp_path / "d", {}, "--metrics-port", str(metrics))
    s.metrics_url = f"http://127.0.0.1:{metrics}"
    yield s.start()
    s.stop()


def label(**labels):
    return tuple(sorted(labels.items()))


def test_answers_are_counted_by_transport_endpoint_and_status(server):
    for transport in TRANSPORTS:
        c = server.client(transport)
        name = f"c_{transport}"
        c.create_collection(name, vectors_config=models.VectorParams(size=2, distance="Dot"))
        c.upsert(name, [models.PointStruct(id=1, vector=[1, 2]), models.PointStruct(id=2, vector=[2, 1])])
        for _ in range(3):
            c.query_points(name, query=[1, 2])
        with pytest.raises(Exception):
            c.query_points("nowhere", query=[1, 2])
        with pytest.raises(Exception):
            c.query_points(name, query=[1, 2, 3])
    for url in (server.url, server.metrics_url):
        seen = read(url)
        rest, rpc = seen["rest_responses_total"], seen["grpc_responses_total"]
        query = {"method": "POST", "endpoint": "/collections/{collection_name}/points/query"}
        assert rest[label(**query, status="200")] == 3 and rest[label(**query, status="404")] == 1
        assert rest[label(**query, status="400")] == 1
        assert rest[label(method="PUT", endpoint="/collections/{collection_name}", status="200")] == 1
        method = {"endpoint": "/qdrant.Points/Query"}
        assert rpc[label(**method, status="0")] == 3 and rpc[label(**method, status="5")] == 1 and rpc[label(**method, status="3")] == 1
        assert not any("qdrant." in dict(k)["endpoint"] for k in rest) and not any("method" in dict(k) for k in rpc)
        for kind, key in (("rest", label(**query, status="200")), ("grpc", label(**method, status="0"))):
            low, mean, high = (seen[f"{kind}_responses_{what}_duration_seconds"][key] for what in ("min", "avg", "max"))
            assert 0 < low <= mean <= high < 60
            assert seen[f"{kind}_responses_duration_seconds_count"][key] == 3
            assert abs(seen[f"{kind}_responses_duration_seconds_sum"][key] - 3 * mean) < 1e-6
            buckets = sorted((float(dict(k)["le"]), v) for k, v in seen[f"{kind}_responses_duration_seconds_bucket"].items()
                             if tuple(x for x in k if x[0] != "le") == key)
            assert len(buckets) == 12 and buckets[-1] == (float("inf"), 3)
            assert [v for _, v in buckets] == sorted(v for _, v in buckets)
        assert seen["collections_total"] == {(): 2} and seen["collection_points"] == {label(id=f"c_{t}"): 2 for t in TRANSPORTS}
        assert seen["cluster_enabled"] == {(): 0} and seen["app_status_recovery_mode"] == {(): 0}


def test_the_process_is_as_the_system_says(server):
    seen = read(server.url)
    status = dict(line.split(":", 1) for line in open(f"/proc/{server.process.pid}/status"))
    limit = re.search(r"Max open files\s+(\d+)", open(f"/proc/{server.process.pid}/limits").read())
    assert seen["process_threads"][()] == int(status["Threads"])
    assert seen["process_max_fds"][()] == int(limit[1])
    assert 5 < seen["process_open_fds"][()] < 200
    assert seen["process_open_mmaps"][()] > 10
    assert seen["process_minor_page_faults_total"][()] > 100 and seen["process_major_page_faults_total"][()] >= 0
    assert seen["system_max_mmaps"][()] == int(open("/proc/sys/vm/max_map_count").read())
    resident = int(status["VmRSS"].split()[0]) * 1024
    assert resident / 2 < seen["memory_resident_bytes"][()] < resident * 2


def test_a_prefix_is_before_every_name(tmp_path):
    s = Server(tmp_path / "d", {"QDRANT__SERVICE__METRICS_PREFIX": "shop_"}).start()
    httpx.get(s.url + "/collections", timeout=20)
    seen = read(s.url)
    assert all(name.startswith("shop_") for name in seen) and "shop_rest_responses_total" in seen
    s.stop()
    with pytest.raises(RuntimeError, match="service.metrics_prefix"):
        Server(tmp_path / "d", {"QDRANT__SERVICE__METRICS_PREFIX": "a b"}).start()


def test_quotas_show_what_is_over(server):
    assert read(server.url)["quota_exceeded"] == {label(resource="memory"): 0, label(resource="disk"): 0}


def test_telemetry_is_as_the_client_models_it(server):
    from qdrant_client.http.models import TelemetryData

    def telemetry(**query):
        return TelemetryData(**httpx.get(server.url + "/telemetry", params=query, timeout=20).json()["result"])
    c = server.client()
    c.create_collection("mine", vectors_config={"secret": models.VectorParams(size=2, distance="Dot")}, metadata={"of": "us"})
    server.client("grpc").count("mine")
    short = telemetry()
    assert short.collections.number_of_collections == 1 and short.collections.collections is None and not short.cluster.enabled
    assert short.requests.rest.responses["PUT /collections/{collection_name}"]["200"].count == 1
    assert short.requests.grpc.responses["/qdrant.Points/Count"]["0"].count == 1
    full = telemetry(details_level=10)
    assert full.id == short.id and full.app.startup == short.app.startup
    assert [x.id for x in full.collections.collections] == ["mine"]
    assert full.collections.collections[0].config.params.vectors["secret"].size == 2
    assert full.collections.collections[0].config.metadata == {"of": "us"}
    hidden = httpx.get(server.url + "/telemetry?details_level=10&anonymize=true", timeout=20).text
    assert "mine" not in hidden and "secret" not in hidden and len(TelemetryData(**__import__("json").loads(hidden)["result"]).collections.collections) == 1
    c.upsert("mine", [models.PointStruct(id=i, vector={"secret": [i, 1]} if i % 2 else {}, payload={"n": i}) for i in range(10)], wait=True)
    shard, = telemetry(details_level=2).collections.collections[0].shards
    assert shard.id == 0 and shard.local.status == "green" and shard.local.num_points == 10 and shard.remote == []
    assert shard.local.num_vectors == 5 and shard.local.num_vectors_by_name == {"secret": 5}
    assert shard.local.vectors_size_bytes >= 5 * 8 and shard.local.payloads_size_bytes > 0
    hidden = httpx.get(server.url + "/telemetry?details_level=2&anonymize=true", timeout=20).json()["result"]
    assert hidden["collections"]["collections"][0]["shards"][0]["local"]["num_points"] == 10 and "secret" not in str(hidden)
    for query in ("details_level=11", "details_level=x", "details_level=", "anonymize=1", "per_collection=true"):
        answer = httpx.get(f"{server.url}/telemetry?{query}", timeout=20)
        assert answer.status_code == 400 and query.split("=")[0] in answer.json()["status"]["error"]
    before = short.id
    server.stop()
    server.start()
    assert telemetry().id != before
