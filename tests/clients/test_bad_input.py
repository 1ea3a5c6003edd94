"""Bad input: the right class of error, the process alive, nothing changed."""
import http.client
import json

import pytest

GOOD = json.dumps({"points": [{"id": 1, "vector": [1.0, 2.0, 3.0, 4.0], "payload": {"a": [1, {"b": "c"}]}}]})


def raw(server, method, path, body=None, headers=None):
    c = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    c.request(method, path, body, {"content-type": "application/json", **(headers or {})})
    answer = c.getresponse()
    text = answer.read().decode()
    c.close()
    return answer.status, text


@pytest.fixture(scope="module")
def bad(server):
    raw(server, "DELETE", "/collections/bad")
    assert raw(server, "PUT", "/collections/bad", json.dumps({"vectors": {"size": 4, "distance": "Dot"}}))[0] == 200
    assert raw(server, "PUT", "/collections/bad/points?wait=true", GOOD)[0] == 200
    return server


def count(server):
    return json.loads(raw(server, "POST", "/collections/bad/points/count", "{}")[1])["result"]["count"]


def points(**point):
    return json.dumps({"points": [{"id": 2, "vector": [1, 2, 3, 4], **point}]})


@pytest.mark.parametrize("method,path,body,status,text", [
    ("PUT", "points", points(vector=[1, 2, 3]), 400, "Vector dimension error: expected dim: 4, got 3"),
    ("PUT", "points", points(vector={"other": [1, 2, 3, 4]}), 400, "Not existing vector name error: other"),
    ("PUT", "points", '{"points":[{"id":2,"vector":[1,2,3,NaN]}]}', 400, "Format error"),
    ("PUT", "points", '{"points":[{"id":2,"vector":[1,2,3,1e60]}]}', 400, "32-bit float"),
    ("PUT", "points", points(vector={"": {"indices": [1], "values": [1]}}), 400, "sparse and regular"),
    ("PUT", "points", points(vector={"": {"indices": [1, 1], "values": [1, 2]}}), 422, "unique"),
    ("PUT", "points", points(vector={"": {"indices": [1, 2], "values": [1]}}), 422, "same length"),
    ("PUT", "points", points(vector={"": {"indices": [-1], "values": [1]}}), 400, "indices[0]"),
    ("PUT", "points", points(id=-1), 400, "point ID"),
    ("PUT", "points", points(id="abc"), 400, "value abc is not a valid point ID"),
    ("PUT", "points", points(payload=[1]), 400, "payload"),
    ("PUT", "points", '{"points":[]}', 400, "Empty update request"),
    ("PUT", "points", "", 400, "EOF"),
    ("POST", "points/query", '{"query":[1,2,3]}', 400, "Vector dimension error"),
    ("POST", "points/query", '{"query":[1,2,3,4],"limit":0}', 422, "limit"),
    ("POST", "points/query", '{"query":[1,2,3,4],"using":"x"}', 400, "Not existing vector name error: x"),
    ("POST", "points/query", '{"query":[1,2,3,4],"filter":{"nope":[]}}', 400, "unknown field"),
    ("POST", "points/query", '{"query":[1,2,3,4],"filter":{"must":[{"key":"a"}]}}', 422, "field condition"),
    ("POST", "points/query", '{"query":[1,2,3,4],"filter":{"must":[{"key":"a[","match":{"value":1}}]}}', 400, "path"),
    ("POST", "points/query", '{"query":77}', 404, "No point with id 77 found"),
    ("POST", "points/query", '{"query":{"fusion":"rrf"}}', 400, "prefetch"),
    ("POST", "points/scroll", '{"limit":0}', 422, "limit"),
    ("POST", "points/scroll", '{"order_by":"a"}', 400, "No range index"),
    ("POST", "points/payload", '{"payload":{"x":1},"points":[99]}', 404, "No point with id 99 found"),
    ("POST", "points/payload", '{"payload":{"x":1}}', 400, "Either"),
    ("POST", "points/query?timeout=0", '{"query":[1,2,3,4]}', 422, "timeout"),
    ("POST", "points/query?timeout=soon", '{"query":[1,2,3,4]}', 400, "timeout"),
    ("POST", "points/scroll?timeout=-1", '{}', 400, "timeout"),
    ("POST", "points/count?consistency=most", '{}', 400, "consistency"),
    ("POST", "points?consistency=0", '{"ids":[1]}', 400, "consistency"),
    ("PUT", "points?timeout=0", points(), 422, "timeout"),
    ("POST", "points/query", '{"query":[1,2,3,4],"params":{"acorn":{"max_selectivity":2}}}', 422, "max_selectivity"),
    ("POST", "points/query", '{"query":[1,2,3,4],"params":{"acorn":{"enable":1}}}', 400, "acorn.enable"),
    ("POST", "points/query", '{"query":[1,2,3,4],"params":{"quantization":{"oversampling":0.5}}}', 422, "oversampling"),
    ("POST", "points/query", '{"query":[1,2,3,4],"params":{"quantization":{"rescore":"x"}}}', 400, "rescore"),
    ("PATCH", "", '{"vectors":{"":{"hnsw_config":{"ef_construct":1}}}}', 422, "ef_construct"),
    ("PATCH", "", '{"vectors":{"x":{"hnsw_config":{"m":1}}}}', 400, "Not existing vector name error: x"),
    ("PATCH", "", '{"sparse_vectors":{"x":{"index":{"on_disk":true}}}}', 400, "Not existing vector name error: x"),
    ("PATCH", "", '{"sparse_vectors":{"":{"index":{"on_disk":true}}}}', 400, "Not existing vector name error"),
    ("PATCH", "", '{"hnsw_config":{"inline_storage":1}}', 400, "inline_storage"),
    ("PATCH", "", '{"hnsw_config":{"memory":"warm"}}', 400, "cold, cached or pinned"),
    ("PATCH", "", '{"vectors":{"":{"memory":"warm"}}}', 400, "cold, cached or pinned"),
    ("PATCH", "", '{"optimizers_config":{"prevent_unoptimized":"x"}}', 400, "prevent_unoptimized"),
    ("PATCH", "", '{"params":{"read_fan_out_factor":-2}}', 400, "read_fan_out_factor"),
    ("PATCH", "", '{"params":{"payload":{"memory":"warm"}}}', 400, "cold, cached or pinned"),
    ("POST", "points/query", '{"query":[1,2,3,4],"params":{"idf":{"body":{}}}}', 400, "params.idf"),
    ("PUT", "points", '{"batch":{"ids":[2],"vectors":[7]}}', 400, "vector"),
    ("PUT", "points", '{"batch":{"ids":[2],"vectors":{"":["a"]}}}', 400, "vector"),
    ("PUT", "points", '{"batch":{"ids":[2],"vectors":[null]}}', 400, "vector"),
    ("POST", "points/query", '{"prefetch":7,"query":{"fusion":"rrf"}}', 400, "prefetch"),
    ("POST", "points/query", '{"prefetch":{"query":[1,2,3,4]},"query":{"formula":{"sum":7}}}', 400, "list"),
    ("POST", "points/query", '{"query":{"formula":1}}', 400, "prefetch"),
    ("POST", "points/query", '{"query":[1,2,3,4],"lookup_from":{"collection":7}}', 400, "lookup_from"),
    ("POST", "points/query", '{"query":{"discover":{"context":[]}}}', 400, "vector"),
    ("POST", "points/query", '{"query":{"sample":"best"}}', 400, "random"),
    ("POST", "points/query/groups", '{"query":[1,2,3,4]}', 400, "group_by"),
    ("POST", "points/query/groups", '{"query":[1,2,3,4],"group_by":"a[","limit":3}', 400, "a["),
    ("POST", "points/search/groups", '{"vector":[1,2,3,4],"group_by":"a"}', 400, "limit"),
    ("POST", "points/query/groups", '{"query":[1,2,3,4],"group_by":"a","with_lookup":7}', 400, "with_lookup"),
    ("POST", "facet", '{}', 400, "key"),
    ("POST", "facet", '{"key":"a"}', 400, "No appropriate index"),
    ("POST", "points/search/matrix/pairs", '{"sample":1}', 422, "sample"),
    ("POST", "points/search/matrix/offsets", '{"using":"x"}', 400, "x"),
    ("POST", "points/count", '{"filter":{"must":[{"key":"a","geo_radius":{"center":{"lon":1,"lat":91},"radius":1}}]}}', 400, "lat"),
    ("POST", "points/count", '{"filter":{"must":[{"key":"a","geo_polygon":{"exterior":{"points":[]}}}]}}', 422, "at least 4"),
    ("POST", "points/count", '{"filter":{"must":[{"slice":{"total":2,"index":2}}]}}', 422, "total"),
    ("POST", "points/count", '{"filter":{"must":[{"key":"a","match":{"text":7}}]}}', 400, "match"),
    ("PUT", "index", '{"field_name":"a","field_schema":{"type":"text","tokenizer":"codes"}}', 400, "multilingual or code"),
    ("PUT", "index", '{"field_name":"a"}', 400, "field_schema"),
    ("PUT", "index", '{"field_name":"a","field_schema":"nope"}', 400, "nope"),
])
def test_class_and_text(bad, method, path, body, status, text):
    got, answer = raw(bad, method, f"/collections/bad/{path}{'&' if '?' in path else '?'}wait=true".replace("/?", "?"), body)
    assert (got, text in json.loads(answer)["status"]["error"]) == (status, True), answer
    assert count(bad) == 1


def test_names_and_ids(bad):
    assert raw(bad, "GET", "/collections/none")[0] == 404
    assert raw(bad, "GET", "/collections/bad/points/99")[0] == 404
    assert raw(bad, "GET", "/collections/bad/points/x")[0] == 400
    assert raw(bad, "GET", "/nothing/here")[0] == 404
    assert raw(bad, "PUT", "/collections/bad", json.dumps({"vectors": {"size": 4, "distance": "Dot"}}))[0] == 409
    assert raw(bad, "PUT", "/collections/b%2Fd", json.dumps({"vectors": {"size": 4, "distance": "Dot"}}))[0] == 400
    assert raw(bad, "PUT", "/collections/new", json.dumps({"vectors": {"size": 0, "distance": "Dot"}}))[0] == 422
    assert raw(bad, "PUT", "/collections/new", json.dumps({"vectors": {"size": 4, "distance": "Dots"}}))[0] == 400
    for wrong in ({"hnsw_config": {"ef_construct": 1}}, {"quantization_config": {"scalar": {"type": "int8", "quantile": 2}}}):
        vectors = {"size": 4, "distance": "Dot", **wrong}
        assert raw(bad, "PUT", "/collections/new", json.dumps({"vectors": vectors}))[0] == 422
        assert raw(bad, "PUT", "/collections/new", json.dumps({"vectors": {"a": vectors}}))[0] == 422
    assert raw(bad, "PUT", "/collections/new", json.dumps({"sparse_vectors": {"": {}}}))[0] == 400
    assert raw(bad, "PUT", "/collections/new", json.dumps({"sparse_vectors": {"s": {"modifier": "x"}}}))[0] == 400
    big = 2 ** 64 - 1
    assert raw(bad, "PUT", "/collections/bad/points?wait=true", points(id=big))[0] == 200
    assert json.loads(raw(bad, "GET", f"/collections/bad/points/{big}")[1])["result"]["id"] == big
    assert raw(bad, "POST", "/collections/bad/points/delete?wait=true", json.dumps({"points": [big]}))[0] == 200


def test_cut_and_garbled_at_every_byte(bad):
    for at in range(len(GOOD)):
        assert raw(bad, "PUT", "/collections/bad/points?wait=true", GOOD[:at])[0] == 400
        status, _ = raw(bad, "PUT", "/collections/bad/points?wait=true", GOOD[:at] + "\x01" + GOOD[at + 1:])
        assert status in (400, 422)
    assert count(bad) == 1


QUERIES = [
    ("points/query", {"prefetch": [{"query": [1, 2, 3, 4], "limit": 3, "filter": {"must": [{"key": "a", "match": {"text": "x y"}}]}},
                                   {"query": {"recommend": {"positive": [1], "negative": [[1, 0, 0, 0]], "strategy": "best_score"}}}],
                      "query": {"rrf": {"k": 3, "weights": [1, 2]}}, "with_payload": True}),
    ("points/query", {"prefetch": {"query": {"discover": {"target": 1, "context": [{"positive": 1, "negative": [0, 1, 0, 0]}]}}},
                      "query": {"formula": {"sum": ["$score", {"mult": [2, "a"]}, {"exp_decay": {"x": {"abs": -2}, "scale": 3}},
                                                    {"key": "a", "range": {"gt": 1}}]}, "defaults": {"a": 1}}}),
    ("points/query/groups", {"query": {"nearest": [1, 2, 3, 4], "mmr": {"diversity": 0.3, "candidates_limit": 5}}, "group_by": "a",
                             "group_size": 2, "limit": 3, "with_lookup": {"collection": "bad", "with_payload": True}}),
    ("points/query", {"query": {"relevance_feedback": {"target": [1, 2, 3, 4], "feedback": [{"example": 1, "score": 0.4}],
                                                       "strategy": {"naive": {"a": 1, "b": 1, "c": 1}}}}}),
    ("points/count", {"filter": {"must": [{"key": "p", "geo_polygon": {"exterior": {"points": [
        {"lon": 0, "lat": 0}, {"lon": 5, "lat": 0}, {"lon": 5, "lat": 5}, {"lon": 0, "lat": 0}]}}}, {"slice": {"total": 3, "index": 1}}]}}),
]


def test_queries_with_a_wrong_part(bad):
    """every value in turn becomes something else: an answer comes, of whatever kind, and the server goes on"""
    def spots(value, path=()):
        yield path
        for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
            yield from spots(item, path + (key,))

    tried = 0
    for where, body in QUERIES:
        assert raw(bad, "POST", f"/collections/bad/{where}", json.dumps(body))[0] == 200, body
        for path in spots(body):
            for wrong in (None, 7, -1, 1e300, "x", "", [], {}, [[]], {"x": 1}, True, 2 ** 63):
                changed = at = json.loads(json.dumps(body))
                for key in path[:-1]:
                    at = at[key]
                if path:
                    at[path[-1]] = wrong
                else:
                    changed = wrong
                status, _ = raw(bad, "POST", f"/collections/bad/{where}", json.dumps(changed))
                assert status in (200, 400, 404, 422), (where, changed, status)
                tried += 1
    assert tried > 1000 and count(bad) == 1


def test_size_and_depth(bad):
    deep = '{"points":[{"id":5,"vector":[1,2,3,4],"payload":{"a":' + "[" * 5000 + "]" * 5000 + "}}]}"
    assert raw(bad, "PUT", "/collections/bad/points?wait=true", deep)[0] == 400
    nested = '{"filter":' + '{"must":[' * 3000 + "]}" * 3000 + "}"
    assert raw(bad, "POST", "/collections/bad/points/count", nested)[0] == 400
    huge = b'{"points":[' + b" " * 100_000_000 + b"]}"
    status, answer = raw(bad, "PUT", "/collections/bad/points?wait=true", huge)
    assert status == 400 and "larger than allowed" in answer
    assert raw(bad, "POST", "/collections/bad/points/query", '{"query":[1,2,3,4],"limit":4000000000}')[0] == 200
    assert count(bad) == 1


def test_keys(tmp_path):
    from conftest import Server
    s = Server(tmp_path / "d", {"KITH_SERVICE_API_KEY": "secret", "KITH_SERVICE_READ_ONLY_API_KEY": "look"}).start()
    try:
        create = json.dumps({"vectors": {"size": 4, "distance": "Dot"}})
        assert raw(s, "GET", "/collections")[0] == 401
        assert raw(s, "GET", "/collections", headers={"api-key": "secre"})[0] == 401
        assert raw(s, "GET", "/collections", headers={"api-key": "look"})[0] == 200
        assert raw(s, "PUT", "/collections/x", create, {"api-key": "look"})[0] == 403
        assert raw(s, "PUT", "/collections/x", create, {"authorization": "Bearer secret"})[0] == 200
        assert raw(s, "GET", "/healthz")[0] == 200
    finally:
        s.stop()


def test_second_process_is_refused(server):
    import subprocess
    from conftest import BINARY
    run = subprocess.run([BINARY, "info", server.data], capture_output=True, text=True)
    assert run.returncode == 1 and "held by another process" in run.stderr


def test_stops_with_open_connections(tmp_path):
    """idle keep-alive connections do not hold a graceful stop up"""
    from conftest import Server
    s = Server(tmp_path / "d").start()
    held = [http.client.HTTPConnection("127.0.0.1", s.port) for _ in range(5)]
    for c in held:
        c.request("GET", "/healthz")
        assert c.getresponse().read() == b"healthz check passed"
    s.stop()
