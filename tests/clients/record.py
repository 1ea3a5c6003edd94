"""Records what the tests of the official Go and Java clients say to the server, and what it answers, as raw gRPC messages:
    BINARY=build/release/kith build/venv/bin/python tests/clients/record.py
test_recorded.py says the same again as clients of other languages would, for which no registry at hand has the client."""
import base64
import concurrent.futures
import json
import pathlib
import tempfile
import time

import grpc
from qdrant_client.grpc import GetCollectionInfoResponse, Yellow

import test_go
import test_java
from conftest import Server

TO = pathlib.Path(__file__).parent / "recorded"


class Between(grpc.GenericRpcHandler):
    """hands every call on to the real server, as it is"""
    def __init__(self, port):
        self.channel, self.said = grpc.insecure_channel(f"127.0.0.1:{port}"), []

    def service(self, details):
        method = details.method

        def call(request, context):
            code, text, answer = 0, "", b""
            try:
                answer = self.channel.unary_unary(method)(request, timeout=60)
                while method == "/qdrant.Collections/Get" and GetCollectionInfoResponse.FromString(answer).result.status == Yellow:
                    time.sleep(0.1)  # what a clock decides is no part of the record
                    answer = self.channel.unary_unary(method)(request, timeout=60)
            except grpc.RpcError as e:
                code, text = e.code().value[0], e.details()
            self.said.append({"method": method, "request": base64.b64encode(request).decode(), "status": code,
                              **({"message": text} if code else {"response": base64.b64encode(answer).decode()})})
            if code:
                context.abort(next(c for c in grpc.StatusCode if c.value[0] == code), text)
            return answer
        return grpc.unary_unary_rpc_method_handler(call)


def record(name, speak):
    with tempfile.TemporaryDirectory() as where:
        server = Server(pathlib.Path(where) / "kith").start()
        between = Between(server.grpc_port)
        proxy = grpc.server(concurrent.futures.ThreadPoolExecutor(1), handlers=[between])
        port = proxy.add_insecure_port("127.0.0.1:0")
        proxy.start()
        speak(port, where)
        proxy.stop(1)
        server.stop()
    (TO / name).write_text("".join(json.dumps(x) + "\n" for x in between.said))
    print(name, len(between.said), "exchanges,", len({x["method"] for x in between.said}), "methods")


if __name__ == "__main__":
    record("go.jsonl", lambda port, where: test_go.run_tests(port))
    record("java.jsonl", lambda port, where: test_java.run_tests(port, where + "/classes"))
