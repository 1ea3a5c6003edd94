"""Snapshots by the official client and by their files: made, listed, dropped, downloaded, restored from here, from an
upload and from another server."""
import hashlib
import subprocess
import tarfile

import numpy as np
import pytest
import httpx
from qdrant_client import models as m

from conftest import TRANSPORTS, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("snapshots") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": "200"}).start()
    yield s
    s.stop()


def fill(client, name, n=500, dim=4):
    client.delete_collection(name)
    client.create_collection(name, m.VectorParams(size=dim, distance=m.Distance.EUCLID), metadata={"made": "here"})
    vectors = np.random.default_rng(n).random((n, dim)).tolist()
    for at in range(0, n, 1000):
        client.upsert(name, [m.PointStruct(id=i, vector=vectors[i], payload={"n": i, "s": f"x{i % 7}"})
                             for i in range(at, min(n, at + 1000))], wait=True)
    client.create_payload_index(name, "n", m.PayloadSchemaType.INTEGER)
    return vectors


def everything(client, name):
    points, at = [], None
    while True:
        page, at = client.scroll(name, limit=1000, offset=at, with_vectors=True)
        points += [(p.id, p.payload, p.vector) for p in page]
        if at is None:
            return points


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_life(server, transport):
    client = server.client(transport)
    fill(client, "c")
    before = everything(client, "c")
    made = client.create_snapshot("c")
    assert made.name.startswith("c-1-") and made.name.endswith(".snapshot") and made.size > 0 and made.creation_time
    assert [s.name for s in client.list_snapshots("c")] == [made.name]
    client.delete("c", m.FilterSelector(filter=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(lt=250))])), wait=True)
    client.upsert("c", [m.PointStruct(id=400, vector=[9, 9, 9, 9])], wait=True)
    client.delete_payload_index("c", "n")
    version = client.query_points("c", query=[9, 9, 9, 9], limit=1).points[0].version
    assert client.recover_snapshot("c", f"file:///snapshots/c/{made.name}", wait=True)
    assert everything(client, "c") == before
    assert client.get_collection("c").payload_schema["n"].points == 500
    assert client.get_collection("c").config.metadata == {"made": "here"}
    client.upsert("c", [m.PointStruct(id=400, vector=[8, 8, 8, 8])], wait=True)
    hit = client.query_points("c", query=[8, 8, 8, 8], limit=1).points[0]
    assert hit.id == 400 and hit.score == 0 and hit.version > version
    assert client.recover_snapshot("d", f"file:///snapshots/c/{made.name}")
    assert everything(client, "d") == before
    server.stop()
    server.start()
    client = server.client(transport)
    assert everything(client, "d") == before and client.count("c").count == 500
    client.delete_collection("c")
    assert client.recover_snapshot("c", made.name)
    assert everything(client, "c") == before
    assert client.delete_snapshot("c", made.name)
    assert client.list_snapshots("c") == []
    with pytest.raises(Exception, match="[Nn]ot found|doesn't exist"):
        client.list_snapshots("nobody")
    for name in "cd":
        client.delete_collection(name)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_all_collections(server, transport):
    client = server.client(transport)
    fill(client, "one", 20)
    fill(client, "two", 30)
    made = client.create_full_snapshot()
    assert made.name.startswith("full-snapshot-")
    assert made.name in [s.name for s in client.list_full_snapshots()]
    file = httpx.get(f"{server.url}/snapshots/{made.name}")
    assert file.status_code == 200 and len(file.content) == made.size
    assert client.delete_full_snapshot(made.name)
    assert made.name not in [s.name for s in client.list_full_snapshots()]
    assert httpx.get(f"{server.url}/snapshots/{made.name}").status_code == 404
    answer = httpx.post(f"{server.url}/collections/one/snapshots/upload", files={"snapshot": file.content}, timeout=60)
    assert answer.status_code == 400 and "2 collections" in answer.text


def test_shard_snapshots(server):
    client = server.client()
    fill(client, "c", 50)
    before = everything(client, "c")
    made = client.create_shard_snapshot("c", 0)
    assert [s.name for s in client.list_shard_snapshots("c", 0)] == [made.name]
    with pytest.raises(Exception, match="Shard 1 not found"):
        client.create_shard_snapshot("c", 1)
    client.delete("c", [1, 2, 3], wait=True)
    assert client.recover_shard_snapshot("c", 0, made.name)
    assert everything(client, "c") == before
    assert client.delete_shard_snapshot("c", 0, made.name)
    streamed = httpx.get(f"{server.url}/collections/c/shards/0/snapshot")
    assert streamed.status_code == 200 and streamed.headers["access-control-allow-origin"] == "*" and client.list_shard_snapshots("c", 0) == []
    answer = httpx.post(f"{server.url}/collections/c2/shards/0/snapshots/upload", files={"snapshot": streamed.content})
    assert answer.status_code == 200, answer.text
    assert everything(client, "c2") == before


def test_files(server, tmp_path):
    """downloaded in full and over HTTP/2, listed by tar, uploaded elsewhere; broken and mistaken ones are refused"""
    client = server.client()
    fill(client, "c", 300)
    before = everything(client, "c")
    made = client.create_snapshot("c")
    url = f"{server.url}/collections/c/snapshots/{made.name}"
    file = httpx.get(url)
    assert int(file.headers["content-length"]) == len(file.content) == made.size
    assert httpx.head(url).headers["content-length"] == str(made.size)
    two = subprocess.run(["curl", "-s", "--http2-prior-knowledge", url], capture_output=True, timeout=60)
    assert two.stdout == file.content
    (tmp_path / "file").write_bytes(file.content)
    with tarfile.open(tmp_path / "file") as t:
        names = t.getnames()
    assert names[0] == "kith-snapshot" and all(n.startswith("blobs/") for n in names[1:])
    other = Server(tmp_path / "other").start()
    try:
        there, sums = other.client(), hashlib.sha256(file.content).hexdigest()
        upload = lambda name, data, **query: httpx.post(f"{other.url}/collections/{name}/snapshots/upload", params=query,
                                                        files={"snapshot": data}, timeout=60)
        wrong = upload("x", file.content, checksum="0" * 64)
        assert wrong.status_code == 400 and "Checksum mismatch" in wrong.text and sums in wrong.text
        assert upload("x", file.content, checksum="zz").status_code == 422
        assert upload("x", file.content[:-2000]).status_code >= 400
        assert upload("x", b"nothing").status_code >= 400
        flipped = bytearray(file.content)
        flipped[len(flipped) // 2] ^= 1
        broken = upload("x", bytes(flipped))
        assert broken.status_code == 500 and "checksum" in broken.text
        assert httpx.post(f"{other.url}/collections/x/snapshots/upload", content=b"{}",
                          headers={"content-type": "application/json"}).status_code == 400
        assert not there.collection_exists("x")
        assert upload("x", file.content, checksum=sums, priority="snapshot").json()["result"] is True
        assert everything(there, "x") == before
        assert not list((tmp_path / "other" / "uploads").iterdir())
        # by its address, from server to server
        assert there.recover_snapshot("y", url, checksum=sums)
        assert everything(there, "y") == before
        for wrong in (url + "x", "http://127.0.0.1:1/x", "ftp://127.0.0.1/x", "file:///etc/passwd"):
            with pytest.raises(Exception, match="40[04]|Bad request|Not found"):
                there.recover_snapshot("z", wrong)
        later = httpx.put(f"{other.url}/collections/y/snapshots/recover?wait=false", json={"location": url}, timeout=60)
        assert later.status_code == 202 and later.json()["status"] == "accepted"
    finally:
        other.stop()
    client.delete_snapshot("c", made.name)


def test_a_large_file(server, tmp_path):
    """larger than what a body may be in memory"""
    client = server.client("grpc")
    fill(client, "large", 24000, 768)
    made = client.create_snapshot("large")
    assert made.size > 66 << 20
    url = f"{server.url}/collections/large/snapshots/{made.name}"
    subprocess.run(["curl", "-sf", "-o", str(tmp_path / "file"), url], check=True, timeout=120)
    answer = subprocess.run(["curl", "-s", "-F", f"snapshot=@{tmp_path}/file",
                             f"{server.url}/collections/larger/snapshots/upload"], capture_output=True, timeout=120)
    assert b'"result":true' in answer.stdout, answer
    assert client.count("larger").count == 24000
    query = np.random.default_rng(1).random(768).tolist()
    assert client.query_points("larger", query=query).points == client.query_points("large", query=query).points
    for name in ("large", "larger"):
        client.delete_collection(name)


def test_keys_and_settings(tmp_path):
    keys = {"KITH_SERVICE_API_KEY": "all", "KITH_SERVICE_READ_ONLY_API_KEY": "some",
            "KITH_SERVICE_ENABLE_SNAPSHOT_URL_RECOVERY": "false"}
    s = Server(tmp_path / "kith", keys).start()
    try:
        one = s.url + "/collections/c"
        assert httpx.put(one, json={"vectors": {"size": 2, "distance": "Dot"}}, headers={"api-key": "all"}).is_success
        for key, code in (("", 401), ("none", 401), ("some", 403)):
            assert httpx.post(one + "/snapshots", headers={"api-key": key}).status_code == code
            assert httpx.post(one + "/snapshots/upload", headers={"api-key": key},
                              files={"snapshot": b"x" * (70 << 20)}, timeout=60).status_code == code
            assert httpx.get(s.url + "/snapshots", headers={"api-key": key}).status_code == code
        assert httpx.get(one + "/snapshots", headers={"api-key": "some"}).json()["result"] == []
        made = httpx.post(one + "/snapshots", headers={"api-key": "all"}).json()["result"]
        answer = httpx.put(one + "/snapshots/recover", headers={"api-key": "all"},
                           json={"location": f"{one}/snapshots/{made['name']}", "api_key": "all"})
        assert answer.status_code == 403 and "enable_snapshot_url_recovery" in answer.text
        assert httpx.put(one + "/snapshots/recover", headers={"api-key": "all"},
                         json={"location": made["name"]}).json()["result"] is True
    finally:
        s.stop()


def partial(server, what, name="c"):
    return f"{server.url}/collections/{name}/shards/0/snapshot/partial/{what}"


def test_partial(server, tmp_path):
    """another server follows a collection: only what it has not is sent"""
    client = server.client()
    fill(client, "c", 3000)
    client.create_snapshot("c")
    client.upsert("c", [m.PointStruct(id=2990, vector=[9, 9, 9, 9])], wait=True)  # the next one finds many small files, and merges
    client.delete_snapshot("c", client.list_snapshots("c")[0].name)
    other = Server(tmp_path / "other", {"KITH_STORAGE_GROWING_ROWS_MAX": "200"}).start()
    try:
        there = other.client()
        follow = {"peer_url": server.url}
        assert httpx.post(partial(other, "recover_from"), json=follow, timeout=60).json()["result"] is True  # all of it
        assert everything(there, "c") == everything(client, "c")
        assert httpx.post(partial(other, "recover_from"), json=follow, timeout=60).json()["result"] is False  # nothing is new

        manifest = httpx.get(partial(other, "manifest")).json()["result"]
        whole = len(httpx.get(f"{server.url}/collections/c/shards/0/snapshot").content)
        assert httpx.post(partial(server, "create"), json=manifest).status_code == 304
        client.upsert("c", [m.PointStruct(id=i, vector=[9, 9, 9, i], payload={"new": i}) for i in range(2990, 3010)], wait=True)
        part = httpx.post(partial(server, "create"), json=manifest)
        assert part.status_code == 200 and 0 < len(part.content) < whole / 2
        answer = httpx.post(partial(other, "recover?wait=true"), files={"snapshot": part.content}, timeout=60)
        assert answer.json()["result"] is True
        assert everything(there, "c") == everything(client, "c") and there.count("c").count == 3010
        assert there.list_snapshots("c") == []  # what was kept meanwhile is gone

        client.delete("c", m.FilterSelector(filter=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(lt=100))])), wait=True)
        there.upsert("c", [m.PointStruct(id=9999, vector=[1, 1, 1, 1])], wait=True)  # is gone with the recovery
        assert httpx.post(partial(other, "recover_from"), json=follow, timeout=60).json()["result"] is True
        assert everything(there, "c") == everything(client, "c") and there.count("c").count == 2910

        lonely = httpx.post(partial(other, "recover", "d"), files={"snapshot": httpx.post(
            partial(server, "create"), json=httpx.get(partial(server, "manifest")).json()["result"] | {"parts": []}).content}, timeout=60)
        assert lonely.json()["result"] is True  # parts of no one: a whole one
        first = client.get_collection("c").points_count
        assert there.get_collection("d").points_count == first
    finally:
        other.stop()


def test_partial_refusals(server, tmp_path):
    client = server.client()
    fill(client, "r", 1000)
    parts = httpx.get(partial(server, "manifest", "r")).json()["result"]
    client.upsert("r", [m.PointStruct(id=5000, vector=[1, 1, 1, 1])], wait=True)
    part = httpx.post(partial(server, "create", "r"), json=parts).content
    other = Server(tmp_path / "other").start()
    try:
        answer = httpx.post(partial(other, "recover", "r"), files={"snapshot": part}, timeout=60)
        assert answer.status_code == 400 and "neither in the file nor here" in answer.text
        assert not other.client().collection_exists("r")
    finally:
        other.stop()
    for what, body, status, says in [("create", {}, 400, "parts"), ("create", {"parts": [7]}, 400, "parts"),
                                     ("recover_from", {}, 400, "peer_url"), ("recover_from", {"peer_url": "host"}, 400, "peer_url"),
                                     ("recover_from", {"peer_url": "http://127.0.0.1:1"}, 400, "127.0.0.1:1")]:
        answer = httpx.post(partial(server, what, "r"), json=body, timeout=60)
        assert answer.status_code == status and says in answer.text, answer.text
    assert client.count("r").count == 1001 and client.list_snapshots("r") == []
    assert httpx.get(partial(server, "manifest", "none")).status_code == 404
    assert httpx.post(partial(server, "recover_from", "none"), json={"peer_url": server.url}).status_code == 404
