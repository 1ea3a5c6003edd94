"""kith bench server: its figures come from answers that are right."""
import json
import os
import subprocess

import numpy as np
import pytest

from conftest import BINARY


def run(*args):
    return subprocess.run([BINARY, "bench", "server", *map(str, args)], capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("bench"), np.random.default_rng(7)
    np.save(folder / "base.npy", rng.standard_normal((900, 16)).astype(np.float32))
    np.save(folder / "query.npy", rng.standard_normal((40, 16)).astype(np.float32))
    (folder / "docs").write_text("".join(json.dumps({"bucket": i % 1000, "name": f"n{i}"}) + "\n" for i in range(900)))
    (folder / "texts").write_text("".join(f"word{i % 7} other{i % 5}\n" for i in range(900)))
    (folder / "asked").write_text("".join(f"word{i % 7}\n" for i in range(40)))
    return folder


@pytest.fixture(scope="module")
def loaded(server, files):
    ports = ("--rest-port", server.port, "--grpc-port", server.grpc_port, "--collection", "bench")
    server.client().delete_collection("bench")
    done = run("load", *ports, "--base", files / "base.npy", "--docs", files / "docs", "--texts", files / "texts")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["rows"] == 900 == server.client().count("bench").count
    yield ports
    server.client().delete_collection("bench")


@pytest.mark.parametrize("transport", ["rest", "grpc"])
@pytest.mark.parametrize("kind", ["plain", "payload", "filtered", "hybrid"])
def test_search(files, loaded, kind, transport):
    extra = (["--asked", files / "asked"] if kind == "hybrid" else []) + (["--grpc"] if transport == "grpc" else [])
    done = run("search", *loaded, "--query", files / "query.npy", "--kind", kind, "--clients", 3, "--total", 200, "--ef", 200, "--judge", *extra)
    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["kind"], row["transport"], row["clients"]) == (kind, transport, 3)
    assert row["recall"] == (None if kind == "hybrid" else 1.0) and row["qps"] > 0 and row["p50_us"] <= row["p99_us"]


def test_wrong(files, loaded):
    for args, why in ((["search"], "--query"), (["dance"], "load or search"), (["search", "--kind", "x"], "--kind x"),
                      (["search", "--ef", "many"], "--ef many"), (["load", "--what"], "--what")):
        done = run(*args)
        assert done.returncode == 1 and why in done.stderr
    missing = run("search", *loaded, "--collection", "nowhere", "--query", files / "query.npy")
    assert missing.returncode == 1 and "failed" in missing.stderr
    silent = run("search", "--rest-port", 1, "--query", files / "query.npy")
    assert silent.returncode == 1 and "127.0.0.1:1" in silent.stderr
