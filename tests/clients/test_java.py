"""The official Java client: java/ClientTest.java over every method of it; Maven brings the client below build/."""
import glob
import os
import shutil
import subprocess

from conftest import Server

HERE = os.path.dirname(os.path.abspath(__file__))


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, **more)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def run_tests(port, to):
    """what the program says; its classes go to `to`"""
    build = os.path.realpath(os.path.join(HERE, "..", "..", "build", "java"))
    os.makedirs(build, exist_ok=True)
    if not glob.glob(build + "/lib/client-*.jar"):
        run(shutil.which("mvn"), "-B", "-q", f"-Dmaven.repo.local={build}/m2", "-f", os.path.join(HERE, "java", "pom.xml"),
            "dependency:copy-dependencies", f"-DoutputDirectory={build}/lib")
    run("javac", "-nowarn", "-cp", build + "/lib/*", "-d", str(to), os.path.join(HERE, "java", "ClientTest.java"))
    said = run("java", "-cp", f"{build}/lib/*:{to}", "ClientTest", os.path.join(HERE, "java", "exclusions.txt"),
               env={**os.environ, "KITH_GRPC_PORT": str(port)})
    assert said.strip().endswith("56 passed, 0 failed"), said


def test_every_method(tmp_path):
    server = Server(tmp_path / "kith").start()
    try:
        run_tests(server.grpc_port, tmp_path / "classes")
    finally:
        server.stop()
