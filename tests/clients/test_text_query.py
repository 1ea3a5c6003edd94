"""Text queries: BM25 over a text index, against the formula itself counted over all live points, whatever was written, replaced,
deleted, sealed and merged; over both transports."""
import math
import random
import re

import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server

WORDS = [f"w{i}" for i in range(60)]
NAME = "texts"


@pytest.fixture(scope="module", params=TRANSPORTS)
def place(tmp_path_factory, request):
    s = Server(tmp_path_factory.mktemp("texts") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": "150"}).start()
    yield s, request.param
    s.stop()


def draw(r, several=True):
    """frequent words more often, some of them again and again"""
    n = r.choice([1, 3, 8, 20, 60])
    text = " ".join(WORDS[min(int(r.expovariate(0.12)), 59)] for _ in range(n))
    return {"text": r.choice([text, text.upper(), [text, "w1 extra"] if several else [text]]), "n": r.randrange(10)} if r.random() < 0.95 else {"n": 3}


def tokens(payload):
    text = payload.get("text", [])
    return [w for t in (text if isinstance(text, list) else [text]) for w in re.findall(r"\w+", t.lower())]


def texts(payload):
    """the words of each string by itself: that is what a text condition is about"""
    text = payload.get("text", [])
    return [re.findall(r"\w+", t.lower()) for t in (text if isinstance(text, list) else [text])]


def has_all(payload, words):
    return any(set(words) <= set(t) for t in texts(payload))


def has_phrase(payload, words):
    return any(t[i:i + len(words)] == words for t in texts(payload) for i in range(len(t)))


def bm25(points, query, k=1.2, b=0.75, corpus=None):
    counted = {i: tokens(p) for i, p in points.items() if corpus is None or corpus(p)}
    counted = {i: t for i, t in counted.items() if t}
    average = sum(map(len, counted.values())) / max(len(counted), 1)
    scores = {}
    for word in set(re.findall(r"\w+", query.lower())):
        df = sum(word in t for t in counted.values())
        idf = math.log(1 + (max(len(counted), df) - df + 0.5) / (df + 0.5))
        for i, p in points.items():
            t = tokens(p)
            if tf := min(t.count(word), 255):
                scores[i] = scores.get(i, 0) + idf * (k + 1) * tf / (tf + k * (1 - b + b * len(t) / average))
    return scores


def check(found, scores, limit, what):
    want = sorted(scores.values(), reverse=True)[:limit]
    assert len(found) == len(want), what
    for hit, score in zip(found, want):
        assert abs(hit.score - score) < 1e-4 * max(1, score), (what, hit, score)
        assert abs(scores[hit.id] - hit.score) < 1e-4 * max(1, score), (what, hit, scores[hit.id])


def text(query, **bm25):
    return m.TextQuery(text=m.TextQueryInput(query=query, scoring=m.Bm25Scoring(bm25=m.Bm25Params(**bm25)) if bm25 else None))


@pytest.mark.parametrize("several", [False, True])
def test_the_formula(place, several):
    server, transport = place
    c, r = server.client(transport), random.Random(41 + several)
    c.delete_collection(NAME)
    c.create_collection(NAME, vectors_config=m.VectorParams(size=2, distance="Dot"))
    c.create_payload_index(NAME, "text", m.TextIndexParams(type="text", scoring=True, lowercase=True))
    c.create_payload_index(NAME, "n", "integer")
    points = {}
    for step in range(60):
        k = r.randrange(8)
        ids = r.sample(range(600), 40)
        if k < 4 or step < 12:
            new = {i: draw(r, several) for i in ids}
            points.update(new)
            c.upsert(NAME, [m.PointStruct(id=i, vector=[1, i], payload=p) for i, p in new.items()], wait=True)
        elif k == 4:
            for i in ids[:15]:
                points.pop(i, None)
            c.delete(NAME, ids[:15], wait=True)
        elif k == 5:  # documents over sealed rows
            for i in [i for i in ids if i in points][:6]:
                p = draw(r, several)
                points[i] = p
                c.overwrite_payload(NAME, p, [i], wait=True)
        elif k == 6 and step > 30:
            server.kill()
            server.start()
            c = server.client(transport)
        for _ in range(3):
            query = " ".join(WORDS[min(int(r.expovariate(0.1)), 59)] for _ in range(r.choice([1, 2, 4, 9])))
            limit = r.choice([1, 5, 12, 200])
            scores, what = bm25(points, query), (step, query, limit)
            check(c.query_points(NAME, query=text(query), using="text", limit=limit).points, scores, limit, what)
            under = m.Filter(must=[m.FieldCondition(key="n", range=m.Range(lt=4))])
            matching = {i: s for i, s in scores.items() if points[i]["n"] < 4}  # a filter leaves the statistics alone
            check(c.query_points(NAME, query=text(query), using="text", limit=limit, query_filter=under).points, matching, limit, what)
            some = r.choice(texts(r.choice([p for p in points.values() if p.get("text")])))
            at = r.randrange(len(some))
            asked = r.choice([some[at:at + 2], some[at:at + 3], [some[at], r.choice(some)], ["w0", "w1"]])
            for match, means in ((m.MatchText(text=" ".join(asked)), has_all), (m.MatchPhrase(phrase=" ".join(asked)), has_phrase)):
                matching = {i: s for i, s in scores.items() if means(points[i], asked)}
                under = m.Filter(must=[m.FieldCondition(key="text", match=match)])
                check(c.query_points(NAME, query=text(query), using="text", limit=limit, query_filter=under).points, matching, limit, (what, match))
                matching = {i: s for i, s in bm25(points, " ".join(asked)).items() if means(points[i], asked)}
                check(c.query_points(NAME, query=text(" ".join(asked)), using="text", limit=limit, query_filter=under).points, matching, limit, (what, match))
            k1, b = r.choice([0.0, 0.5, 2.0, 10.0]), r.choice([0.0, 0.3, 1.0])
            check(c.query_points(NAME, query=text(query, k=k1, b=b), using="text", limit=limit).points, bm25(points, query, k1, b), limit, (what, k1, b))


def test_corpus(place):
    server, transport = place
    c = server.client(transport)
    got, _ = c.scroll(NAME, limit=1000)
    points = {p.id: p.payload for p in got}
    only = m.Filter(must=[m.FieldCondition(key="n", match=m.MatchValue(value=3))])
    found = c.query_points(NAME, query=text("w0 w3 w9"), using="text", limit=20,
                           search_params=m.SearchParams(idf=m.IdfCorpusParams(corpus=only))).points
    check(found, bm25(points, "w0 w3 w9", corpus=lambda p: p["n"] == 3), 20, "corpus")


def test_with_other_queries(place):
    server, transport = place
    c = server.client(transport)
    got, _ = c.scroll(NAME, limit=1000)
    points = {p.id: p.payload for p in got}
    scores = bm25(points, "w5 w11")
    nearest = m.Prefetch(query=[0.0, 1.0], limit=50)
    among = c.query_points(NAME, query=[0.0, 1.0], limit=50).points
    found = c.query_points(NAME, prefetch=nearest, query=text("w5 w11"), using="text", limit=50).points
    check(found, {h.id: scores[h.id] for h in among if h.id in scores}, 50, "candidates")
    fused = c.query_points(NAME, prefetch=[nearest, m.Prefetch(query=text("w5 w11"), using="text", limit=50)],
                           query=m.FusionQuery(fusion=m.Fusion.RRF), limit=100).points
    assert {h.id for h in fused} == {h.id for h in among} | set(sorted(scores, key=lambda i: (-scores[i], i))[:50])
    boosted = c.query_points(NAME, prefetch=m.Prefetch(query=text("w5"), using="text", limit=5),
                             query=m.FormulaQuery(formula=m.MultExpression(mult=["$score", 2.0])), limit=5).points
    plain = c.query_points(NAME, query=text("w5"), using="text", limit=5).points
    assert [round(h.score, 3) for h in boosted] == [round(h.score * 2, 3) for h in plain]
    bar = plain[1].score * 0.9999
    best = c.query_points(NAME, query=text("w5"), using="text", limit=50, score_threshold=bar).points
    assert len(best) == sum(s > bar for s in bm25(points, "w5").values()) and all(h.score > bar for h in best)
    groups = c.query_points_groups(NAME, "n", query=text("w5"), using="text", limit=2, group_size=2).groups
    assert groups[0].hits[0].id == plain[0].id
    assert c.query_points(NAME, query=text("nowhere"), using="text").points == []


def test_kept_and_refused(place):
    server, transport = place
    c = server.client(transport)
    c.create_collection("plain", vectors_config=m.VectorParams(size=2, distance="Dot"))
    c.create_payload_index("plain", "unscored", m.TextIndexParams(type="text"))
    c.create_payload_index("plain", "scored", m.TextIndexParams(type="text", scoring=m.TextScoringParams(type="bm25"), stemmer=m.SnowballParams(
        type="snowball", language="english"), stopwords="english"))
    schema = c.get_collection("plain").payload_schema
    assert schema["scored"].params.scoring.type == "bm25" and not schema["unscored"].params.scoring
    c.upsert("plain", [m.PointStruct(id=1, vector=[1, 2], payload={"scored": "The runner was running", "unscored": "running"})], wait=True)
    assert [h.id for h in c.query_points("plain", query=text("the run"), using="scored").points] == [1]
    assert c.query_points("plain", query=text("the"), using="scored").points == []
    for using, why in (("unscored", "no text index with scoring"), ("nothing", "no text index with scoring"), (None, "using")):
        with pytest.raises(Exception, match=why):
            c.query_points("plain", query=text("run"), using=using)
    for wrong in ({"k": -1.0}, {"b": 1.5}, {"b": -0.1}):
        with pytest.raises(Exception, match="invalid"):
            c.query_points("plain", query=text("run", **wrong), using="scored")
