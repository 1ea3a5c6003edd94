"""Every REST operation that is described, beside its gRPC method: the same call on the same collection gives the same. An
operation is in SAME, where both are asked, or in ALONE, with the reason why there is nothing to put beside it."""
import time

import httpx
import pytest
from qdrant_client import grpc as g
from qdrant_client import models as m

C = "/collections/{collection_name}"
ALONE = {
    ("get", "/"): "test_grpc.py: HealthCheck", ("get", "/healthz"): "text", ("get", "/livez"): "text", ("get", "/readyz"): "text",
    ("get", "/metrics"): "text", ("get", "/telemetry"): "REST only", ("get", "/openapi.json"): "REST only", ("get", "/cluster"): "REST only",
    ("get", "/quotas"): "REST only", ("put", "/quotas"): "REST only", ("get", "/issues"): "REST only", ("delete", "/issues"): "REST only",
    ("get", "/profiler/slow_requests"): "REST only", ("post", "/audit/logs"): "REST only", ("get", "/locks"): "REST only", ("get", "/logger"): "REST only", ("post", "/logger"): "REST only",
    ("get", C + "/optimizations"): "REST only", ("post", C + "/truncate_unapplied_wal"): "REST only", ("get", C + "/memory"): "REST only",
    ("get", "/cluster/telemetry"): "REST only", ("post", "/cluster/recover"): "REST only", ("delete", "/cluster/peer/{peer_id}"): "REST only",
    ("get", "/cluster/metadata/keys"): "REST only", ("get", "/cluster/metadata/keys/{key}"): "REST only",
    ("put", "/cluster/metadata/keys/{key}"): "REST only", ("delete", "/cluster/metadata/keys/{key}"): "REST only",
    ("get", "/backups"): "ours, REST only", ("post", "/backups"): "ours, REST only",
    ("post", C + "/points/aggregate"): "ours, REST only", ("get", C + "/snapshots/{snapshot_name}"): "a download",
    ("get", "/snapshots/{snapshot_name}"): "a download", ("put", C + "/snapshots/recover"): "REST only",
    ("post", C + "/snapshots/upload"): "an upload",
    **{(method, C + "/shards/{shard_id}/" + path): "shards have no gRPC method" for method, path in [
        ("post", "cleanup"), ("post", "points"), ("post", "points/scroll"), ("post", "points/count"), ("get", "snapshots"), ("post", "snapshots"), ("get", "snapshot"), ("get", "snapshots/{snapshot_name}"),
        ("delete", "snapshots/{snapshot_name}"), ("put", "snapshots/recover"), ("post", "snapshots/upload"),
        ("get", "snapshot/partial/manifest"), ("post", "snapshot/partial/create"), ("post", "snapshot/partial/recover"),
        ("post", "snapshot/partial/recover_from")]},
}
EVEN = m.Filter(must=[m.FieldCondition(key="tag", match=m.MatchValue(value="a"))])


class Side:
    """one transport, and a collection of its own"""
    def __init__(self, server, transport):
        self.c, self.rpc, self.url, self.name = server.client(transport), transport == "grpc", server.url, "both_" + transport
        self.snapshots = []
        self.c.delete_collection(self.name)
        self.c.create_collection(self.name, vectors_config={"v": m.VectorParams(size=2, distance="Dot")},
                                 sparse_vectors_config={"w": m.SparseVectorParams()})
        self.c.upsert(self.name, [m.PointStruct(id=i, vector={"v": [i, 1], "w": m.SparseVector(indices=[i % 3], values=[1.0])},
                                                payload={"n": i, "tag": "ab"[i % 2], "f": i / 4, "l": [i, None, True, {"x": "y"}]})
                                  for i in range(12)], wait=True)
        for key, kind in (("n", "integer"), ("tag", "keyword")):
            self.c.create_payload_index(self.name, key, kind, wait=True)

    def __getattr__(self, method):
        return lambda *args, **more: getattr(self.c, method)(self.name, *args, **more)

    def raw(self, path, stub, **body):
        """of the older calls, which the client does not have any more: ids, scores, groups"""
        if not self.rpc:
            answer = httpx.post(f"{self.url}/collections/{self.name}/points/{path}", json=body, timeout=20)
            assert answer.status_code == 200, answer.text
            return answer.json()["result"]
        return stub(self.c.grpc_points)

    def found(self, points):
        if self.rpc:
            return [(p.id.num, round(p.score, 5)) for p in points]
        return [(p["id"], round(p["score"], 5)) for p in points]

    def grouped(self, groups):
        if self.rpc:
            return [(x.id.string_value, self.found(x.hits)) for x in groups.result.groups]
        return [(x["id"], self.found(x["hits"])) for x in groups["groups"]]

    def lists(self, answer):
        return [self.found(x.result if self.rpc else x) for x in (answer.result if self.rpc else answer)]

    def kept(self, name):
        made = self.c.create_snapshot(self.name)
        listed = [s.name for s in self.c.list_snapshots(self.name)]
        gone = self.c.delete_snapshot(self.name, made.name)
        return (made.name in listed, made.size > 0, gone, self.c.list_snapshots(self.name))[name]

    def kept_all(self, name):
        made = self.c.create_full_snapshot()
        listed = [s.name for s in self.c.list_full_snapshots()]
        gone = self.c.delete_full_snapshot(made.name)
        return (made.name in listed, made.size > 0, gone, made.name in [s.name for s in self.c.list_full_snapshots()])[name]


def plain(x):
    """an answer without what two collections cannot have in common"""
    if hasattr(x, "model_dump"):
        x = x.model_dump(exclude_none=True)
    if isinstance(x, dict):
        return {k: plain(v) for k, v in x.items() if k not in ("created_at", "version", "operation_id", "name", "collection_name", "time")}
    if isinstance(x, (list, tuple)):
        return [plain(v) for v in x]
    return round(x, 5) if isinstance(x, float) else x


def settled(s):
    for _ in range(500):
        if s.get_collection().status == "green":
            break
        time.sleep(0.02)
    return plain(s.get_collection())


def state(s):
    return [plain(p) for p in s.scroll(limit=100, with_vectors=True)[0]]


def refused(call):
    """both in the same words"""
    with pytest.raises(Exception) as e:
        call()
    text = e.value.content.decode() if hasattr(e.value, "content") else e.value.details()
    return "mode" in text or "sharding" in text


def write(change):
    def both(s):
        return plain(change(s)), state(s)
    return both


V = {"vector": {"name": "v", "vector": [1.0, 0.5]}, "limit": 4}
G = {"vector": [1.0, 0.5], "vector_name": "v", "limit": 4}
IDS = [g.PointId(num=9)]
PAIR = g.ContextExamplePair(positive=g.VectorExample(id=g.PointId(num=8)), negative=g.VectorExample(id=g.PointId(num=1)))
TARGET = g.TargetVector(single=g.VectorExample(id=g.PointId(num=9)))
R = {"positive": [9], "limit": 3, "using": "v"}
D = {"target": 9, "context": [{"positive": 8, "negative": 1}], "limit": 3, "using": "v"}
BY = {"group_by": "tag", "group_size": 2, "limit": 2}


def search(s, **more):
    return g.SearchPoints(collection_name=s.name, **{**G, **more})


def recommend(s):
    return g.RecommendPoints(collection_name=s.name, positive=IDS, limit=3, using="v")


def discover(s):
    return g.DiscoverPoints(collection_name=s.name, target=TARGET, context=[PAIR], limit=3, using="v")


SAME = {
    ("get", "/collections"): lambda s: s.name in [x.name for x in s.c.get_collections().collections],
    ("get", C): lambda s: settled(s),
    ("put", C): lambda s: (s.delete_collection(), s.create_collection(
        vectors_config=m.VectorParams(size=3, distance="Cosine", hnsw_config=m.HnswConfigDiff(m=20), on_disk=True),
        quantization_config=m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type="int8", quantile=0.9)),
        strict_mode_config=m.StrictModeConfig(enabled=False, max_query_limit=7), metadata={"x": [1, {"y": None}]}),
        settled(s)),
    ("patch", C): lambda s: (s.update_collection(optimizers_config=m.OptimizersConfigDiff(indexing_threshold=77),
                                                 collection_params=m.CollectionParamsDiff(replication_factor=1)), settled(s)),
    ("delete", C): lambda s: (s.delete_collection(), s.delete_collection(), s.collection_exists()),
    ("get", C + "/exists"): lambda s: s.collection_exists(),
    ("get", C + "/aliases"): lambda s: (s.c.update_collection_aliases([m.CreateAliasOperation(create_alias=m.CreateAlias(
        collection_name=s.name, alias_name="a_" + s.name))]), len(s.get_collection_aliases().aliases)),
    ("get", "/aliases"): lambda s: (s.c.update_collection_aliases([m.CreateAliasOperation(create_alias=m.CreateAlias(
        collection_name=s.name, alias_name="a_" + s.name))]), [x.collection_name for x in s.c.get_aliases().aliases if x.alias_name == "a_" + s.name] == [s.name]),
    ("post", "/collections/aliases"): lambda s: s.c.update_collection_aliases([
        m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=s.name, alias_name="x_" + s.name)),
        m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name="x_" + s.name, new_alias_name="y_" + s.name)),
        m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name="y_" + s.name))]),
    ("put", C + "/index"): lambda s: (plain(s.create_payload_index("f", m.FloatIndexParams(type="float", is_principal=True), wait=True)),
                                      plain(s.get_collection().payload_schema)),
    ("delete", C + "/index/{field_name}"): lambda s: (plain(s.delete_payload_index("n", wait=True)), plain(s.get_collection().payload_schema)),
    ("put", C + "/points"): write(lambda s: s.upsert([m.PointStruct(id=3, vector={"v": [7, 7]}, payload={"new": [1, 2.5, None, {}]}),
                                                      m.PointStruct(id="936da01f-9abd-4d9d-80c7-02af85c822a8", vector={})], wait=True)),
    ("post", C + "/points"): lambda s: [plain(p) for p in s.retrieve([5, 99, 2], with_vectors=["v"], with_payload=["n", "l"])],
    ("get", C + "/points/{id}"): lambda s: [plain(p) for p in (s.retrieve([5], with_vectors=True) if s.rpc else
                                            [m.Record(**httpx.get(f"{s.url}/collections/{s.name}/points/5", timeout=20).json()["result"])])],
    ("post", C + "/points/delete"): write(lambda s: s.delete(m.FilterSelector(filter=EVEN), wait=True)),
    ("post", C + "/points/scroll"): lambda s: (plain(s.scroll(EVEN, limit=3)), plain(s.scroll(limit=4, order_by=m.OrderBy(key="n", direction="desc")))),
    ("post", C + "/points/count"): lambda s: (s.count().count, s.count(EVEN, exact=False).count),
    ("post", C + "/points/payload"): write(lambda s: s.set_payload({"n": 50, "deep": {"x": 1}}, points=[1, 2], wait=True)),
    ("put", C + "/points/payload"): write(lambda s: s.overwrite_payload({"n": 50}, points=EVEN, wait=True)),
    ("post", C + "/points/payload/delete"): write(lambda s: s.delete_payload(["n", "l[0]"], points=[1, 2], wait=True)),
    ("post", C + "/points/payload/clear"): write(lambda s: s.clear_payload(m.PointIdsList(points=[4]), wait=True)),
    ("put", C + "/points/vectors"): write(lambda s: s.update_vectors([m.PointVectors(id=4, vector={"v": [0.5, 0.25]})], wait=True)),
    ("post", C + "/points/vectors/delete"): write(lambda s: s.delete_vectors(["w"], points=EVEN, wait=True)),
    ("post", C + "/points/batch"): write(lambda s: s.batch_update_points([
        m.DeleteOperation(delete=m.PointIdsList(points=[1])), m.SetPayloadOperation(set_payload=m.SetPayload(payload={"z": 1}, points=[2])),
        m.UpsertOperation(upsert=m.PointsList(points=[m.PointStruct(id=40, vector={"v": [1, 2]})]))], wait=True)),
    ("post", C + "/points/query"): lambda s: (
        plain(s.query_points([1.0, 0.5], using="v", query_filter=EVEN, limit=3, with_vectors=True)),
        plain(s.query_points(prefetch=[m.Prefetch(query=[1.0, 0.5], using="v"), m.Prefetch(query=m.SparseVector(indices=[1], values=[2.0]), using="w")],
                             query=m.RrfQuery(rrf=m.Rrf(k=5)), limit=3)),
        plain(s.query_points(prefetch=m.Prefetch(query=[1.0, 0.5], using="v"), query=m.FormulaQuery(formula=m.SumExpression(sum=["$score", "n"])), limit=3))),
    ("post", C + "/points/query/batch"): lambda s: [plain(x) for x in s.query_batch_points([
        m.QueryRequest(query=[1.0, 0.5], using="v", limit=2), m.QueryRequest(query=m.RecommendQuery(recommend=m.RecommendInput(positive=[3])), using="v")])],
    ("post", C + "/points/query/groups"): lambda s: plain(s.query_points_groups("tag", query=[1.0, 0.5], using="v", limit=2, group_size=2)),
    ("post", C + "/points/search"): lambda s: s.found(s.raw("search", lambda p: p.Search(search(s)).result, **V)),
    ("post", C + "/points/search/batch"): lambda s: s.lists(s.raw("search/batch", lambda p: p.SearchBatch(g.SearchBatchPoints(
        collection_name=s.name, search_points=[search(s), search(s, limit=1)])), searches=[V, {**V, "limit": 1}])),
    ("post", C + "/points/search/groups"): lambda s: s.grouped(s.raw("search/groups", lambda p: p.SearchGroups(g.SearchPointGroups(
        collection_name=s.name, **{**G, **BY})), **{**V, **BY})),
    ("post", C + "/points/search/matrix/pairs"): lambda s: len(s.search_matrix_pairs(using="v", sample=12, limit=2).pairs),
    ("post", C + "/points/search/matrix/offsets"): lambda s: plain(s.search_matrix_offsets(using="v", sample=12, limit=2)),
    ("post", C + "/points/recommend"): lambda s: s.found(s.raw("recommend", lambda p: p.Recommend(recommend(s)).result, **R)),
    ("post", C + "/points/recommend/batch"): lambda s: s.lists(s.raw("recommend/batch", lambda p: p.RecommendBatch(g.RecommendBatchPoints(
        collection_name=s.name, recommend_points=[recommend(s)])), searches=[R])),
    ("post", C + "/points/recommend/groups"): lambda s: s.grouped(s.raw("recommend/groups", lambda p: p.RecommendGroups(g.RecommendPointGroups(
        collection_name=s.name, positive=IDS, using="v", **BY)), positive=[9], using="v", **BY)),
    ("post", C + "/points/discover"): lambda s: s.found(s.raw("discover", lambda p: p.Discover(discover(s)).result, **D)),
    ("post", C + "/points/discover/batch"): lambda s: s.lists(s.raw("discover/batch", lambda p: p.DiscoverBatch(g.DiscoverBatchPoints(
        collection_name=s.name, discover_points=[discover(s)])), searches=[D])),
    ("post", C + "/facet"): lambda s: (plain(s.facet("tag")), plain(s.facet("n", facet_filter=EVEN, limit=3))),
    ("put", C + "/vectors/{vector_name}"): lambda s: (plain(s.create_vector_name("more", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(
        size=4, distance="Euclid")))), plain(s.get_collection().config)),
    ("delete", C + "/vectors/{vector_name}"): lambda s: (plain(s.delete_vector_name("w")), plain(s.get_collection().config), state(s)),
    ("get", C + "/snapshots"): lambda s: s.kept(0), ("post", C + "/snapshots"): lambda s: s.kept(1),
    ("delete", C + "/snapshots/{snapshot_name}"): lambda s: (s.kept(2), s.kept(3)),
    ("get", "/snapshots"): lambda s: s.kept_all(0), ("post", "/snapshots"): lambda s: s.kept_all(1),
    ("delete", "/snapshots/{snapshot_name}"): lambda s: (s.kept_all(2), s.kept_all(3)),
    ("get", C + "/cluster"): lambda s: {k: v for k, v in plain(s.collection_cluster_info()).items() if k != "resharding_operations"}, # repeated: there anyway
    ("post", C + "/cluster"): lambda s: refused(lambda: s.cluster_collection_update(m.DropReplicaOperation(drop_replica=m.Replica(shard_id=0, peer_id=1)))),
    ("get", C + "/shards"): lambda s: plain(s.list_shard_keys()),
    ("put", C + "/shards"): lambda s: refused(lambda: s.create_shard_key("k")),
    ("post", C + "/shards/delete"): lambda s: refused(lambda: s.delete_shard_key("k")),
}


def test_every_operation_is_listed(server):
    doc = httpx.get(server.url + "/openapi.json", timeout=20).json()
    described = {(method, path) for path, methods in doc["paths"].items() for method in methods}
    assert described == SAME.keys() | ALONE.keys() and not SAME.keys() & ALONE.keys()


@pytest.mark.parametrize("operation", SAME, ids=lambda o: " ".join(o))
def test_same(server, operation):
    rest, rpc = (SAME[operation](Side(server, transport)) for transport in ("rest", "grpc"))
    assert rest == rpc
    assert rest not in (None, [], False)
