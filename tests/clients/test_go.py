"""The official Go client: its test project in go/, by a Go of the virtual environment; modules and objects below build/."""
import os
import subprocess
import sys

from conftest import Server

HERE = os.path.dirname(os.path.abspath(__file__))


def run_tests(port):
    go, build = os.path.join(sys.prefix, "bin", "go"), os.path.join(HERE, "..", "..", "build", "go")
    run = subprocess.run([go, "test", "-count=1", "./..."], cwd=os.path.join(HERE, "go"), capture_output=True, text=True,
                         timeout=900, env={**os.environ, "KITH_GRPC_PORT": str(port), "GOTOOLCHAIN": "local",
                                           "GOPATH": os.path.realpath(build), "GOFLAGS": "-modcacherw",
                                           "GOCACHE": os.path.join(os.path.realpath(build), "cache")})
    assert run.returncode == 0, run.stdout + run.stderr


def test_every_method(tmp_path):
    server = Server(tmp_path / "kith").start()
    try:
        run_tests(server.grpc_port)
    finally:
        server.stop()
