"""kill -9 of a real server under load: what was acknowledged is there, exactly; what was not is there
whole or not at all."""
import json
import os
import random
import threading
import time
import urllib.error
import urllib.request

from conftest import Server

KILLS = int(os.environ.get("KILLS", "100"))
WRITERS, BATCH, DIM = 3, 4, 8


def call(server, method, path, body=None, timeout=20):
    request = urllib.request.Request(server.url + path, json.dumps(body).encode() if body is not None else None,
                                     {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.load(answer)["result"]
    except urllib.error.HTTPError as e:
        raise OSError(f"{e.code}: {e.read()}") from e


def vector(stamp):
    return [(stamp * 7 + i) % 13 + 1.0 for i in range(DIM)]


class Writer(threading.Thread):
    """Owns the ids `lane * 1000 ...`; each write stamps BATCH of them with one growing number."""

    def __init__(self, server, lane, state, seed):
        super().__init__()
        self.server, self.lane, self.state, self.r = server, lane, state, random.Random(seed)
        self.open = None

    def run(self):
        try:
            while True:
                stamp = self.state["next"] = self.state["next"] + 1
                start = self.r.randrange(0, 40) * BATCH
                ids = [self.lane * 1000 + start + i for i in range(BATCH)]
                self.open = (ids, stamp)
                call(self.server, "PUT", f"/collections/k/points?wait={self.r.choice(['true', 'false'])}",
                     {"points": [{"id": i, "vector": vector(stamp), "payload": {"stamp": stamp}} for i in ids]})
                for i in ids:
                    self.state["acked"][i] = stamp
                self.open = None
        except OSError:
            pass
        except Exception as e:  # the connection breaks in many ways when the server dies
            if "Remote" not in type(e).__name__ and "Incomplete" not in type(e).__name__:
                raise


def check(server, lanes, opens):
    points, offset = {}, None
    while True:
        page = call(server, "POST", "/collections/k/points/scroll",
                    {"limit": 1000, "with_vector": True, **({"offset": offset} if offset is not None else {})})
        for p in page["points"]:
            assert p["id"] not in points, "twice"
            points[p["id"]] = p
        offset = page["next_page_offset"]
        if offset is None:
            break
    for lane, state in lanes.items():
        ids, stamp = opens.get(lane) or ([], None)
        fates = {points.get(i, {}).get("payload", {}).get("stamp") == stamp for i in ids}
        assert len(fates) <= 1, "half a batch"
        for i, acked in state["acked"].items():
            assert i in points, f"acknowledged point {i} is lost"
            got = points[i]["payload"]["stamp"]
            assert got == acked or (i in ids and got == stamp), f"point {i}: {got}, acknowledged {acked}"
            assert points[i]["vector"] == vector(got)
        if fates == {True}:
            state["acked"].update({i: stamp for i in ids})
    assert set(points) <= {i for s in lanes.values() for i in s["acked"]}, "phantom"


def test_kills(tmp_path):
    seed = int(os.environ.get("SEED", "1"))
    print(f"seed {seed}, {KILLS} kills")
    r = random.Random(seed)
    small = {"KITH_STORAGE_GROWING_ROWS_MAX": "100", "KITH_STORAGE_LOG_FILE_MB": "1"}
    server = Server(tmp_path / "data", small).start()
    call(server, "PUT", "/collections/k", {"vectors": {"size": DIM, "distance": "Euclid"}})
    lanes = {lane: {"next": 0, "acked": {}} for lane in range(WRITERS)}
    slowest = writes = 0
    for kill in range(KILLS):
        writers = [Writer(server, lane, lanes[lane], r.random()) for lane in lanes]
        for w in writers:
            w.start()
        time.sleep(r.uniform(0.01, 0.25))
        server.kill()
        for w in writers:
            w.join()
        began = time.monotonic()
        server.start()
        slowest = max(slowest, time.monotonic() - began)
        check(server, lanes, {w.lane: w.open for w in writers})
    writes = sum(s["next"] for s in lanes.values())
    server.stop()
    print(f"{KILLS} kills, {writes} writes, 0 lost, slowest restart {slowest:.2f} s")
