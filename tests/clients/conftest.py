"""A real server on a port of its own for the tests of the official client."""
import atexit
import os
import socket
import subprocess
import time
import urllib.request

import pytest

import described

BINARY = os.environ.get("BINARY", os.path.join(os.path.dirname(__file__), "..", "..", "build", "kith"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, data, environment=None, *options):
        self.data, self.port, self.grpc_port = str(data), free_port(), free_port()
        self.environment, self.options = environment or {}, options
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        """somebody else may have taken a port since it was found free: then others are tried, but not after a first start"""
        first = self.process is None
        for turn in range(20):
            try:
                return self.start_once()
            except RuntimeError as e:
                if "address already in use" not in str(e) or turn == 19:
                    raise
                time.sleep(0.2)
                if first:
                    self.port, self.grpc_port = free_port(), free_port()
                    self.url = f"http://127.0.0.1:{self.port}"

    def start_once(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--rest-port", str(self.port), "--grpc-port",
             str(self.grpc_port), "--metrics-port", "0", *self.options], env={"PATH": os.environ["PATH"], **self.environment}, stderr=subprocess.PIPE, text=True)
        atexit.register(self.process.kill)  # whom a failed test leaves behind
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(self.process.stderr.read())
            try:
                urllib.request.urlopen(self.url + "/healthz", timeout=5)
                described.learn(self.port)
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the server does not answer")

    def client(self, transport="rest"):
        """the official client, over one of the two ways it knows"""
        from qdrant_client import QdrantClient
        return QdrantClient(host="127.0.0.1", port=self.port, grpc_port=self.grpc_port, timeout=120,
                            prefer_grpc=transport == "grpc")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


described.watch()
TRANSPORTS = ["rest", "grpc"]


def sealing_early(tmp_path_factory, rows, transport="rest"):
    """a client of a server whose segments are sealed at so few rows that indexes and documents in files answer too"""
    s = Server(tmp_path_factory.mktemp("early") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": str(rows)}).start()
    yield s.client(transport)
    if os.environ.get("CALLS_TO"):
        with urllib.request.urlopen(s.url + "/metrics") as answer, open(os.environ["CALLS_TO"], "a") as to:
            print(sum(int(float(line.split()[-1])) for line in answer.read().decode().splitlines()
                      if line.startswith(("rest_responses_total", "grpc_responses_total"))), file=to)
    s.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("data") / "kith").start()
    yield s
    s.stop()


@pytest.fixture(params=TRANSPORTS)
def client(server, request):
    return server.client(request.param)
