"""Clients of languages whose packages no registry at hand has: what the official Go and Java clients were heard to say
(record.py) is said again, message by message, in the manner of the gRPC libraries that those have (.NET's; the C core of Ruby's
and PHP's), to a server that knows nothing; it must answer the same. What a clock or chance decides is left out."""
import base64
import gzip
import json
import pathlib
import re
import socket
import struct
import time
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest
import qdrant_client.grpc
from google.protobuf import descriptor_pool, message_factory

from conftest import Server

SAID = {p.stem: [json.loads(line) for line in p.open()] for p in sorted((pathlib.Path(__file__).parent / "recorded").glob("*.jsonl"))}
BY_CLOCK = {"time", "creation_time", "created_at", "size", "checksum", "usage"}
SNAPSHOT = re.compile(rb"[\w-]+-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d(?:-\d+)?\.snapshot")
WAY = {
    "dotnet": [("user-agent", "grpc-dotnet/2.71.0 (.NET 8.0.11; CLR 8.0.11; net8.0; linux; x64)"), ("te", "trailers"),
               ("grpc-accept-encoding", "identity,gzip,deflate"), ("grpc-timeout", "59999m"),
               ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
    "core": [("te", "trailers"), ("user-agent", "grpc-ruby/1.71.0 grpc-c/46.0.0 (linux; chttp2)"), ("grpc-encoding", "gzip"),
             ("grpc-accept-encoding", "identity, deflate, gzip"), ("accept-encoding", "identity"), ("grpc-timeout", "1M")],
}


class Line:
    """one connection, one call at a time"""
    def __init__(self, port, way):
        self.way, self.socket = way, socket.create_connection(("127.0.0.1", port), timeout=60)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.h2.update_settings({h2.settings.SettingCodes.ENABLE_PUSH: 0, h2.settings.SettingCodes.HEADER_TABLE_SIZE: 0})
        self.h2.increment_flow_control_window(1 << 26)

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def call(self, method, message):
        """(status, text, answer)"""
        stream = self.h2.get_next_available_stream_id()
        packed = self.way == "core"
        message = gzip.compress(message) if packed else message
        self.h2.send_headers(stream, [(":method", "POST"), (":scheme", "http"), (":path", method), (":authority", "localhost:6334"),
                                      ("content-type", "application/grpc"), *WAY[self.way]])
        self.h2.send_data(stream, struct.pack(">BI", packed, len(message)))  # .NET sends the prefix by itself
        for at in range(0, len(message), 16000):
            self.h2.send_data(stream, message[at:at + 16000])
        self.h2.send_data(stream, b"", end_stream=True)
        self.flush()
        headers, body, ended = {}, b"", False
        while not ended:
            data = self.socket.recv(1 << 16)
            assert data, "the server hung up"
            for e in self.h2.receive_data(data):
                if isinstance(e, (h2.events.ResponseReceived, h2.events.TrailersReceived)):
                    headers |= dict(e.headers)
                elif isinstance(e, h2.events.DataReceived):
                    body += e.data
                    self.h2.acknowledge_received_data(e.flow_controlled_length, stream)
                assert not isinstance(e, (h2.events.StreamReset, h2.events.ConnectionTerminated)), e
                ended = ended or isinstance(e, h2.events.StreamEnded)
            self.flush()
        if body:
            answer_packed, size = struct.unpack(">BI", body[:5])
            assert size == len(body) - 5
            body = gzip.decompress(body[5:]) if answer_packed else body[5:]
        return int(headers["grpc-status"]), urllib.parse.unquote(headers.get("grpc-message", "")), body


def answer_type(method):
    service, name = method[1:].split("/")
    return message_factory.GetMessageClass(descriptor_pool.Default().FindServiceByName(service).methods_by_name[name].output_type)


def plain(message):
    """as nested lists and dicts, without what differs from day to day"""
    if not hasattr(message, "ListFields"):
        return round(message, 5) if isinstance(message, float) else message
    out = {}
    for field, value in message.ListFields():
        if field.name in BY_CLOCK:
            continue
        if field.message_type and field.message_type.GetOptions().map_entry:
            out[field.name] = {k: plain(v) for k, v in value.items()}
        else:
            several = hasattr(value, "__len__") and not isinstance(value, (str, bytes)) and not hasattr(value, "ListFields")
            out[field.name] = [plain(v) for v in value] if several else plain(value)
    return out


def is_drawn(method, request):
    """by lot: then only how much there is must be the same"""
    return "Matrix" in method or (method == "/qdrant.Points/Query" and qdrant_client.grpc.QueryPoints.FromString(request).query.HasField("sample"))


def amount(x):
    return {k: amount(v) for k, v in x.items()} if isinstance(x, dict) else len(x) if isinstance(x, list) else None


def shown(method, request, answer):
    x = plain(answer_type(method).FromString(answer))
    return amount(x) if is_drawn(method, request) else x


@pytest.mark.parametrize("way", WAY)
@pytest.mark.parametrize("client", SAID)
def test_the_same_is_answered(tmp_path, client, way):
    server = Server(tmp_path / "kith").start()
    line, names = Line(server.grpc_port, way), {}
    renamed = lambda what: SNAPSHOT.sub(lambda m: names.get(m[0], m[0]), what)
    try:
        for i, said in enumerate(SAID[client]):
            method, request = said["method"], renamed(base64.b64decode(said["request"]))
            status, text, answer = line.call(method, request)
            where = f"exchange {i} of {client}: {method}"
            assert (status, text) == (said["status"], renamed(said.get("message", "").encode()).decode()), where
            if status:
                continue
            before = base64.b64decode(said["response"])
            if method.startswith("/qdrant.Snapshots/"):  # names have the time in them, and later requests the names
                for old, new in zip(SNAPSHOT.findall(before), SNAPSHOT.findall(answer), strict=True):
                    assert len(old) == len(new)
                    names[old] = new
            then = shown(method, request, renamed(before))
            for _ in range(100):
                if shown(method, request, answer) == then or method != "/qdrant.Collections/Get":
                    break
                time.sleep(0.1)  # it is yellow for a moment after a write
                answer = line.call(method, request)[2]
            assert shown(method, request, answer) == then, where
    finally:
        server.stop()


def test_all_is_said():
    """every method that the interface has"""
    pool = descriptor_pool.Default()
    methods = {f"/{s}/{m.name}" for s in ("qdrant.Points", "qdrant.Collections", "qdrant.Snapshots", "qdrant.Qdrant")
               for m in pool.FindServiceByName(s).methods}
    assert {x["method"] for said in SAID.values() for x in said} == methods
