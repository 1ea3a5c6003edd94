"""Aggregates against the same numbers computed here, over growing, sealed and changed rows, with and without indexes."""
import collections
import datetime
import math
import random

import httpx
import pytest
from qdrant_client import models as m

from conftest import sealing_early

N = 700


@pytest.fixture(scope="module")
def early(tmp_path_factory):
    yield from sealing_early(tmp_path_factory, 150)


def draw(r, i):
    p = {"n": r.randint(-5, 20), "f": r.choice([r.uniform(-2, 2), r.randint(0, 3), float(r.randint(0, 3))]),
         "s": r.choice(["a", "b", "c", ["a", "b"], None, ["c", "c"]]), "t": f"2024-0{r.randint(1, 9)}-1{r.randint(0, 9)}T03:00:00Z",
         "mixed": r.choice([r.randint(0, 9), "text", None, [1, 2, 2], True, {"x": 1}, 2.5, 1 << 60])}
    if r.random() < 0.2:
        del p[r.choice(list(p))]
    return p


def values(doc, key):
    """each different one of a document once, without null, as facets count"""
    v = doc.get(key)
    out = []
    for x in v if isinstance(v, list) else [v]:
        if x is not None and not isinstance(x, (dict, list)) and not any(x == y and isinstance(x, bool) == isinstance(y, bool) for y in out):
            out.append(x)
    return out


def numbers(docs, key):
    return [x for d in docs for x in values(d, key) if isinstance(x, (int, float)) and not isinstance(x, bool)]


def moments(docs, key):
    return [datetime.datetime.fromisoformat(x.replace("Z", "+00:00")) for d in docs for x in values(d, key) if isinstance(x, str)]


def expected(docs):
    t = moments(docs, "t")
    out = {"all": {"value": len(docs)}, "filled": {"value": sum(len(values(d, "s")) for d in docs)},
           "kinds": {"value": len({(isinstance(x, bool), x) for d in docs for x in values(d, "mixed")})}}
    for key in ("n", "f", "mixed"):
        x = numbers(docs, key)
        out |= {"min_" + key: {"value": min(x, default=None)}, "max_" + key: {"value": max(x, default=None)},
                "sum_" + key: {"value": math.fsum(x)}, "avg_" + key: {"value": math.fsum(x) / len(x) if x else None}}
    out["first"] = {"value": min(t).strftime("%Y-%m-%dT%H:%M:%S.000000Z") if t else None}
    out["wide"] = {"buckets": [{"from": b * 4 - 1, "count": c} for b, c in
                               sorted(collections.Counter(math.floor((x + 1) / 4) for x in numbers(docs, "n")).items())]}
    days = collections.Counter(int(x.timestamp() // 864000) for x in t)
    out["days"] = {"buckets": [{"from": datetime.datetime.fromtimestamp(b * 864000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
                                "count": c} for b, c in sorted(days.items())]}
    return out


ASKED = {"all": {"count": {}}, "filled": {"count": {"key": "s"}}, "kinds": {"distinct": {"key": "mixed"}},
         **{f"{kind}_{key}": {kind: {"key": key}} for kind in ("min", "max", "sum", "avg") for key in ("n", "f", "mixed")},
         "first": {"min": {"datetime_key": "t"}}, "wide": {"histogram": {"key": "n", "interval": 4, "offset": -1}},
         "days": {"histogram": {"datetime_key": "t", "interval": 864000}}}


def same(a, b, what):
    assert a.keys() == b.keys(), what
    for key in a:
        x, y = a[key].get("value"), b[key].get("value")
        if isinstance(x, (int, float)) and isinstance(y, (int, float)):
            assert math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-9), (what, key, x, y)
        else:
            assert a[key] == b[key], (what, key)


def ask(client, **body):
    r = httpx.post(f"{client._client.rest_uri}/collections/agg/points/aggregate", json=body, timeout=60)
    assert r.status_code == 200, r.text
    return r.json()["result"]


@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
def test_same_as_here(early, seed, indexed):
    r, docs = random.Random(seed), {}
    early.delete_collection("agg")
    early.create_collection("agg", vectors_config={})
    if indexed:
        for key, kind in [("n", "integer"), ("f", "float"), ("t", "datetime"), ("s", "keyword"), ("mixed", "integer")]:
            early.create_payload_index("agg", key, kind, wait=True)
    for at in range(0, N, 70):
        for i in range(at, at + 70):
            docs[i] = draw(r, i)
        early.upsert("agg", [m.PointStruct(id=i, vector={}, payload=docs[i]) for i in range(at, at + 70)], wait=True)
        for i in r.sample(sorted(docs), 5): # documents over sealed rows, and deletions
            docs[i] = draw(r, i)
            early.overwrite_payload("agg", docs[i], points=[i], wait=True)
        for i in r.sample(sorted(docs), 3):
            del docs[i]
            early.delete("agg", m.PointIdsList(points=[i]), wait=True)
        for filter, chosen in ((None, list(docs.values())),
                               ({"must": [{"key": "n", "range": {"gte": 3}}]}, [d for d in docs.values() if d.get("n", -9) >= 3])):
            what = f"seed {seed}, indexed {indexed}, {at}, {filter}"
            got = ask(early, aggregations=ASKED, filter=filter)
            assert got["count"] == len(chosen), what
            same(got["aggregations"], expected(chosen), what)
            groups = collections.defaultdict(list)
            for d in chosen:
                for v in values(d, "s"):
                    groups[v].append(d)
            got = ask(early, aggregations=ASKED, filter=filter, group_by="s", limit=10)["groups"]
            assert [(g["id"], g["count"]) for g in got] == sorted(((k, len(v)) for k, v in groups.items()), key=lambda x: (-x[1], x[0])), what
            for g in got:
                same(g["aggregations"], expected(groups[g["id"]]), (what, g["id"]))
    early.delete_collection("agg")


def test_small_things(early):
    early.delete_collection("agg")
    early.create_collection("agg", vectors_config={})
    assert ask(early) == {"count": 0, "aggregations": {}}
    assert ask(early, aggregations={"x": {"avg": {"key": "n"}}, "y": {"sum": {"key": "n"}}, "z": {"histogram": {"key": "n", "interval": 1}}}) == \
        {"count": 0, "aggregations": {"x": {"value": None}, "y": {"value": 0}, "z": {"buckets": []}}}
    assert ask(early, group_by="s") == {"groups": []}
    early.upsert("agg", [m.PointStruct(id=i, vector={}, payload={"s": f"k{i % 30}", "b": i % 3 == 0, "big": (1 << 62) + i,
                                                                 "deep": [{"x": i}, {"x": i + 1}]}) for i in range(90)], wait=True)
    assert len(ask(early, group_by="s")["groups"]) == 10 and len(ask(early, group_by="s", limit=100)["groups"]) == 30
    assert [(g["id"], g["count"]) for g in ask(early, group_by="b")["groups"]] == [(False, 60), (True, 30)]
    big = ask(early, aggregations={"a": {"max": {"key": "big"}}, "b": {"max": {"key": "deep[].x"}}, "c": {"sum": {"key": "big"}}})["aggregations"]
    assert big["a"]["value"] == (1 << 62) + 89 and big["b"]["value"] == 90 and big["c"]["value"] == pytest.approx(90 * 2.0 ** 62)
    for body, status, text in [
        ({"aggregations": []}, 400, "by name"), ({"aggregations": {"x": {"median": {"key": "n"}}}}, 400, "aggregations.x"),
        ({"aggregations": {"x": {"sum": {}}}}, 400, "missing field"), ({"aggregations": {"x": {"sum": {"key": "a[b"}}}}, 400, "a[b"),
        ({"aggregations": {"x": {"sum": {"datetime_key": "t"}}}}, 422, "no sum"), ({"aggregations": {"x": {"min": {"key": 5}}}}, 400, "key"),
        ({"aggregations": {"x": {"histogram": {"key": "n"}}}}, 400, "interval"), ({"group_by": ""}, 400, "group_by"),
        ({"aggregations": {"x": {"histogram": {"key": "n", "interval": 0}}}}, 400, "interval"), ({"limit": 0}, 422, "limit"),
        ({"aggregations": {"x": {"histogram": {"key": "big", "interval": 1e-9}}}}, 400, "too far away"),
        ({"aggregations": {"x": {"min": {"key": "n", "interval": 2}}}}, 400, "only a histogram"), ({"limit": 1 << 40}, 422, "at most"),
        ({"filter": {"must": [{"key": "n"}]}}, 422, "filter"),
    ]:
        r = httpx.post(f"{early._client.rest_uri}/collections/agg/points/aggregate", json=body, timeout=60)
        assert r.status_code == status and text in r.text, (body, r.status_code, r.text)
    early.delete_collection("agg")


def test_long_lists(early):
    """a document with very many values: none is counted twice, none is left out; and it is in as many groups"""
    early.delete_collection("agg")
    early.create_collection("agg", vectors_config={})
    many = [i % 20000 for i in range(40000)]
    random.Random(3).shuffle(many)
    early.upsert("agg", [m.PointStruct(id=1, vector={}, payload={"n": many, "s": [f"k{i % 6000}" for i in range(12000)]}),
                         m.PointStruct(id=2, vector={}, payload={"n": [1, 1, 30000], "s": "k5999"})], wait=True)
    got = ask(early, aggregations={"c": {"count": {"key": "n"}}, "d": {"distinct": {"key": "n"}}, "s": {"sum": {"key": "n"}}})["aggregations"]
    assert got["c"]["value"] == 20002 and got["d"]["value"] == 20001 and got["s"]["value"] == sum(range(20000)) + 30001
    groups = {g["id"]: g["count"] for g in ask(early, group_by="s", limit=10000)["groups"]}
    assert groups == {f"k{i}": 1 + (i == 5999) for i in range(6000)}
    early.delete_collection("agg")
