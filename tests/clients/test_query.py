"""The Query API against the official client's own in-memory mode: every kind of query, alone and over prefetches, drawn at
random; the same scores. What differs on purpose is listed in src/qdrant/README.md."""
import random
import time

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from test_compare import same_scored

N, DIM = 400, 8


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """segments are sealed early"""
    from conftest import Server
    s = Server(tmp_path_factory.mktemp("query") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": "150"}).start()
    yield QdrantClient(s.url, timeout=120)
    s.stop()


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
        if not ties and (k == 6 or (name == "text" and k >= 3)):
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
        name = self.r.choice(["", "text"])
        args = {"using": name, "query": self.searching(name, ties=False), "limit": self.r.randint(5, 40), "filter": self.filter()}
        if depth == 0 and self.r.random() < 0.3:
            args["prefetch"] = [self.prefetch(1) for _ in range(2)]
        return m.Prefetch(**args)

    def root(self):
        k = self.r.randint(0, 9)
        if k <= 3:
            name = self.r.choice(["", "text"])
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
        name = self.r.choice(["", "text"])
        return {"prefetch": prefetch, "query": self.searching(name), "using": name}


def make(c, name, distance, draw):
    c.delete_collection(name)
    c.create_collection(name, vectors_config=m.VectorParams(size=DIM, distance=distance),
                        sparse_vectors_config={"text": m.SparseVectorParams()})
    return [m.PointStruct(id=i, vector={"": draw.dense(), "text": draw.sparse()}, payload={"n": i % 10, "u": i * 7919 % N})
            for i in range(N)]


@pytest.mark.parametrize("distance", ["Cosine", "Dot", "Euclid", "Manhattan"])
def test_same_as_memory(client, distance):
    seed = len(distance)
    draw, local, name = Draw(seed, distance), QdrantClient(":memory:"), f"q_{distance}"
    points = make(client, name, distance, draw)
    make(local, name, distance, Draw(0, distance))
    client.create_payload_index(name, "n", "integer")
    for c in (client, local):
        for at in range(0, N, 100):
            c.upsert(name, points[at:at + 100], wait=True)
    different = []
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
            else:
                same_scored(a, b, what)
        except AssertionError as e:
            different.append(str(e).split("\n")[0][:1500] + f"\n{[(p.id, round(p.score, 4)) for p in a]}\n{[(p.id, round(p.score, 4)) for p in b]}")
    assert not different, f"{len(different)} of 400 differ; " + "\n".join(different[:4])
