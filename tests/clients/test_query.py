"""The Query API against the official client's own in-memory mode: every kind of query, alone and over prefetches, drawn at
random; the same scores. What differs on purpose is listed in src/qdrant/README.md."""
import os
import random

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from conftest import TRANSPORTS, sealing_early
from test_compare import same_scored

N, DIM = 400, 8
SEED = int(os.environ.get("SEED", "100"))


@pytest.fixture(scope="module", params=TRANSPORTS)
def client(tmp_path_factory, request):
    yield from sealing_early(tmp_path_factory, 150, request.param)


class Draw:
    def __init__(self, seed, distance):
        self.r, self.rng, self.distance = random.Random(seed), np.random.default_rng(seed), distance
        self.below = False # points that are examples below are not found above; the memory mode finds them

    def dense(self):
        return self.rng.uniform(-1, 1, DIM).round(4).tolist()

    def sparse(self):
        indices = self.rng.choice(30, self.r.randint(3, 8), replace=False)
        return m.SparseVector(indices=indices.tolist(), values=self.rng.uniform(0.1, 2, len(indices)).round(4).tolist())

    def vector(self, name):
        if name == "many":
            return [self.dense() for _ in range(self.r.randint(1, 4))]
        return self.sparse() if name == "text" else self.dense()

    def example(self, name):
        return self.r.randrange(N) if self.r.random() < 0.5 and not self.below else self.vector(name)

    def filter(self):
        return m.Filter(must=[m.FieldCondition(key="n", range=m.Range(lt=self.r.choice([3, 7])))]) \
            if self.r.random() < 0.4 else None

    def pairs(self, name):
        return [m.ContextPair(positive=self.example(name), negative=self.example(name)) for _ in range(self.r.randint(1, 3))]

    def searching(self, name, ties=True):
        """a query that needs a vector; without ties: whose scores are all different"""
        k = self.r.randint(0, 7)
        if not ties and (k in (2, 6) or (name == "text" and k >= 2)):
            k = 7
        if k <= 1:
            return m.NearestQuery(nearest=self.example(name))
        if k == 2 and name != "text":
            return m.NearestQuery(nearest=self.example(name), mmr=m.Mmr(diversity=self.r.choice([0, 0.3, 0.9]), candidates_limit=40))
        if k <= 4:
            strategy = self.r.choice(list(m.RecommendStrategy))
            positive = [self.example(name) for _ in range(self.r.randint(0 if strategy != "average_vector" else 1, 3))]
            negative = [self.example(name) for _ in range(self.r.randint(0 if positive else 1, 2))]
            return m.RecommendQuery(recommend=m.RecommendInput(positive=positive, negative=negative, strategy=strategy))
        if k == 5:
            return m.DiscoverQuery(discover=m.DiscoverInput(target=self.example(name), context=self.pairs(name)))
        if k == 6:
            return m.ContextQuery(context=self.pairs(name))
        return m.NearestQuery(nearest=self.vector(name))

    def prefetch(self, depth):
        name = self.r.choice(["", "text", "many"])
        args = {"using": name, "query": self.searching(name, ties=False), "limit": self.r.randint(5, 40), "filter": self.filter()}
        if depth == 0 and self.r.random() < 0.3:
            args["prefetch"] = [self.prefetch(1) for _ in range(2)]
        return m.Prefetch(**args)

    def root(self):
        k = self.r.randint(0, 9)
        if k <= 3:
            name = self.r.choice(["", "text", "many"])
            return {"query": self.searching(name), "using": name}
        self.below = True
        prefetch = [self.prefetch(0) for _ in range(self.r.randint(1, 3))]
        self.below = False
        if k == 4 and self.distance in ("Cosine", "Dot"): # of lengths the memory mode prefers the long ones
            return {"prefetch": prefetch, "query": m.FusionQuery(fusion=m.Fusion.DBSF)}
        if k in (4, 5):
            return {"prefetch": prefetch, "query": m.FusionQuery(fusion=m.Fusion.RRF)}
        if k == 6:
            return {"prefetch": prefetch, "query": m.RrfQuery(rrf=m.Rrf(k=self.r.choice([1, 20, 60]),
                                                                       weights=[self.r.choice([0.5, 1, 3]) for _ in prefetch]))}
        if k == 7:
            return {"prefetch": prefetch, "query": m.OrderByQuery(order_by=m.OrderBy(key="n", direction=self.r.choice(["asc", "desc"])))}
        name = self.r.choice(["", "text", "many"])
        return {"prefetch": prefetch, "query": self.searching(name), "using": name}


def near_ties(local, name, prefetches, above):
    """whether two that follow each other in one of these lists are as far but for rounding: their ranks may be swapped"""
    for p in prefetches or []:
        both = m.Filter(must=[f for f in (p.filter, above) if f]) # the filter above holds below too
        found = local.query_points(name, prefetch=p.prefetch, query=p.query, using=p.using, query_filter=both, limit=p.limit + 1).points
        scores = [x.score for x in found]
        if any(abs(x - y) <= 2e-6 * max(1, abs(x)) for x, y in zip(scores, scores[1:])) or near_ties(local, name, p.prefetch, both):
            return True
    return False


def make(c, name, distance, draw):
    c.delete_collection(name)
    many = m.VectorParams(size=DIM, distance=distance,
                          multivector_config=m.MultiVectorConfig(comparator=m.MultiVectorComparator.MAX_SIM))
    c.create_collection(name, vectors_config={"": m.VectorParams(size=DIM, distance=distance), "many": many},
                        sparse_vectors_config={"text": m.SparseVectorParams()})
    return [m.PointStruct(id=i, vector={"": draw.dense(), "text": draw.sparse(), "many": draw.vector("many")}, payload={"n": i % 10, "u": i * 7919 % N})
            for i in range(N)]


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_same_as_memory(client, distance):
    seed = len(distance) + SEED
    draw, local, name = Draw(seed, distance), QdrantClient(":memory:"), f"q_{distance}"
    points = make(client, name, distance, draw)
    make(local, name, distance, Draw(0, distance))
    client.create_payload_index(name, "n", "integer")
    for c in (client, local):
        for at in range(0, N, 100):
            c.upsert(name, points[at:at + 100], wait=True)
    different, rounded = [], 0
    for step in range(400):
        args = {**draw.root(), "limit": draw.r.randint(1, 15), "query_filter": draw.filter()}
        if draw.r.random() < 0.3:
            args["offset"] = draw.r.randint(1, 5)
        what = f"seed {seed}, step {step}: {args}"
        a, b = client.query_points(name, **args).points, local.query_points(name, **args).points
        try:
            if isinstance(args["query"], m.OrderByQuery):
                assert [p.order_value for p in a] == [p.order_value for p in b], what
            elif isinstance(args["query"], m.NearestQuery) and args["query"].mmr:
                assert [p.id for p in a] == [p.id for p in b], what
            elif "offset" in args: # ties may be cut differently at both ends
                assert np.allclose([p.score for p in a], [p.score for p in b], atol=1e-4), what
            else:
                same_scored(a, b, what)
        except AssertionError as e:
            if near_ties(local, name, args.get("prefetch"), args["query_filter"]):
                rounded += 1
                continue
            different.append(str(e).split("\n")[0][:1500] + f"\n{[(p.id, round(p.score, 4)) for p in a]}\n{[(p.id, round(p.score, 4)) for p in b]}")
    assert not different, f"{len(different)} of 400 differ; " + "\n".join(different[:4])
    assert rounded <= 4, f"seed {seed}: {rounded} of 400 differ by the ranks of near ties"


class DrawFormula(Draw):
    def expr(self, depth=0):
        r = self.r
        k = r.randint(0, 5 if depth == 3 else 17)
        sub = lambda: self.expr(depth + 1)
        positive = lambda: m.SumExpression(sum=[m.AbsExpression(abs=sub()), 0.5])
        if k == 0:
            return r.choice([0.5, 2.0, -1.5])
        if k == 1:
            return r.choice(["$score", "$score[0]", "$score[1]"])
        if k == 2:
            return r.choice(["n", "u", "nowhere"])
        if k == 3:
            return m.FieldCondition(key="n", range=m.Range(gte=r.randint(0, 9)))
        if k == 4:
            return m.GeoDistance(geo_distance=m.GeoDistanceParams(origin=m.GeoPoint(lon=13.4, lat=52.5), to="place"))
        if k == 5:
            return m.DatetimeKeyExpression(datetime_key="when")
        if k == 6:
            return m.SumExpression(sum=[sub(), sub()])
        if k == 7:
            return m.MultExpression(mult=[sub(), sub()])
        if k == 8:
            return m.NegExpression(neg=sub())
        if k == 9:
            return m.DivExpression(div=m.DivParams(left=sub(), right=positive()))
        if k == 10:
            return m.SqrtExpression(sqrt=positive())
        if k == 11:
            return m.PowExpression(pow=m.PowParams(base=m.MinExpression(min=[positive(), 3.0]), exponent=1.5))
        if k == 12:
            return m.LnExpression(ln=positive())
        if k == 13:
            return m.Log10Expression(log10=positive())
        if k == 14:
            return m.ExpExpression(exp=m.MinExpression(min=[m.MaxExpression(max=[sub(), -2.0]), 2.0]))
        kind, name = [(m.LinDecayExpression, "lin_decay"), (m.ExpDecayExpression, "exp_decay"), (m.GaussDecayExpression, "gauss_decay")][k - 15]
        return kind(**{name: m.DecayParamsExpression(x=sub(), target=r.choice([None, 1.0, sub()]), scale=r.choice([None, 5.0]),
                                                     midpoint=r.choice([None, 0.3]))})


def test_formula(client):
    draw, local, name = DrawFormula(SEED, "Cosine"), QdrantClient(":memory:"), "formula"
    points = make(client, name, "Cosine", draw)
    make(local, name, "Cosine", DrawFormula(0, "Cosine"))
    for p in points:
        if p.id % 3:
            p.payload["place"] = {"lon": float(p.id % 50), "lat": float(p.id % 40)}
        if p.id % 4:
            p.payload["when"] = f"2024-0{1 + p.id % 9}-11T10:00:00Z"
    for c in (client, local):
        c.upsert(name, points, wait=True)
    defaults = {"nowhere": 3.0, "place": {"lon": 1.0, "lat": 2.0}, "when": "2023-05-06T07:08:09Z", "$score[1]": 0.25, "$score": 0.1}
    for step in range(200):
        formula = m.SumExpression(sum=[draw.expr(), "$score", "u"])
        args = {"prefetch": [m.Prefetch(query=draw.dense(), limit=draw.r.randint(3, 30)),
                             m.Prefetch(query=draw.sparse(), using="text", limit=20)],
                "query": m.FormulaQuery(formula=formula, defaults=defaults), "limit": 12}
        a, b = client.query_points(name, **args).points, local.query_points(name, **args).points
        what = f"seed {SEED}, step {step}: {formula}"
        assert len(a) == len(b) and np.allclose([p.score for p in a], [p.score for p in b], rtol=1e-5, atol=1e-4), what
    for formula, text in [("$what", "what"), ("missing", "missing"), ({"div": {"left": 1, "right": 0}}, "zero"),
                          ({"sqrt": -1}, "finite"), ({"lin_decay": {"x": 1, "scale": 0}}, "scale"), ({"ln": 0}, "finite"),
                          ({"exp_decay": {"x": 1, "midpoint": 1}}, "midpoint")]:
        with pytest.raises(Exception, match=text):
            client.http.search_api.query_points(name, query_request=m.QueryRequest.model_construct(
                prefetch=m.Prefetch(query=draw.dense()), query={"formula": formula}))
    client.delete_collection(name)


def test_more(client):
    """What the drawn queries do not have: other collections, feedback, samples, the older calls, mistakes."""
    import json
    import urllib.error
    import urllib.request
    draw, local, name = Draw(1, "Cosine"), QdrantClient(":memory:"), "more"
    points = make(client, name, "Cosine", draw)
    make(local, name, "Cosine", Draw(0, "Cosine"))
    for c in (client, local):
        c.upsert(name, points, wait=True)
        c.delete_collection("other")
        c.create_collection("other", vectors_config={"v": m.VectorParams(size=DIM, distance="Dot")})
        c.upsert("other", [m.PointStruct(id=i, vector={"v": points[(i + 7) % N].vector[""]}) for i in range(20)], wait=True)

    def same(**args):
        a, b = client.query_points(name, **args).points, local.query_points(name, **args).points
        assert a
        same_scored(a, b, str(args))
    there = m.LookupLocation(collection="other", vector="v")
    same(query=5, lookup_from=there)
    same(query=m.RecommendQuery(recommend=m.RecommendInput(positive=[1, 2], negative=[3])), lookup_from=there)
    same(prefetch=m.Prefetch(query=9, lookup_from=there, limit=30), query=m.FusionQuery(fusion="rrf"))
    for c in (client, local): # idf over all, and over some
        c.delete_collection("rare")
        c.create_collection("rare", vectors_config={}, sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.IDF)})
        c.upsert("rare", [m.PointStruct(id=p.id, vector={"s": p.vector["text"]}, payload=p.payload) for p in points], wait=True)
    for corpus in (None, m.IdfScope.GLOBAL, m.IdfCorpusParams(corpus=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(lt=4))]))):
        for query in (draw.sparse(), 17, m.RecommendQuery(recommend=m.RecommendInput(positive=[3, 4], negative=[5]))):
            args = {"query": query, "using": "s", "limit": 12, "search_params": m.SearchParams(idf=corpus)}
            a, b = client.query_points("rare", **args).points, local.query_points("rare", **args).points
            same_scored(a, b, str(args))
    feedback = [m.FeedbackItem(example=draw.dense(), score=s) for s in (0.9, 0.2, 0.5)]
    same(query=m.RelevanceFeedbackQuery(relevance_feedback=m.RelevanceFeedbackInput(
        target=draw.dense(), feedback=feedback,
        strategy=m.NaiveFeedbackStrategy(naive=m.NaiveFeedbackStrategyParams(a=0.8, b=1.5, c=0.3)))))
    same(query=draw.dense(), score_threshold=0.2, limit=200)
    same(query=m.RecommendQuery(recommend=m.RecommendInput(positive=[1], negative=[3], strategy="best_score")), score_threshold=0.3,
         limit=200)
    seen = set()
    for _ in range(8):
        got = client.query_points(name, query=m.SampleQuery(sample="random"), limit=40, query_filter=m.Filter(
            must=[m.FieldCondition(key="n", match=m.MatchValue(value=3))])).points
        assert len({p.id for p in got}) == 40 and all(p.id % 10 == 3 and p.score == 1 for p in got)
        seen.add(tuple(p.id for p in got))
    assert len(seen) == 8

    def post(path, body):
        request = urllib.request.Request(f"{client._client.rest_uri}/collections/{name}/points/{path}", json.dumps(body).encode(),
                                         {"content-type": "application/json"})
        return json.load(urllib.request.urlopen(request))["result"]
    old = post("recommend", {"positive": [1, 2], "negative": [3], "limit": 5, "filter": {"must": [{"key": "n", "range": {"lt": 5}}]}})
    new = client.query_points(name, query=m.RecommendQuery(recommend=m.RecommendInput(positive=[1, 2], negative=[3])), limit=5,
                              query_filter=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(lt=5))])).points
    assert [(p["id"], round(p["score"], 5)) for p in old] == [(p.id, round(p.score, 5)) for p in new]
    assert post("recommend/batch", {"searches": [{"positive": [1], "limit": 2}, {"negative": [1], "strategy": "best_score", "limit": 3}]})[1][2]
    assert len(post("discover", {"target": 4, "context": [{"positive": 1, "negative": 2}], "limit": 6})) == 6
    assert post("discover", {"context": [{"positive": 1, "negative": 2}], "limit": 1})[0]["score"] == 0
    for path, body, status, text in [
        ("query", {"query": {"fusion": "rrf"}}, 400, "prefetch"),
        ("query", {"prefetch": {"query": [0.0] * DIM}}, 400, "merge the prefetches"),
        ("query", {"prefetch": {"query": [0.0] * DIM}, "query": {"fusion": "rrf"}, "using": "text"}, 400, "using"),
        ("query", {"prefetch": {"query": [0.0] * DIM}, "query": {"rrf": {"weights": [1, 2]}}}, 400, "weights"),
        ("query", {"query": {"recommend": {}}}, 422, "At least one"),
        ("query", {"query": {"recommend": {"negative": [1]}}}, 400, "positive"),
        ("query", {"query": 12345}, 404, "12345"),
        ("query", {"query": 1, "lookup_from": {"collection": "nowhere"}}, 404, "nowhere"),
        ("query", {"query": {"nearest": 1, "mmr": {"diversity": 2}}}, 422, "diversity"),
        ("query", {"query": {"order_by": "u"}}, 400, "range index"),
        ("query", {"query": {"context": [{"positive": 1}]}}, 400, "pairs"),
        ("discover", {"limit": 3}, 400, "target"),
    ]:
        with pytest.raises(urllib.error.HTTPError) as e:
            post(path, body)
        answer = e.value.read().decode()
        assert e.value.code == status and text in answer, (body, e.value.code, answer)
