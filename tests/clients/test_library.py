"""Collections that were made without the server, served by it."""
import json
import subprocess
import urllib.request

import numpy as np
from conftest import BINARY, Server


def test_made_by_the_library(tmp_path):
    np.save(tmp_path / "v.npy", np.random.default_rng(1).normal(size=(50, 8)).astype("float32"))
    (tmp_path / "d.jsonl").write_text("".join(json.dumps({"n": i}) + "\n" for i in range(50)))
    subprocess.run([BINARY, "import", "--data", tmp_path / "kith", "--collection", "made", "--docs", tmp_path / "d.jsonl",
                    "--vectors", tmp_path / "v.npy", "--metric", "euclid"], check=True, stdout=subprocess.DEVNULL)
    told = subprocess.run([BINARY, "info", tmp_path / "kith"], check=True, capture_output=True, text=True).stdout
    assert 'vector "": 8 x f32, euclid' in told, told
    server = Server(tmp_path / "kith").start()
    with urllib.request.urlopen(server.url + "/collections/made", timeout=60) as r:
        got = json.load(r)["result"]
    assert got["points_count"] == 50
    assert got["config"]["params"]["vectors"] == {"size": 8, "distance": "Euclid"}
    change = urllib.request.Request(server.url + "/collections/made", method="PATCH", data=json.dumps(
        {"vectors": {"": {"hnsw_config": {"m": 24}}}}).encode(), headers={"content-type": "application/json"})
    assert urllib.request.urlopen(change, timeout=60).status == 200
    with urllib.request.urlopen(server.url + "/collections/made", timeout=60) as r:
        assert json.load(r)["result"]["config"]["params"]["vectors"] == {
            "size": 8, "distance": "Euclid", "hnsw_config": {"m": 24}}
    server.stop()
