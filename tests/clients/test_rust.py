"""The official Rust client: rust/ is built below build/, and given the names of all public methods, as the source of the crate has
them."""
import glob
import os
import re
import shutil
import subprocess

from conftest import Server

HERE = os.path.dirname(os.path.abspath(__file__))


def test_every_method(tmp_path):
    build = os.path.realpath(os.path.join(HERE, "..", "..", "build", "rust"))
    os.makedirs(build, exist_ok=True)
    environment = {**os.environ, "CARGO_TARGET_DIR": build + "/target", "CARGO_HOME": build + "/cargo"}
    version = re.search(r"rustc 1\.(\d+)", subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout)
    if int(version[1]) < 87:  # Debian's 1.85 has a function that the client calls, but under the name of a feature
        environment |= {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zcrate-attr=feature(unsigned_is_multiple_of)"}
    made = subprocess.run([shutil.which("cargo"), "build", "--locked", "--quiet"], cwd=os.path.join(HERE, "rust"), env=environment,
                          capture_output=True, text=True, timeout=1500)
    assert made.returncode == 0, made.stderr[-6000:]
    sources = glob.glob(build + "/cargo/registry/src/*/qdrant-client-1.18.0/src/qdrant_client/*.rs")
    methods = {m for s in sources for m in re.findall(r"pub async fn (\w+)", open(s).read())}
    excluded = {line.split()[0] for line in open(os.path.join(HERE, "rust", "exclusions.txt"))}
    assert len(methods) > 45 and excluded <= methods, (methods, excluded)
    server = Server(tmp_path / "kith").start()
    try:
        run = subprocess.run([build + "/target/debug/client-test", *sorted(methods - excluded)], capture_output=True, text=True, timeout=300,
                             env={**os.environ, "KITH_GRPC_PORT": str(server.grpc_port)})
        assert run.returncode == 0 and f"{len(methods - excluded)} passed, 0 failed" in run.stdout, run.stdout + run.stderr[-3000:]
    finally:
        server.stop()
