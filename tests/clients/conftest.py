"""A real server on a port of its own for the tests of the official client."""
import os
import socket
import subprocess
import time
import urllib.request

import pytest

BINARY = os.environ.get("BINARY", os.path.join(os.path.dirname(__file__), "..", "..", "build", "kith"))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, data, environment=None, *options):
        self.data, self.port = str(data), free_port()
        self.environment, self.options = environment or {}, options
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "serve", "--data", self.data, "--rest-port", str(self.port), "--metrics-port", "0",
             *self.options], env={"PATH": os.environ["PATH"], **self.environment}, stderr=subprocess.PIPE, text=True)
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(self.process.stderr.read())
            try:
                urllib.request.urlopen(self.url + "/healthz", timeout=5)
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the server does not answer")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.process.wait(60) == 0

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def sealing_early(tmp_path_factory, rows):
    """a client of a server whose segments are sealed at so few rows that indexes and documents in files answer too"""
    from qdrant_client import QdrantClient
    s = Server(tmp_path_factory.mktemp("early") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": str(rows)}).start()
    yield QdrantClient(s.url, timeout=120)
    s.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("data") / "kith").start()
    yield s
    s.stop()


@pytest.fixture
def client(server):
    from qdrant_client import QdrantClient
    return QdrantClient(server.url, timeout=120)
