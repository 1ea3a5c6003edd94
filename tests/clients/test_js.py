"""The official JavaScript clients, REST and gRPC: their test project in js/, copied below build/, by a Node of the virtual environment."""
import os
import shutil
import subprocess
import sys

from conftest import Server

HERE = os.path.dirname(os.path.abspath(__file__))


def test_every_method(tmp_path):
    there = os.path.realpath(os.path.join(HERE, "..", "..", "build", "js"))
    shutil.copytree(os.path.join(HERE, "js"), there, dirs_exist_ok=True)
    environment = {**os.environ, "PATH": os.path.join(sys.prefix, "bin") + ":" + os.environ["PATH"]}
    install = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=there, env=environment,
                             capture_output=True, text=True, timeout=600)
    assert install.returncode == 0, install.stdout + install.stderr
    server = Server(tmp_path / "kith").start()
    try:
        run = subprocess.run(["node", "--test"], cwd=there, env={**environment, "KITH_REST_PORT": str(server.port),
                                                                     "KITH_GRPC_PORT": str(server.grpc_port)},
                             capture_output=True, text=True, timeout=600)
        assert run.returncode == 0, run.stdout + run.stderr
    finally:
        server.stop()
