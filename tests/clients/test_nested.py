"""Nested filters beside indexes of the elements' fields, against the definition: one element satisfies them all."""
import random

import httpx
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, sealing_early

KEYS = [("offers[].price", "float"), ("offers[].stock", "integer"), ("offers[].shop", "keyword"), ("offers[].open", "bool"),
        ("offers[].since", "datetime"), ("offers[].code", "uuid"), ("offers[].note", "text")]
CODES = ["936da01f-9abd-4d9d-80c7-02af85c822a8", "936DA01F9ABD4d9d80C702AF85C822A8", "no uuid"]


@pytest.fixture(scope="module", params=TRANSPORTS)
def c(tmp_path_factory, request):
    yield from sealing_early(tmp_path_factory, 150, request.param)


def draw_offer(r):
    offer = {"price": r.choice([r.randint(0, 20), r.uniform(0, 20), [1, 30]]), "stock": r.choice([r.randint(0, 5), 2.0, None]), "shop": r.choice("abcd"),
             "open": r.random() < 0.5, "since": f"2024-0{r.randint(1, 9)}-01T00:00:00Z", "code": r.choice(CODES), "note": r.choice(["Big red", "small Red-ish", "blue"])}
    for key in r.sample(sorted(offer), r.randint(0, 3)):
        del offer[key]
    return offer


def draw(r):
    return {"offers": r.choice([[draw_offer(r) for _ in range(r.randint(0, 4))], [draw_offer(r), 7, "x"], draw_offer(r), None, 5]), "n": r.randint(0, 9)}


F = m.FieldCondition
CONDITIONS = [ # condition, what it means of an element
    (lambda r: (lambda x: (F(key="price", range=m.Range(gte=x)), lambda e: any(v >= x for v in values(e, "price"))))(r.randint(0, 25))),
    (lambda r: (lambda x: (F(key="stock", match=m.MatchValue(value=x)), lambda e: any(v == x for v in values(e, "stock"))))(r.randint(0, 5))),
    (lambda r: (lambda x: (F(key="shop", match=m.MatchAny(any=x)), lambda e: e.get("shop") in x))(r.sample("abcdz", 2))),
    (lambda r: (lambda x: (F(key="shop", match=m.MatchExcept(**{"except": x})), lambda e: e.get("shop") is not None and e["shop"] not in x))(r.sample("abcdz", 2))),
    (lambda r: (F(key="open", match=m.MatchValue(value=True)), lambda e: e.get("open") is True)),
    (lambda r: (lambda x: (F(key="since", range=m.DatetimeRange(lt=f"2024-0{x}-15T00:00:00Z")), lambda e: "since" in e and int(e["since"][6]) <= x))(r.randint(1, 9))),
    (lambda r: (lambda x: (F(key="code", match=m.MatchValue(value=x)), lambda e: e.get("code") == x))(r.choice(CODES))),
    (lambda r: (F(key="note", match=m.MatchText(text="red")), lambda e: "red" in e.get("note", "").lower().replace("-", " ").split())),
    (lambda r: (m.IsEmptyCondition(is_empty=m.PayloadField(key="stock")), lambda e: e.get("stock") is None)),
]


def values(e, key):
    v = e.get(key)
    return [x for x in (v if isinstance(v, list) else [v]) if isinstance(x, (int, float)) and not isinstance(x, bool)]


def draw_filter(r, depth=0):
    parts, means = {}, []
    for name, how in (("must", all), ("should", any), ("must_not", lambda x: not any(x))):
        if r.random() < (0.9 if name == "must" else 0.3):
            drawn = [draw_filter(r, 1) if depth == 0 and r.random() < 0.2 else r.choice(CONDITIONS)(r) for _ in range(r.randint(1, 2))]
            parts[name] = [d[0] for d in drawn]
            means.append((how, [d[1] for d in drawn]))
    return m.Filter(**parts), lambda e: all(how([f(e) for f in fs]) for how, fs in means)


@pytest.mark.parametrize("indexed", [False, True])
def test_nested(c, indexed):
    r, docs = random.Random(5), {}
    c.delete_collection("nested")
    c.create_collection("nested", vectors_config={})
    for key, kind in KEYS if indexed else ():
        if kind in ("text", "uuid"):
            c.create_payload_index("nested", key, kind)
        else:
            params = {"float": m.FloatIndexParams, "integer": m.IntegerIndexParams, "keyword": m.KeywordIndexParams, "bool": m.BoolIndexParams,
                      "datetime": m.DatetimeIndexParams}[kind]
            c.create_payload_index("nested", key, params(type=kind, nested="offers"))
    if indexed:
        assert c.get_collection("nested").payload_schema["offers[].price"].params.nested == "offers"
    for at in range(0, 600, 60):
        for i in range(at, at + 60):
            docs[i] = draw(r)
        c.upsert("nested", [m.PointStruct(id=i, vector={}, payload=docs[i]) for i in range(at, at + 60)], wait=True)
        for i in r.sample(sorted(docs), 6):
            docs[i] = draw(r)
            c.overwrite_payload("nested", docs[i], points=[i], wait=True)
        for step in range(20):
            inner, means = draw_filter(r)
            outer = m.Filter(must=[m.NestedCondition(nested=m.Nested(key=r.choice(["offers", "offers[]"]), filter=inner)), F(key="n", range=m.Range(lt=8))])
            elements = lambda d: [e for e in (d["offers"] if isinstance(d["offers"], list) else []) if isinstance(e, dict)]
            want = {i for i, d in docs.items() if d["n"] < 8 and any(means(e) for e in elements(d))}
            got = {p.id for p in c.scroll("nested", scroll_filter=outer, limit=1000)[0]}
            assert got == want, (at, step, outer)
    c.delete_collection("nested")


def test_wrong(server):
    url = f"{server.url}/collections/wrong"
    httpx.put(url, json={"vectors": {}}, timeout=20)
    for nested in ("offer", "offers[].price", "", 5):
        refused = httpx.put(url + "/index", json={"field_name": "offers[].price", "field_schema": {"type": "float", "nested": nested}}, timeout=20)
        assert refused.status_code == 400 and "nested" in refused.text, nested
    httpx.delete(url, timeout=20)
