"""Keys and tokens: every route and rpc under every kind of credential, what tokens may and may not, the audit log."""
import base64
import hashlib
import hmac
import json
import os
import re
import time

import grpc
import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from conftest import Server

ROOT = os.path.join(os.path.dirname(__file__), "..", "..")
TABLE = open(os.path.join(ROOT, "src/qdrant/routes.c")).read()
ROUTES = re.findall(r'\{"(\w+)", "([^"]+)",\s+(\w+), ', TABLE) + \
    [("RPC", *found) for found in re.findall(r'RPC\("([^"]+)",\s+(\w+), ', TABLE)]
KEY, ALT, READ_ONLY = "the whole key", "the other whole key", "reads"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(claims, key=KEY, alg="HS256"):
    head = b64(json.dumps({"alg": alg, "typ": "JWT"}).encode()) + "." + b64(json.dumps(claims).encode())
    return head + "." + ("" if alg == "none" else b64(hmac.new(key.encode(), head.encode(), hashlib.sha256).digest()))


def on(collection, access, **more):
    return token({"access": [{"collection": collection, "access": access}], **more})


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("access") / "kith", {
        "KITH_SERVICE_API_KEY": KEY, "KITH_SERVICE_ALT_API_KEY": ALT, "KITH_SERVICE_READ_ONLY_API_KEY": READ_ONLY,
        "KITH_SERVICE_JWT_RBAC": "true"}).start()
    c = QdrantClient(url=s.url, api_key=KEY)
    for name in ("mine", "other"):
        c.create_collection(name, vectors_config=m.VectorParams(size=2, distance="Dot"))
        c.upsert(name, [m.PointStruct(id=i, vector=[i, 1], payload={"role": "admin" if i == 1 else "user", "n": i}) for i in range(5)])
    c.update_collection_aliases([m.CreateAliasOperation(create_alias=m.CreateAlias(collection_name="mine", alias_name="alias"))])
    yield s
    s.stop()


def sizes(server):
    return {os.path.join(d, f): os.path.getsize(os.path.join(d, f)) for d, _, files in os.walk(server.data) for f in files
            if "audit" not in d}


def call(server, method, path, key, collection="mine"):
    """the status: of HTTP, or as if it were"""
    if method == "RPC":
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            message = b"\x0a" + bytes([len(collection)]) + collection.encode()  # collection_name is field 1 where there is one
            try:
                channel.unary_unary(path)(message, metadata=[("api-key", key)] if key else [], timeout=20)
            except grpc.RpcError as e:
                return {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}.get(e.code().name, 400)
        return 200
    url = path.replace("{collection_name}", collection)
    body = b"x" * 300000 if "upload" in path else b"{}"
    return httpx.request(method, server.url + re.sub("{.*?}", "1", url), headers={
        **({"api-key": key} if key else {}), "content-type": "multipart/form-data; boundary=x" if "upload" in path else "application/json"},
        content=None if method == "GET" else body, timeout=20).status_code


READS = {"LIST", "READ", "READ_MORE", "WATCH"}
WRONG = {
    "none": (None, 401), "wrong": ("wrong", 401), "prefix": (KEY[:-1], 401), "not a token": ("a.b.c", 401),
    "alg none": (token({"access": "m"}, alg="none"), 401), "forged": (token({"access": "m"}, key="forged"), 403),
    "read-only key signs nothing": (token({"access": "m"}, key=READ_ONLY), 403),
    "expired": (token({"access": "m", "exp": time.time() - 3600}), 403),
    "not yet": (token({"access": "m", "nbf": time.time() + 3600}), 403),
    "strange access": (token({"access": "root"}), 403),
    "payload": (token({"access": [{"collection": "mine", "access": "r", "payload": {"n": 1}}]}), 403),
    "gone": (token({"access": "m", "value_exists": {"collection": "mine", "matches": [{"key": "n", "value": 77}]}}), 403),
}


@pytest.mark.parametrize("kind", WRONG)
def test_every_route_is_closed(server, kind):
    key, status = WRONG[kind]
    before = sizes(server)
    assert len(ROUTES) > 120
    for method, path, privilege in ROUTES:
        if privilege != "FREE":
            assert call(server, method, path, key) == status, (method, path)
    assert sizes(server) == before  # nothing was written


def allowed(privilege, access, same):
    """what the reference says of tokens and read-only keys"""
    if access == "r everywhere":
        return privilege in READS
    if not same:
        return privilege == "LIST"
    return privilege in {"r": {"LIST", "READ", "READ_MORE"}, "rw": {"LIST", "READ", "READ_MORE", "WRITE", "WRITE_MORE"},
                         "prw": {"LIST", "READ", "WRITE"}}[access]


@pytest.mark.parametrize("access", ["r everywhere", "r", "rw", "prw"])
@pytest.mark.parametrize("same", [True, False])
def test_every_route_by_token(server, access, same):
    keys = [token({"access": "r"}), READ_ONLY] if access == "r everywhere" else [on("mine" if same else "other", access)]
    for key in keys:
        for method, path, privilege in ROUTES:
            if privilege == "FREE" or (allowed(privilege, access, same) and privilege.startswith("WRITE") and "snapshots" in path):
                continue  # the latter would be done
            status = call(server, method, path, key)
            assert (status not in (401, 403)) == allowed(privilege, access, same), (method, path, privilege, status)


def test_whole_keys(server):
    for key in (KEY, ALT, token({}), token({"access": "m"}, key=ALT), token({"access": "m", "exp": time.time() - 10})):
        c = QdrantClient(url=server.url, api_key=key)
        c.create_collection("made", vectors_config=m.VectorParams(size=2, distance="Dot"))
        assert c.delete_collection("made")


def test_lists_show_what_one_may_see(server):
    c = QdrantClient(url=server.url, api_key=on("other", "r"))
    assert [x.name for x in c.get_collections().collections] == ["other"]
    assert c.get_aliases().aliases == []
    c = QdrantClient(url=server.url, api_key=on("mine", "r"))
    assert [x.name for x in c.get_collections().collections] == ["mine"]
    assert [x.alias_name for x in c.get_aliases().aliases] == ["alias"]
    assert c.count("alias").count == 5  # what it stands for is allowed
    assert QdrantClient(url=server.url, api_key=on("alias", "r")).count("alias").count == 5


def test_other_collections_in_a_request(server):
    for prefer_grpc in (False, True):
        c = QdrantClient(url=server.url, grpc_port=server.grpc_port, prefer_grpc=prefer_grpc, api_key=on("mine", "r"))
        assert c.query_points("mine", query=[1.0, 0.0]).points
        with pytest.raises(Exception, match="other is not allowed"):
            c.query_points("mine", query=1, lookup_from=m.LookupLocation(collection="other"))
        with pytest.raises(Exception, match="other is not allowed"):
            c.query_points("mine", prefetch=m.Prefetch(query=1, lookup_from=m.LookupLocation(collection="other")), query=[1.0, 0.0])
        with pytest.raises(Exception, match="other is not allowed"):
            c.query_points_groups("mine", "n", query=[1.0, 0.0], with_lookup="other")


def test_value_exists(server):
    good = token({"access": "r", "value_exists": {"collection": "other", "matches": [{"key": "role", "value": "admin"}, {"key": "n", "value": 1}]}})
    c, all_of_it = QdrantClient(url=server.url, api_key=good), QdrantClient(url=server.url, api_key=KEY)
    assert c.count("mine").count == 5
    all_of_it.delete("other", [1])
    with pytest.raises(Exception, match="403"):
        c.count("mine")
    all_of_it.upsert("other", [m.PointStruct(id=1, vector=[1, 1], payload={"role": "admin", "n": 1})])
    assert c.count("mine").count == 5


def test_tokens_can_be_off_and_narrow(tmp_path):
    s = Server(tmp_path / "kith", {"KITH_SERVICE_API_KEY": KEY}).start()
    assert call(s, "GET", "/collections", token({"access": "m"})) == 401
    s.stop()
    s = Server(tmp_path / "kith", {"KITH_SERVICE_API_KEY": KEY, "KITH_SERVICE_JWT_RBAC": "true",
                                   "KITH_SERVICE_JWT_REQUIRE_ACCESS": "true"}).start()
    assert call(s, "GET", "/collections", token({})) == 403 and call(s, "GET", "/collections", token({"access": "r"})) == 200
    s.stop()


def test_settings_under_the_peers_names(tmp_path):
    s = Server(tmp_path / "kith", {"QDRANT__SERVICE__API_KEY": KEY, "QDRANT__SERVICE__HOST": "127.0.0.1", "QDRANT__CLUSTER__ENABLED": "false",
                                   "QDRANT__SERVICE__READ_ONLY_API_KEY": "theirs", "KITH_SERVICE_READ_ONLY_API_KEY": "ours"}).start()
    assert [call(s, "GET", "/collections", k) for k in (None, KEY, "ours", "theirs")] == [401, 200, 200, 401]
    s.stop()


def lines(path):
    return [json.loads(x) for x in open(path)]


def test_audit(tmp_path):
    s = Server(tmp_path / "kith", {"KITH_SERVICE_API_KEY": KEY, "KITH_SERVICE_JWT_RBAC": "true", "KITH_AUDIT_FILE_MB": "1",
                                   "KITH_AUDIT_MAX_LOG_FILES": "2"}).start()
    c = QdrantClient(url=s.url, api_key=KEY)
    c.create_collection("c", vectors_config=m.VectorParams(size=2, distance="Dot"))
    c.upsert("c", [m.PointStruct(id=1, vector=[1, 2], payload={"secret": "never in the log"})])
    c.count("c")
    with pytest.raises(Exception):
        QdrantClient(url=s.url, api_key=token({"access": "r", "subject": "eve"})).delete_collection("c")
    httpx.put(s.url + "/collections/c", headers={"api-key": "wrong", "x-request-id": "r-17"}, json={}, timeout=20)
    log = tmp_path / "kith" / "audit" / "audit.log"
    seen = [(x["subject"], x["method"], x["path"], x.get("collection"), x["result"], x["status"]) for x in lines(log)]
    assert seen == [("api_key", "PUT", "/collections/{collection_name}", "c", "ok", 200), ("api_key", "PUT", "/collections/{collection_name}/points", "c", "ok", 200),
                    ("eve", "DELETE", "/collections/{collection_name}", "c", "denied", 403), ("nobody", "PUT", "/collections/{collection_name}", "c", "denied", 401)]
    assert lines(log)[-1]["request_id"] == "r-17" and "never" not in log.read_text() and KEY not in log.read_text()
    with httpx.Client() as session:
        for _ in range(9000):
            session.post(s.url + "/collections/c/points/payload/clear", headers={"api-key": KEY}, json={"points": [9]}, timeout=20)
    s.stop()
    kept = sorted(os.listdir(log.parent))
    assert kept == ["audit.1.log", "audit.log"] and all(os.path.getsize(log.parent / k) <= 1 << 20 for k in kept)
    assert lines(log) and lines(log.parent / "audit.1.log")
