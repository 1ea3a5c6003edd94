"""Ids of any text (service.string_ids), through the official client over both transports, and kept over a restart; without
the setting they are refused as the peer refuses them (test_bad_input.py)."""
import httpx
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server

NAMES = ["a", "Zürich / 8001", "doc:7#3", "x" * 512, "5 apples"]
UUID = "6f9619ff-8b86-d011-b42d-00c04fc964ff"


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    s = Server(tmp_path_factory.mktemp("named") / "kith", {"KITH_SERVICE_STRING_IDS": "true",
                                                           "KITH_STORAGE_GROWING_ROWS_MAX": "100"}).start()
    yield s
    s.stop()


def point(id, i):
    return m.PointStruct(id=id, vector=[float(i), 1.0], payload={"i": i})


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_points(named, transport):
    client = named.client(transport)
    client.create_collection(transport, vectors_config=m.VectorParams(size=2, distance=m.Distance.DOT))
    ids = NAMES + [UUID, 5] + [f"row {i}" for i in range(150)]
    client.upsert(transport, [point(id, i) for i, id in enumerate(ids)], wait=True)
    client.upsert(transport, [point("a", 1000)], wait=True)  # the same one again

    assert client.count(transport).count == len(ids)
    found = {r.id: r.payload["i"] for r in client.retrieve(transport, ids)}
    assert found == {id: i for i, id in enumerate(ids)} | {"a": 1000}
    assert [h.id for h in client.query_points(transport, query=[1.0, 0.0], limit=2).points] == ["a", "row 149"]
    assert client.query_points(transport, query="row 149", limit=1).points[0].id == "a"  # nearest to a point, by its id
    narrowed = client.scroll(transport, m.Filter(must=[m.HasIdCondition(has_id=["doc:7#3", UUID, "gone"])]))[0]
    assert {r.id for r in narrowed} == {"doc:7#3", UUID}

    seen, offset = [], None
    while True:
        page, offset = client.scroll(transport, limit=10, offset=offset)
        seen += [r.id for r in page]
        if offset is None:
            break
    assert sorted(map(str, seen)) == sorted(map(str, ids))

    client.set_payload(transport, {"new": True}, ["Zürich / 8001"], wait=True)
    assert client.retrieve(transport, ["Zürich / 8001"])[0].payload == {"i": 1, "new": True}
    client.delete(transport, ["5 apples"], wait=True)
    assert client.retrieve(transport, ["5 apples"]) == [] and len(client.retrieve(transport, [5])) == 1


def test_paths_and_refusals(named):
    httpx.put(f"{named.url}/collections/p", json={"vectors": {"size": 1, "distance": "Dot"}}).raise_for_status()
    points = f"{named.url}/collections/p/points"
    httpx.put(points + "?wait=true", json={"points": [{"id": "Zürich / 8001", "vector": [1]}, {"id": 7, "vector": [1]}]}).raise_for_status()
    assert httpx.get(points + "/Z%C3%BCrich%20%2F%208001").json()["result"]["id"] == "Zürich / 8001"
    assert httpx.get(points + "/7").json()["result"]["id"] == 7
    for bad in ["7", "", "x" * 513]:  # a number is never meant as text
        answer = httpx.put(points, json={"points": [{"id": bad, "vector": [1]}]})
        assert answer.status_code == 400 and "is not a valid point ID" in answer.text


def test_they_stay(tmp_path):
    s = Server(tmp_path / "kith", {"KITH_SERVICE_STRING_IDS": "true"}).start()
    client = s.client()
    client.create_collection("c", vectors_config=m.VectorParams(size=2, distance=m.Distance.DOT))
    client.upsert("c", [point("here", 1)], wait=True)
    s.kill()
    s.environment = {}  # what is there is shown and can be found whatever the setting
    s.start()
    assert [r.id for r in s.client().scroll("c")[0]] == ["here"]
    answer = httpx.get(f"{s.url}/collections/c/points/here")
    assert answer.status_code == 400 and "Can not recognize" in answer.text
    s.stop()
