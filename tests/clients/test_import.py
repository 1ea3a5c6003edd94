"""kith import --from-qdrant: what a server has into another one, over its REST interface alone; stopped half-way and gone on; what
is refused. (The server it copies from is this one, as the interface is the peer's.)"""
import os
import signal
import subprocess
import time
import uuid

import numpy as np
import pytest
from qdrant_client import models as m

from conftest import BINARY, Server


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    a = Server(tmp_path_factory.mktemp("from") / "kith", {"KITH_SERVICE_API_KEY": "theirs"}).start()
    b = Server(tmp_path_factory.mktemp("to") / "kith").start()
    yield a, b
    a.stop()
    b.stop()


def command(a, b, *more):
    return [BINARY, "import", "--from-qdrant", a.url, "--to", b.url, "--from-key", "theirs", *more]


def run(a, b, *more):
    return subprocess.run(command(a, b, *more), capture_output=True, text=True, timeout=120)


def theirs(a):
    from qdrant_client import QdrantClient
    return QdrantClient(url=a.url, api_key="theirs", timeout=60)


def fill(c, name, n):
    rng = np.random.default_rng(n)
    c.create_collection(name, vectors_config={
        "dense": m.VectorParams(size=8, distance="Cosine", on_disk=True, hnsw_config=m.HnswConfigDiff(m=24)),
        "many": m.VectorParams(size=3, distance="Dot", multivector_config=m.MultiVectorConfig(comparator="max_sim"), datatype="float16")},
        sparse_vectors_config={"words": m.SparseVectorParams(modifier=m.Modifier.IDF)},
        hnsw_config=m.HnswConfigDiff(ef_construct=200), optimizers_config=m.OptimizersConfigDiff(indexing_threshold=5000),
        quantization_config=m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type="int8", always_ram=True)),
        metadata={"owner": "us"}, strict_mode_config=m.StrictModeConfig(enabled=True, upsert_max_batchsize=400, max_query_limit=5000))
    c.create_payload_index(name, "tag", "keyword")
    c.create_payload_index(name, "text", m.TextIndexParams(type="text", lowercase=True, min_token_len=2))
    for at in range(0, n, 400):
        c.upsert(name, [m.PointStruct(
            id=i if i % 3 else str(uuid.UUID(int=i + 1)), payload={"tag": f"t{i % 7}", "text": "ein brown fox", "big": 2 ** 60 + i, "deep": {"x": [i, None, 1.5]}},
            vector={"dense": rng.uniform(-1, 1, 8).tolist(), "many": rng.uniform(-1, 1, (i % 3 + 1, 3)).tolist(),
                    "words": m.SparseVector(indices=[i % 50, 60 + i % 9], values=[1.5, 0.25])} if i % 11 else {}) for i in range(at, min(at + 400, n))],
            wait=True)


def contents(c, name):
    points, offset = {}, None
    while True:
        page, offset = c.scroll(name, limit=1000, offset=offset, with_vectors=True)
        points.update({p.id: (p.payload, p.vector) for p in page})
        if offset is None:
            return points


def same(a, b):
    assert a.keys() == b.keys()
    for i in a:
        assert a[i][0] == b[i][0] and a[i][1].keys() == b[i][1].keys(), i
        for name, v in a[i][1].items():
            if name == "words":
                assert v == b[i][1][name]
            else:
                assert np.allclose(v, b[i][1][name], atol=2e-3), i


def test_everything_comes_over(servers):
    a, b = servers
    source, target = theirs(a), b.client()
    fill(source, "first", 1000)
    source.create_collection("empty", vectors_config={})
    source.update_collection_aliases([m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name="first", alias_name="short"))])
    done = run(a, b)
    assert done.returncode == 0, done.stderr
    assert "first: 1000 points, 200 compared" in done.stdout and "empty: 0 points" in done.stdout
    same(contents(source, "first"), contents(target, "first"))
    one, two = source.get_collection("first"), target.get_collection("first")
    assert one.config == two.config and two.config.metadata == {"owner": "us"}
    assert {k: v.params for k, v in one.payload_schema.items()} == {k: v.params for k, v in two.payload_schema.items()}
    assert target.count("short").count == 1000
    again = run(a, b)
    assert again.returncode == 0 and "first: 1000 points, 200 compared" in again.stdout  # there already, and the same
    target.delete("first", [1])
    again = run(a, b, "--collection", "first")
    assert again.returncode == 1 and "999 here" in again.stderr or "not the same" in again.stderr


def test_goes_on_where_it_was_stopped(servers):
    a, b = servers
    source, target = theirs(a), b.client()
    fill(source, "long", 20000)
    stops = 0
    for seconds in (0.1, 0.2, 0.3, 0.15, 0.25):
        p = subprocess.Popen(command(a, b, "--collection", "long", "--quiet"), stderr=subprocess.PIPE)
        time.sleep(seconds)
        stops += p.poll() is None
        p.send_signal(signal.SIGKILL)
        p.communicate()
        if seconds == 0.3:
            b.kill()
            b.start()
    assert stops
    done = run(a, b, "--collection", "long")
    assert done.returncode == 0 and "long: 20000 points" in done.stdout, done.stderr
    same(contents(source, "long"), contents(target, "long"))
    assert "kith_import" not in (target.get_collection("long").config.metadata or {})


def test_refused(servers):
    a, b = servers
    target = b.client()
    target.create_collection("mine", vectors_config=m.VectorParams(size=2, distance="Dot"))
    target.upsert("mine", [m.PointStruct(id=1, vector=[1, 2])], wait=True)
    theirs(a).create_collection("mine", vectors_config=m.VectorParams(size=2, distance="Dot"))
    done = run(a, b, "--collection", "mine")
    assert done.returncode == 1 and "was not begun by an import" in done.stderr
    assert target.count("mine").count == 1
    for args, why in ((["--collection", "nowhere"], "nowhere"), (["--from-key", "wrong"], "401"), (["--to", "http://127.0.0.1:1"], "127.0.0.1:1")):
        done = run(a, b, *args)
        assert done.returncode == 1 and why in done.stderr, (args, done.stderr)


def test_shard_keys_come_over(servers):
    a, b = servers
    source, target = theirs(a), b.client()
    for c in (source, target):
        c.delete_collection("keyed")
    source.create_collection("keyed", vectors_config=m.VectorParams(size=2, distance="Dot"), sharding_method="custom")
    for key, n in (("red", 300), (7, 200), ("empty", 0)):
        source.create_shard_key("keyed", key)
        if n:
            source.upsert("keyed", [m.PointStruct(id=i * 2 + (key == 7), vector=[i, 1], payload={"i": i}) for i in range(n)], shard_key_selector=key, wait=True)
    done = run(a, b, "--collection", "keyed")
    assert done.returncode == 0, done.stderr
    assert [k.key for k in target.list_shard_keys("keyed").shard_keys] == ["red", 7, "empty"]
    assert [target.count("keyed", shard_key_selector=k).count for k in ("red", 7)] == [300, 200]
    assert target.retrieve("keyed", [11, 12])[0].shard_key == 7 and target.retrieve("keyed", [12])[0].payload == {"i": 6}
