"""The official Python client, method by method: the public methods are read from the installed client; each has a check below that
asserts what comes back, run over REST and gRPC by the client that waits and by the one that does not. Those without one are
excluded with a reason. (Queries of every kind are held to the client's in-memory mode elsewhere.)"""
import asyncio
import inspect
import os
import uuid

import numpy as np
import pytest
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client import models as m

from conftest import TRANSPORTS, Server

EXCLUDED = {
    "DEFAULT_BATCH_SIZE": "a number", "init_options": "what the client was made with",
    "grpc_collections": "the generated stubs, which test_grpc.py uses", "grpc_points": "the same", "http": "the generated REST client",
    "get_embedding_size": "asks FastEmbed, not the server", "list_text_models": "the same", "list_sparse_models": "the same",
    "list_image_models": "the same", "list_late_interaction_text_models": "the same",
    "list_late_interaction_multimodal_models": "the same",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("python") / "kith").start()
    yield s
    s.stop()


class Waiting:
    """one face for both clients"""
    def __init__(self, server, transport, asynchronous):
        made = AsyncQdrantClient if asynchronous else QdrantClient
        self.client = made(host="127.0.0.1", port=server.port, grpc_port=server.grpc_port, timeout=60, prefer_grpc=transport == "grpc")
        self.loop, self.url, self.server = asyncio.new_event_loop(), server.url, server

    def __getattr__(self, name):
        method = getattr(self.client, name)

        def call(*args, **more):
            got = method(*args, **more)
            return self.loop.run_until_complete(got) if inspect.isawaitable(got) else got
        return call


@pytest.fixture(params=[(t, a) for t in TRANSPORTS for a in (False, True)], ids=lambda p: p[0] + ("-async" if p[1] else ""))
def c(server, request):
    client = Waiting(server, *request.param)
    yield client
    client.close()
    client.loop.close()


def filled(c, n=20, **more):
    name = "c" + uuid.uuid4().hex[:12]
    c.create_collection(name, vectors_config=m.VectorParams(size=2, distance="Dot"), **more)
    c.upsert(name, [m.PointStruct(id=i, vector=[i, 1], payload={"n": i, "tag": "ab"[i % 2]}) for i in range(n)], wait=True)
    return name


def ids(points):
    return sorted(p.id for p in points)


def check_batch_update_points(c):
    name = filled(c)
    done = c.batch_update_points(name, [
        m.UpsertOperation(upsert=m.PointsList(points=[m.PointStruct(id=50, vector=[5, 5])])),
        m.SetPayloadOperation(set_payload=m.SetPayload(payload={"x": 1}, points=[50])),
        m.DeleteOperation(delete=m.PointIdsList(points=[0]))], wait=True)
    assert [d.status for d in done] == ["completed"] * 3
    assert c.retrieve(name, [0, 50])[0].payload == {"x": 1}


def check_clear_payload(c):
    name = filled(c)
    assert c.clear_payload(name, [3], wait=True).status == "completed"
    assert c.retrieve(name, [3])[0].payload == {}


def check_close(c):
    assert c.close() is None


def check_cluster_collection_update(c):
    with pytest.raises(Exception, match="Distributed mode is disabled"):
        c.cluster_collection_update(filled(c), m.DropReplicaOperation(drop_replica=m.Replica(shard_id=0, peer_id=1)))


def check_cluster_status(c):
    assert c.cluster_status().status == "disabled"


def check_cluster_telemetry(c):
    with pytest.raises(Exception, match="Distributed mode is disabled"):
        c.cluster_telemetry()


def check_collection_cluster_info(c):
    info = c.collection_cluster_info(filled(c))
    assert info.shard_count == 1 and info.local_shards[0].points_count == 20 and info.remote_shards == []


def check_collection_exists(c):
    assert c.collection_exists(filled(c)) and not c.collection_exists("nowhere")


def check_count(c):
    name = filled(c)
    assert c.count(name).count == 20
    assert c.count(name, m.Filter(must=[m.FieldCondition(key="tag", match=m.MatchValue(value="a"))])).count == 10


def check_create_collection(c):
    name = "c" + uuid.uuid4().hex[:12]
    assert c.create_collection(name, vectors_config={"v": m.VectorParams(size=3, distance="Cosine")}, sparse_vectors_config={"s": m.SparseVectorParams()}) is True
    with pytest.raises(Exception, match="already exists"):
        c.create_collection(name, vectors_config={})


def check_create_full_snapshot(c):
    made = c.create_full_snapshot()
    assert made.size > 0 and made.name in [s.name for s in c.list_full_snapshots()]
    c.delete_full_snapshot(made.name)


def check_create_payload_index(c):
    name = filled(c)
    assert c.create_payload_index(name, "tag", "keyword", wait=True).status == "completed"
    assert c.get_collection(name).payload_schema["tag"].data_type == "keyword"


def check_create_shard_key(c):
    with pytest.raises(Exception, match="custom sharding"):
        c.create_shard_key(filled(c), "k")


def check_create_shard_snapshot(c):
    name = filled(c)
    made = c.create_shard_snapshot(name, 0)
    assert made.name in [s.name for s in c.list_shard_snapshots(name, 0)]


def check_create_snapshot(c):
    name = filled(c)
    assert c.create_snapshot(name).name in [s.name for s in c.list_snapshots(name)]


def check_create_vector_name(c):
    name = "c" + uuid.uuid4().hex[:12]
    c.create_collection(name, vectors_config={"a": m.VectorParams(size=2, distance="Dot")})
    c.create_vector_name(name, "late", m.DenseVectorNameConfig(dense=m.DenseVectorConfig(size=3, distance="Dot")))
    assert c.get_collection(name).config.params.vectors["late"].size == 3


def check_delete(c):
    name = filled(c)
    c.delete(name, [1, 2], wait=True)
    c.delete(name, m.FilterSelector(filter=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gte=15))])), wait=True)
    assert c.count(name).count == 13


def check_delete_collection(c):
    name = filled(c)
    assert c.delete_collection(name) and not c.collection_exists(name)


def check_delete_full_snapshot(c):
    made = c.create_full_snapshot()
    assert c.delete_full_snapshot(made.name) and made.name not in [s.name for s in c.list_full_snapshots()]


def check_delete_payload(c):
    name = filled(c)
    c.delete_payload(name, ["n"], [4], wait=True)
    assert c.retrieve(name, [4])[0].payload == {"tag": "a"}


def check_delete_payload_index(c):
    name = filled(c)
    c.create_payload_index(name, "tag", "keyword", wait=True)
    c.delete_payload_index(name, "tag", wait=True)
    assert c.get_collection(name).payload_schema == {}


def check_delete_shard_key(c):
    with pytest.raises(Exception, match="custom sharding"):
        c.delete_shard_key(filled(c), "k")


def check_delete_shard_snapshot(c):
    name = filled(c)
    made = c.create_shard_snapshot(name, 0)
    assert c.delete_shard_snapshot(name, 0, made.name) and c.list_shard_snapshots(name, 0) == []


def check_delete_snapshot(c):
    name = filled(c)
    assert c.delete_snapshot(name, c.create_snapshot(name).name) and c.list_snapshots(name) == []


def check_delete_vector_name(c):
    name = "c" + uuid.uuid4().hex[:12]
    c.create_collection(name, vectors_config={"a": m.VectorParams(size=2, distance="Dot"), "b": m.VectorParams(size=2, distance="Dot")})
    c.delete_vector_name(name, "b")
    assert list(c.get_collection(name).config.params.vectors) == ["a"]


def check_delete_vectors(c):
    name = filled(c)
    c.delete_vectors(name, [""], [1], wait=True)
    assert not c.retrieve(name, [1], with_vectors=True)[0].vector


def check_facet(c):
    name = filled(c, 21)
    c.create_payload_index(name, "tag", "keyword", wait=True)
    assert [(h.value, h.count) for h in c.facet(name, "tag").hits] == [("a", 11), ("b", 10)]


def named_alias(c, name):
    alias = "alias_" + name
    c.update_collection_aliases([m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name=name, alias_name=alias))])
    return alias


def check_get_aliases(c):
    name = filled(c)
    assert (named_alias(c, name), name) in [(a.alias_name, a.collection_name) for a in c.get_aliases().aliases]


def check_get_collection(c):
    info = c.get_collection(filled(c))
    assert info.points_count == 20 and info.status == "green" and info.config.params.vectors.size == 2


def check_get_collection_aliases(c):
    name = filled(c)
    alias = named_alias(c, name)
    assert [a.alias_name for a in c.get_collection_aliases(name).aliases] == [alias]


def check_get_collections(c):
    assert filled(c) in [x.name for x in c.get_collections().collections]


def check_get_optimizations(c):
    got = c.get_optimizations(filled(c))
    assert got.running == [] and got.summary.idle_segments >= 1


def check_info(c):
    assert c.info().version.startswith("1.19.")


def check_list_full_snapshots(c):
    made = c.create_full_snapshot()
    assert made.name in [s.name for s in c.list_full_snapshots()]
    c.delete_full_snapshot(made.name)


def check_list_shard_keys(c):
    assert c.list_shard_keys(filled(c)).shard_keys == []


def check_list_shard_snapshots(c):
    assert c.list_shard_snapshots(filled(c), 0) == []


def check_list_snapshots(c):
    assert c.list_snapshots(filled(c)) == []


def check_migrate(c):
    if isinstance(c.client, AsyncQdrantClient):
        pytest.skip("the client's own copying works between clients that wait")
    name, other = filled(c), QdrantClient(":memory:")
    c.migrate(other, collection_names=[name])
    assert other.count(name).count == 20
    back = QdrantClient(":memory:")
    other.migrate(back, collection_names=[name])
    c.delete_collection(name)
    back.migrate(c.client, collection_names=[name])
    assert c.count(name).count == 20 and c.retrieve(name, [7], with_vectors=True)[0].vector == [7, 1]


def check_overwrite_payload(c):
    name = filled(c)
    c.overwrite_payload(name, {"only": True}, [2], wait=True)
    assert c.retrieve(name, [2])[0].payload == {"only": True}


def check_query_batch_points(c):
    got = c.query_batch_points(filled(c), [m.QueryRequest(query=[1.0, 0.0], limit=2), m.QueryRequest(query=3, limit=1)])
    assert [[p.id for p in r.points] for r in got] == [[19, 18], [19]]


def check_query_points(c):
    name = filled(c)
    got = c.query_points(name, query=[1.0, 0.0], limit=3, with_vectors=True, with_payload=["n"]).points
    assert [(p.id, p.score, p.vector, p.payload) for p in got] == [(i, i, [i, 1], {"n": i}) for i in (19, 18, 17)]


def check_query_points_groups(c):
    got = c.query_points_groups(filled(c), "tag", query=[1.0, 0.0], limit=2, group_size=2).groups
    assert [(g.id, [h.id for h in g.hits]) for g in got] == [("b", [19, 17]), ("a", [18, 16])]


def check_recover_current_peer(c):
    with pytest.raises(Exception, match="Distributed mode is disabled"):
        c.recover_current_peer()


def check_recover_shard_snapshot(c):
    name = filled(c)
    made = c.create_shard_snapshot(name, 0)
    c.delete(name, list(range(10)), wait=True)
    assert c.recover_shard_snapshot(name, 0, f"{c.url}/collections/{name}/shards/0/snapshots/{made.name}")
    assert c.count(name).count == 20


def check_recover_snapshot(c):
    name = filled(c)
    made = c.create_snapshot(name)
    c.delete(name, list(range(10)), wait=True)
    assert c.recover_snapshot(name, f"{c.url}/collections/{name}/snapshots/{made.name}")
    assert c.count(name).count == 20


def check_recreate_collection(c):
    name = filled(c)
    assert c.recreate_collection(name, vectors_config=m.VectorParams(size=4, distance="Dot")) and c.count(name).count == 0


def check_remove_peer(c):
    with pytest.raises(Exception, match="Distributed mode is disabled"):
        c.remove_peer(1)


def check_retrieve(c):
    got = c.retrieve(filled(c), [3, 99, 5], with_vectors=True)
    assert [(p.id, p.vector, p.payload["n"]) for p in got] == [(3, [3, 1], 3), (5, [5, 1], 5)]


def check_scroll(c):
    name = filled(c)
    page, after = c.scroll(name, limit=12)
    rest, end = c.scroll(name, limit=12, offset=after)
    assert [p.id for p in page + rest] == list(range(20)) and after == 12 and end is None


def check_search_matrix_offsets(c):
    got = c.search_matrix_offsets(filled(c), sample=5, limit=2)
    assert len(got.ids) == 5 and len(got.scores) == len(got.offsets_row) == len(got.offsets_col) == 10


def check_search_matrix_pairs(c):
    got = c.search_matrix_pairs(filled(c), sample=5, limit=2).pairs
    assert len(got) == 10 and all(p.score == p.a * p.b + 1 for p in got)


def check_set_payload(c):
    name = filled(c)
    c.set_payload(name, {"deep": {"x": 1}}, [1], wait=True)
    c.set_payload(name, {"y": 2}, [1], key="deep", wait=True)
    assert c.retrieve(name, [1])[0].payload["deep"] == {"x": 1, "y": 2}


def check_update_collection(c):
    name = filled(c)
    assert c.update_collection(name, hnsw_config=m.HnswConfigDiff(m=32), metadata={"owner": "us"})
    config = c.get_collection(name).config
    assert config.hnsw_config.m == 32 and config.metadata == {"owner": "us"}


def check_update_collection_aliases(c):
    name = filled(c)
    alias = named_alias(c, name)
    assert c.update_collection_aliases([m.RenameAliasOperation(rename_alias=m.RenameAlias(old_alias_name=alias, new_alias_name=alias + "2"))])
    assert c.count(alias + "2").count == 20
    assert c.update_collection_aliases([m.DeleteAliasOperation(delete_alias=m.DeleteAlias(alias_name=alias + "2"))])
    assert c.get_collection_aliases(name).aliases == []


def check_update_vectors(c):
    name = filled(c)
    c.update_vectors(name, [m.PointVectors(id=1, vector=[9, 9])], wait=True)
    assert c.retrieve(name, [1], with_vectors=True)[0].vector == [9, 9]


def check_upload_collection(c):
    name = filled(c, 1)
    c.upload_collection(name, vectors=np.arange(40, dtype=np.float32).reshape(20, 2), ids=range(100, 120), payload=[{"k": i} for i in range(20)], wait=True)
    assert c.count(name).count == 21 and c.retrieve(name, [119], with_vectors=True)[0].vector == [38, 39]


def check_upload_points(c):
    name = filled(c, 1)
    c.upload_points(name, (m.PointStruct(id=i, vector=[i, i]) for i in range(100, 300)), batch_size=64, wait=True)
    assert c.count(name).count == 201


def check_upsert(c):
    name = filled(c)
    assert c.upsert(name, m.Batch(ids=[70, 71], vectors=[[7, 0], [7, 1]], payloads=[{"a": 1}, {}]), wait=True).status == "completed"
    assert c.upsert(name, [m.PointStruct(id=72, vector=[1, 2])], wait=False).status == "acknowledged"
    got = c.retrieve(name, [70, 71], with_vectors=True)
    assert [(p.payload, p.vector) for p in got] == [({"a": 1}, [7, 0]), ({}, [7, 1])]


PUBLIC = [n for n in dir(QdrantClient) if not n.startswith("_")]


def test_every_method_is_looked_at():
    assert set(PUBLIC) == {n for n in dir(AsyncQdrantClient) if not n.startswith("_")}
    without = [n for n in PUBLIC if n not in EXCLUDED and f"check_{n}" not in globals()]
    assert not without, f"no check for {without}"
    stale = [n for n in [*EXCLUDED, *(g[6:] for g in globals() if g.startswith("check_"))] if n not in PUBLIC]
    assert not stale, f"not in the client any more: {stale}"


@pytest.mark.parametrize("method", [n for n in PUBLIC if n not in EXCLUDED])
def test_method(c, method):
    globals()[f"check_{method}"](c)
