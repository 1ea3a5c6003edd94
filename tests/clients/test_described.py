"""The description at /openapi.json: sound, complete, and noticed when something is not as it says (described.py)."""
import json

import httpx
import pytest
from openapi_spec_validator import validate

import described
from described import Description


@pytest.fixture(scope="module")
def here(server):
    return Description(server.url)


def test_sound(here):
    validate(here.doc)
    text = json.dumps(here.doc)
    for name in here.doc["components"]["schemas"]:
        assert f"#/components/schemas/{name}\"" in text or f"#/components/schemas/{name}/" in text, f"{name} is used nowhere"
    for path, methods in here.doc["paths"].items():
        for method, operation in methods.items():
            named = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, (method, path)


def test_nothing_else_is_served(server, here):
    """what it does not name is not there"""
    for path in ("/nothing", "/collections/a/b", "/points", "/openapi"):
        assert here.operation("get", path) is None
        assert httpx.get(server.url + path, timeout=20).status_code in (404, 405)


def test_notices(here):
    ok = {"status": "ok", "time": 0.1}
    here.answer("post", "/collections/c/points/count", 200, "application/json", b'{"exact": true}', json.dumps({**ok, "result": {"count": 1}}))
    here.answer("get", "/collections/c", 404, "application/json", b"", '{"status": {"error": "no"}, "time": 0.1}')
    for method, path, status, body, answer in [
        ("post", "/collections/c/points/count", 200, b"", {**ok, "result": {"count": -1}}),
        ("post", "/collections/c/points/count", 200, b"", {**ok, "result": {"count": 1, "more": 2}}),
        ("post", "/collections/c/points/count", 200, b"", {**ok, "result": {}}),
        ("post", "/collections/c/points/count", 200, b"", {**ok, "result": {"count": 1}, "usage": 1}),
        ("post", "/collections/c/points/count", 200, b'{"exact": "yes"}', {**ok, "result": {"count": 1}}),
        ("post", "/collections/c/points/count", 200, b'{"filter": {"most": []}}', {**ok, "result": {"count": 1}}),
        ("post", "/collections/c/points/query", 200, b'{"limit": 0}', {**ok, "result": {"points": []}}),
        ("post", "/collections/c/points/query", 200, b"", {**ok, "result": {"points": [{"id": "x", "version": 1, "score": None}]}}),
        ("get", "/collections/c", 404, b"", {"status": "ok", "time": 0.1}),
    ]:
        with pytest.raises(AssertionError):
            here.answer(method, path, status, "application/json", body, json.dumps(answer))


def test_watching(server):
    """the client's answers come by here"""
    before = len(described.seen)
    described.seen.discard(("get", "/collections"))
    server.client().get_collections()
    assert ("get", "/collections") in described.seen and len(described.seen) >= before
