"""gRPC as such: every method there is, metadata, compression, deadlines, wrong messages, many streams at once. What the
calls mean is tested over both transports elsewhere."""
import http.client
import random
import socket
import subprocess
import threading

import grpc
import pytest
from qdrant_client import grpc as g
from qdrant_client import models as m

from conftest import Server

CODE = grpc.StatusCode


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("grpc") / "kith").start()
    client = s.client("grpc")
    client.create_collection("c", m.VectorParams(size=4, distance=m.Distance.DOT))
    client.upsert("c", [m.PointStruct(id=i, vector=[i, 1, 0, 0], payload={"n": i}) for i in range(10)], wait=True)
    yield s
    s.stop()


@pytest.fixture
def channel(server):
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}", options=options) as c:
        yield c


def raw(channel, path, message=b"", **more):
    return channel.unary_unary(path)(message, timeout=30, **more)


def code_of(call, *args, **more):
    with pytest.raises(grpc.RpcError) as e:
        call(*args, **more)
    return e.value.code()


STUBS = {"qdrant.Points": g.PointsStub, "qdrant.Collections": g.CollectionsStub, "qdrant.Snapshots": g.SnapshotsStub,
         "qdrant.Qdrant": g.QdrantStub}


class Paths:
    """what a stub asks a channel for"""

    def __init__(self):
        self.seen = []

    def unary_unary(self, path, **_):
        self.seen.append(path)


def test_every_method_of_the_client_answers(channel):
    paths = Paths()
    for stub in STUBS.values():
        stub(paths)
    assert len(paths.seen) == 51
    for path in paths.seen + ["/grpc.health.v1.Health/Check"]:
        try:
            raw(channel, path)
        except grpc.RpcError as e:
            assert e.code() in (CODE.INVALID_ARGUMENT, CODE.NOT_FOUND, CODE.UNIMPLEMENTED), (path, e)
            assert e.code() != CODE.UNIMPLEMENTED or "is not there yet" in e.details(), (path, e)
            assert e.details(), path


def test_unknown_methods(channel):
    for path in ("/qdrant.Points/Nothing", "/qdrant.Nobody/Query", "/", "/collections"):
        assert code_of(raw, channel, path) == CODE.UNIMPLEMENTED


def test_health(channel):
    assert raw(channel, "/grpc.health.v1.Health/Check") == b"\x08\x01"
    reply = g.QdrantStub(channel).HealthCheck(g.HealthCheckRequest())
    assert reply.version == "1.19.1" and "kith" in reply.title


def test_messages_that_are_none(channel):
    r = random.Random(7)
    good = g.QueryPoints(collection_name="c", query=g.Query(nearest=g.VectorInput(dense=g.DenseVector(data=[1, 0, 0, 0]))),
                         filter=g.Filter(must=[g.Condition(field=g.FieldCondition(key="n", range=g.Range(gte=1)))])
                         ).SerializeToString()
    assert raw(channel, "/qdrant.Points/Query", good)
    for _ in range(500):
        bad = bytearray(good)
        for _ in range(r.randint(1, 4)):
            what = r.randint(0, 2)
            at = r.randrange(len(bad)) if bad else 0
            if what == 0 and bad:
                bad[at] = r.randrange(256)
            elif what == 1:
                del bad[at:at + r.randint(1, 4)]
            else:
                bad[at:at] = bytes(r.randrange(256) for _ in range(r.randint(1, 4)))
        try:
            raw(channel, "/qdrant.Points/Query", bytes(bad))
        except grpc.RpcError as e:
            assert e.code() in (CODE.INVALID_ARGUMENT, CODE.NOT_FOUND), (bytes(bad).hex(), e)


def test_values_that_are_wrong(channel):
    points, collections = g.PointsStub(channel), g.CollectionsStub(channel)
    vectors = g.Vectors(vector=g.Vector(dense=g.DenseVector(data=[1, 2, 3, 4])))
    for wrong in (g.PointStruct(id=g.PointId(), vectors=vectors),
                  g.PointStruct(vectors=vectors),
                  g.PointStruct(id=g.PointId(uuid="no uuid"), vectors=vectors),
                  g.PointStruct(id=g.PointId(num=1), vectors=g.Vectors(vector=g.Vector(dense=g.DenseVector(data=[1])))),
                  g.PointStruct(id=g.PointId(num=1), vectors=g.Vectors(vector=g.Vector(
                      dense=g.DenseVector(data=[1, 2, 3, float("nan")])))),
                  g.PointStruct(id=g.PointId(num=1), vectors=g.Vectors(vector=g.Vector(
                      data=[1, 2, 3, 4, 5], vectors_count=2)))):
        assert code_of(points.Upsert, g.UpsertPoints(collection_name="c", points=[wrong])) == CODE.INVALID_ARGUMENT
    assert code_of(points.Upsert, g.UpsertPoints(collection_name="c")) == CODE.INVALID_ARGUMENT
    assert code_of(points.Upsert, g.UpsertPoints(collection_name="none", points=[
        g.PointStruct(id=g.PointId(num=1), vectors=vectors)])) == CODE.NOT_FOUND
    assert code_of(points.Scroll, g.ScrollPoints(collection_name="c", filter=g.Filter(must=[g.Condition()]))) \
        == CODE.INVALID_ARGUMENT
    # an enum's number that nobody knows; a field that is not UTF-8
    assert code_of(raw, channel, "/qdrant.Collections/Create", b"\x0a\x01d\x52\x06\x0a\x04\x08\x04\x10\x63") \
        == CODE.INVALID_ARGUMENT
    assert code_of(raw, channel, "/qdrant.Points/Count", b"\x0a\x02\xff\xfe") == CODE.INVALID_ARGUMENT
    create = g.CreateCollection(collection_name="c", vectors_config=g.VectorsConfig(params=g.VectorParams(size=4, distance=1)))
    assert code_of(collections.Create, create) == CODE.ALREADY_EXISTS
    moment = g.FieldCondition(key="n", datetime_range=g.DatetimeRange())
    moment.datetime_range.gt.seconds, moment.datetime_range.gt.nanos = 5, 2_000_000_000
    assert code_of(points.Count, g.CountPoints(collection_name="c", filter=g.Filter(must=[g.Condition(field=moment)]))) \
        == CODE.INVALID_ARGUMENT


def test_shard_keys_are_refused(channel):
    points, keys = g.PointsStub(channel), g.ShardKeySelector(shard_keys=[g.ShardKey(keyword="k")])
    query = g.Query(nearest=g.VectorInput(dense=g.DenseVector(data=[1, 0, 0, 0])))
    for call, message in ((points.Query, g.QueryPoints(query=query)), (points.Scroll, g.ScrollPoints()), (points.Count, g.CountPoints()),
                          (points.Get, g.GetPoints(ids=[g.PointId(num=1)])), (points.Facet, g.FacetCounts(key="n")),
                          (points.Search, g.SearchPoints(vector=[1, 0, 0, 0], limit=1)),
                          (points.Delete, g.DeletePoints(points=g.PointsSelector(points=g.PointsIdsList(ids=[g.PointId(num=1)]))))):
        message.collection_name = "c"
        message.shard_key_selector.CopyFrom(keys)
        with pytest.raises(grpc.RpcError, match="[Ss]hard key"):
            call(message)
    assert points.Count(g.CountPoints(collection_name="c", exact=True)).result.count == 10


def test_values_survive(channel):
    """what JSON finds hard: zeros, large integers, NUL, empty containers; and vectors as older clients send them"""
    points = g.PointsStub(channel)
    value = g.Value(struct_value=g.Struct(fields={
        "min": g.Value(integer_value=-2**63), "max": g.Value(integer_value=2**63 - 1), "zero": g.Value(double_value=0.0),
        "whole": g.Value(double_value=3.0), "nul": g.Value(string_value="a\0b"), "null": g.Value(null_value=0),
        "no": g.Value(bool_value=False), "list": g.Value(list_value=g.ListValue(values=[g.Value(list_value=g.ListValue())])),
        "": g.Value(struct_value=g.Struct())}))
    old = g.Vector(data=[0.0, 0.5, 0.0, 1.0])
    point = g.PointStruct(id=g.PointId(num=2**64 - 1), payload={"v": value}, vectors=g.Vectors(vector=old))
    points.Upsert(g.UpsertPoints(collection_name="c", wait=True, points=[point]))
    got = points.Get(g.GetPoints(collection_name="c", ids=[g.PointId(num=2**64 - 1)],
                                 with_payload=g.WithPayloadSelector(enable=True),
                                 with_vectors=g.WithVectorsSelector(enable=True))).result[0]
    assert got.payload["v"] == value
    assert list(got.vectors.vector.dense.data) == [0.0, 0.5, 0.0, 1.0]
    points.Delete(g.DeletePoints(collection_name="c", wait=True,
                                 points=g.PointsSelector(points=g.PointsIdsList(ids=[g.PointId(num=2**64 - 1)]))))
    assert points.Count(g.CountPoints(collection_name="c", exact=True)).result.count == 10


def test_gzip(channel):
    points = g.PointsStub(channel)
    some = [g.PointStruct(id=g.PointId(num=1000 + i), payload={"t": g.Value(string_value="word " * 2000)},
                          vectors=g.Vectors(vector=g.Vector(dense=g.DenseVector(data=[i, 0, 0, 0])))) for i in range(50)]
    points.Upsert(g.UpsertPoints(collection_name="c", wait=True, points=some), compression=grpc.Compression.Gzip)
    call = g.ScrollPoints(collection_name="c", limit=100, offset=g.PointId(num=1000))
    packed = points.Scroll(call, compression=grpc.Compression.Gzip)
    assert len(packed.result) == 50 and packed.result == points.Scroll(call).result
    assert code_of(points.Upsert, g.UpsertPoints(collection_name="c", points=some), compression=grpc.Compression.Deflate) \
        == CODE.UNIMPLEMENTED
    points.Delete(g.DeletePoints(collection_name="c", wait=True, points=g.PointsSelector(
        points=g.PointsIdsList(ids=[p.id for p in some]))))


def test_large_messages(channel):
    """larger than any window: 24 MiB there, and back"""
    points = g.PointsStub(channel)
    some = [g.PointStruct(id=g.PointId(num=2000 + i), payload={"t": g.Value(string_value=chr(97 + i) * (1 << 20))},
                          vectors=g.Vectors(vector=g.Vector(dense=g.DenseVector(data=[i, 0, 0, 0])))) for i in range(24)]
    points.Upsert(g.UpsertPoints(collection_name="c", wait=True, points=some))
    got = points.Scroll(g.ScrollPoints(collection_name="c", limit=100, offset=g.PointId(num=2000))).result
    assert [p.payload["t"].string_value for p in got] == [p.payload["t"].string_value for p in some]
    points.Delete(g.DeletePoints(collection_name="c", wait=True, points=g.PointsSelector(
        points=g.PointsIdsList(ids=[p.id for p in some]))))


def test_many_streams_of_one_connection(channel):
    points, wrong = g.PointsStub(channel), []

    def work(k):
        for i in range(50):
            q = g.Query(nearest=g.VectorInput(dense=g.DenseVector(data=[(-1) ** (i + k), 0, 0, 0])))
            got = points.Query(g.QueryPoints(collection_name="c", query=q, limit=1)).result
            if got[0].id.num != (9 if (i + k) % 2 == 0 else 0):
                wrong.append((k, i, got))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_a_deadline_that_is_met(channel):
    assert g.PointsStub(channel).Count(g.CountPoints(collection_name="c", exact=True), timeout=20).result.count == 10


def test_cancelled_streams(server):
    """answers to those who went away do no harm"""
    for _ in range(30):
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as c:
            calls = [g.PointsStub(c).Scroll.future(g.ScrollPoints(collection_name="c", limit=10)) for _ in range(20)]
            for call in calls[::2]:
                call.cancel()
    assert server.client().count("c").count == 10


def test_keys(tmp_path):
    keys = {"KITH_SERVICE_API_KEY": "all", "KITH_SERVICE_READ_ONLY_API_KEY": "some"}
    s = Server(tmp_path / "kith", keys).start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{s.grpc_port}") as c:
            lists, create = "/qdrant.Collections/List", "/qdrant.Collections/Create"
            assert raw(c, "/qdrant.Qdrant/HealthCheck") and raw(c, "/grpc.health.v1.Health/Check")
            assert code_of(raw, c, lists) == CODE.UNAUTHENTICATED
            assert code_of(raw, c, lists, metadata=[("api-key", "none")]) == CODE.UNAUTHENTICATED
            raw(c, lists, metadata=[("api-key", "some")])
            raw(c, lists, metadata=[("authorization", "Bearer some")])
            assert code_of(raw, c, create, metadata=[("api-key", "some")]) == CODE.PERMISSION_DENIED
            assert code_of(raw, c, create, metadata=[("api-key", "all")]) == CODE.INVALID_ARGUMENT
    finally:
        s.stop()


def test_both_protocols_on_both_ports(server):
    for port in (server.port, server.grpc_port):
        with grpc.insecure_channel(f"127.0.0.1:{port}") as c:
            assert raw(c, "/grpc.health.v1.Health/Check") == b"\x08\x01"
        one = http.client.HTTPConnection("127.0.0.1", port)
        one.request("GET", "/collections/c")
        assert b'"points_count":10' in one.getresponse().read()
        one.close()
        two = subprocess.run(["curl", "-s", "--http2-prior-knowledge", "-X", "POST", "-H", "content-type: application/json",
                              "-d", '{"query":[1,0,0,0],"limit":1}', f"http://127.0.0.1:{port}/collections/c/points/query"],
                             capture_output=True, timeout=30)
        assert b'"id":9' in two.stdout, two


def test_frames_that_are_none(server):
    r = random.Random(11)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    settings = b"\0\0\0\4\0\0\0\0\0"
    for n in range(200):
        with socket.create_connection(("127.0.0.1", server.grpc_port), 10) as s:
            s.sendall(preface[:r.randint(1, len(preface))] if n % 4 == 0 else
                      preface + settings + bytes(r.randrange(256) for _ in range(r.randint(1, 80))))
            if n % 3:
                s.shutdown(socket.SHUT_WR)
                s.settimeout(10)
                while s.recv(4096):
                    pass
    assert server.client("grpc").count("c").count == 10


def test_reflection(tmp_path):
    from google.protobuf.descriptor_pool import DescriptorPool
    from grpc_reflection.v1alpha import reflection_pb2 as messages
    from grpc_reflection.v1alpha import reflection_pb2_grpc as stubs
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
    s = Server(tmp_path / "kith", {"KITH_SERVICE_API_KEY": "key"}).start()
    with grpc.insecure_channel(f"127.0.0.1:{s.grpc_port}") as channel:
        with pytest.raises(grpc.RpcError) as e:  # answered at once, though the stream stays open
            ProtoReflectionDescriptorDatabase(channel).get_services()
        assert e.value.code() == grpc.StatusCode.UNAUTHENTICATED

    class Key(grpc.StreamStreamClientInterceptor):
        def intercept_stream_stream(self, continuation, details, requests):
            return continuation(details._replace(metadata=[("api-key", "key")]), requests)

    with grpc.intercept_channel(grpc.insecure_channel(f"127.0.0.1:{s.grpc_port}"), Key()) as channel:
        known = ProtoReflectionDescriptorDatabase(channel)
        assert {"qdrant.Points", "qdrant.Collections", "qdrant.Snapshots", "qdrant.Qdrant", "grpc.health.v1.Health"} <= set(known.get_services())
        pool = DescriptorPool(known)
        points = pool.FindServiceByName("qdrant.Points")
        assert len(points.methods) > 25 and points.FindMethodByName("Query").input_type.full_name == "qdrant.QueryPoints"
        assert pool.FindMessageTypeByName("qdrant.ScoredPoint").fields_by_name["score"].number == 3
        assert pool.FindEnumTypeByName("qdrant.Distance").values_by_name["Manhattan"].number == 4

        def slowly():  # one stream, a request when the answer to the one before has come
            for n in range(50):
                came.acquire()
                yield messages.ServerReflectionRequest(file_containing_symbol="qdrant.Points.Query" if n % 2 else "no.such.Thing")

        came = threading.Semaphore(1)
        answers = []
        for answer in stubs.ServerReflectionStub(channel).ServerReflectionInfo(slowly(), timeout=30):
            answers.append(answer.WhichOneof("message_response"))
            came.release()
        assert answers == ["error_response", "file_descriptor_response"] * 25
    s.stop()


def test_vectors_of_nothing(server):
    """the older form of a multi-vector: a count of billions, and no data; it took all memory (found by fuzzing)"""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
        stub = g.PointsStub(channel)
        for count in (1, 2 ** 32 - 1):
            point = g.PointStruct(id=g.PointId(num=1), vectors=g.Vectors(vector=g.Vector(vectors_count=count)))
            with pytest.raises(grpc.RpcError, match="vectors_count: does not divide data"):
                stub.Upsert(g.UpsertPoints(collection_name="nowhere", points=[point]), timeout=20)
