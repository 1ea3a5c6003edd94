"""Backups of a running server and of a closed database, through HTTP and `kith backup`; databases made of them by
`kith restore`, as of a backup, of an LSN and of a time."""
import datetime
import subprocess
import time

import httpx
import pytest

from conftest import BINARY, Server


def kith(*args, ok=True):
    run = subprocess.run([BINARY, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert (run.returncode == 0) == ok, run.stdout + run.stderr
    return run.stdout if ok else run.stderr


def put(url, ids, value, name="c"):
    points = [{"id": i, "vector": [float(i), 1.0], "payload": {"v": value}} for i in ids]
    httpx.put(f"{url}/collections/{name}/points?wait=true", json={"points": points}).raise_for_status()


def make(url, body=None):
    return httpx.post(f"{url}/backups", json=body).raise_for_status().json()["result"]


def values(server, name="c"):
    answer = httpx.post(f"{server.url}/collections/{name}/points/scroll", json={"limit": 10000}).raise_for_status().json()
    return {p["id"]: p["payload"]["v"] for p in answer["result"]["points"]}


def restored(tmp_path, *how):
    to = tmp_path / ("r" + "".join(map(str, how)).replace(":", ""))
    said = kith("restore", "--from", tmp_path / "backups", "--to", to, *how)
    assert "c:" in said
    server = Server(to).start()
    try:
        return values(server), said
    finally:
        server.stop()


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path / "data", {"KITH_BACKUP_DIRECTORY": str(tmp_path / "backups"), "KITH_STORAGE_LOG_KEEP_MB": "100"}).start()
    httpx.put(f"{s.url}/collections/c", json={"vectors": {"size": 2, "distance": "Dot"}}).raise_for_status()
    httpx.put(f"{s.url}/collections/c/index", json={"field_name": "v", "field_schema": "integer"}).raise_for_status()
    yield s
    s.stop()


def test_as_of(server, tmp_path):
    put(server.url, range(1000), 1)
    first = make(server.url)
    assert first["lsn"] > 0 and first["copied_bytes"] == 0  # nothing is sealed yet: it is all in the log
    put(server.url, range(500), 2)
    time.sleep(1.1)
    between = datetime.datetime.now(datetime.timezone.utc).isoformat()
    time.sleep(0.1)
    put(server.url, range(1000, 1100), 3)
    second = make(server.url, {"keep": 10})
    assert second["lsn"] == first["lsn"] + 2 and second["name"] > first["name"]
    listed = httpx.get(f"{server.url}/backups").json()["result"]
    assert [x["name"] for x in listed] == [first["name"], second["name"]] and [x["reach"] for x in listed] == [second["lsn"]] * 2
    assert kith("backup", "--list", tmp_path / "backups").count("\n") == 2

    one, two, three = {i: 1 for i in range(1000)}, {i: 1 + (i < 500) for i in range(1000)}, None
    three = {**two, **{i: 3 for i in range(1000, 1100)}}
    assert restored(tmp_path)[0] == three
    assert restored(tmp_path, "--name", first["name"])[0] == one
    got, said = restored(tmp_path, "--lsn", first["lsn"] + 1)
    assert got == two and f"as of LSN {first['lsn'] + 1}" in said
    assert restored(tmp_path, "--time", between)[0] == two
    assert "ends at" in kith("restore", "--from", tmp_path / "backups", "--to", tmp_path / "x", "--lsn", second["lsn"] + 1, ok=False)
    assert "not empty" in kith("restore", "--from", tmp_path / "backups", "--to", tmp_path / "data", ok=False)


def test_incremental(server, tmp_path):
    """what is in files is copied once; and the closed database goes on in the same directory"""
    httpx.put(f"{server.url}/collections/big", json={"vectors": {"size": 256, "distance": "Dot"}}).raise_for_status()
    for at in range(0, 8000, 1000):
        points = [{"id": i, "vector": [float(i % 7)] * 256, "payload": {"v": i}} for i in range(at, at + 1000)]
        httpx.put(f"{server.url}/collections/big/points?wait=true", json={"points": points}, timeout=60).raise_for_status()
    httpx.post(f"{server.url}/collections/big/snapshots", timeout=60).raise_for_status()  # seals
    first = make(server.url)
    assert first["copied_bytes"] > 1_000_000
    put(server.url, range(10), 5)
    second = make(server.url)
    assert second["copied_bytes"] < first["copied_bytes"] / 10
    said = kith("backup", "--url", server.url, "--keep", 1)
    assert "LSN" in said
    assert len(httpx.get(f"{server.url}/backups").json()["result"]) == 1
    server.stop()
    kith("backup", "--data", server.data, "--to", tmp_path / "backups")
    assert len(kith("backup", "--list", tmp_path / "backups").splitlines()) == 2
    kith("restore", "--from", tmp_path / "backups", "--to", tmp_path / "again")
    assert "another database" in kith("backup", "--data", tmp_path / "again", "--to", tmp_path / "backups", ok=False)
    s = Server(tmp_path / "again").start()
    assert values(s, "big") == {i: i for i in range(8000)} and values(s) == {i: 5 for i in range(10)}
    info = httpx.get(f"{s.url}/collections/c").json()["result"]
    assert info["payload_schema"]["v"]["data_type"] == "integer"
    s.stop()
    server.start()


def test_while_writing(server, tmp_path):
    """every backup that is made amid writes is one moment: points come in order, so no later one is there without those before"""
    writer = subprocess.Popen(["python3", "-c", f"""
import urllib.request, json
for i in range(1, 1500):
    body = json.dumps({{"points": [{{"id": i, "vector": [1.0, 2.0], "payload": {{"v": i}}}}]}}).encode()
    r = urllib.request.Request("{server.url}/collections/c/points?wait=true", body, {{"Content-Type": "application/json"}}, method="PUT")
    urllib.request.urlopen(r, timeout=30).read()
"""])
    made = []
    while writer.poll() is None and len(made) < 40:
        made.append(make(server.url))
    assert writer.wait(timeout=120) == 0 and len(made) > 3
    for b in made[::max(1, len(made) // 4)]:
        got = restored(tmp_path, "--name", b["name"])[0]
        assert got == {i: i for i in range(1, b["lsn"] + 1)}


def test_refused(server, tmp_path):
    for body in ({"keep": 0}, {"keep": -1}, {"keep": "x"}, [1]):
        r = httpx.post(f"{server.url}/backups", json=body)
        assert r.status_code in (400, 422), r.text
    without = Server(tmp_path / "other").start()
    try:
        for r in (httpx.post(f"{without.url}/backups"), httpx.get(f"{without.url}/backups")):
            assert r.status_code == 400 and "backup.directory" in r.json()["status"]["error"]
    finally:
        without.stop()
    assert "holds no backups" in kith("restore", "--from", tmp_path / "nowhere", "--to", tmp_path / "x", ok=False)
    assert "expected" in kith("restore", "--from", "a", "--to", "b", "--lsn", "0", ok=False)
    assert "expected" in kith("restore", "--from", "a", "--to", "b", "--time", "soon", ok=False)
    assert "expected" in kith("restore", "--from", "a", "--to", "b", "--time", "2026-01-01", "--lsn", "4", ok=False)
    for wrong in (["--data", "a"], ["--url", "http://a", "--to", "b"], ["--list", "a", "--keep", "3"], ["--data", "a", "--to", "b", "--api-key", "c"],
                  ["--list", "a", "--url", "b"]):
        assert "expected" in kith("backup", *wrong, ok=False), wrong
    assert "there is no" in kith("backup", "--data", tmp_path / "nowhere", "--to", tmp_path / "b", ok=False)


def test_damage(server, tmp_path):
    """a blob that rotted in the backup is found when it is restored, and nothing is made of it"""
    put(server.url, range(1000), 1)
    httpx.post(f"{server.url}/collections/c/snapshots", timeout=60).raise_for_status()
    make(server.url)
    blob = max((tmp_path / "backups" / "blobs").iterdir(), key=lambda p: p.stat().st_size)
    content = bytearray(blob.read_bytes())
    content[len(content) // 3] ^= 0x10
    blob.write_bytes(content)
    said = kith("restore", "--from", tmp_path / "backups", "--to", tmp_path / "x", ok=False)
    assert "checksum" in said or "malformed" in said
    assert not (tmp_path / "x" / "meta.db").exists()
