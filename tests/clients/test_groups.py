"""Groups, facets and distance matrices against the official client's own in-memory mode, or against the definition."""
import os
import random

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from conftest import TRANSPORTS, sealing_early

N, DIM, SEED = 900, 6, int(os.environ.get("SEED", "1"))


@pytest.fixture(scope="module", params=TRANSPORTS)
def client(tmp_path_factory, request):
    yield from sealing_early(tmp_path_factory, 300, request.param)


def payload(r, i):
    p = {"doc": r.choice([r.randrange(40), f"d{r.randrange(30)}", [r.randrange(40), f"d{r.randrange(5)}"], 1.5, None, True]),
         "tag": r.choice(["a", "b", ["a", "c", "a"], 7]), "n": r.choice([r.randrange(5), 2.0, "x"]), "flag": r.random() < 0.3,
         "u": f"{r.randrange(3)}0000000-1111-4222-8333-444444444444", "i": i}
    if r.random() < 0.1:
        del p["doc"]
    return p


@pytest.fixture(scope="module")
def both(client):
    r, rng, local = random.Random(SEED), np.random.default_rng(SEED), QdrantClient(":memory:")
    points = [m.PointStruct(id=i, vector=rng.uniform(-1, 1, DIM).round(4).tolist(), payload=payload(r, i)) for i in range(N)]
    for c in (client, local):
        c.create_collection("g", vectors_config=m.VectorParams(size=DIM, distance="Cosine"))
        for at in range(0, N, 100):
            c.upsert("g", points[at:at + 100], wait=True)
        c.create_collection("docs", vectors_config={})
        c.upsert("docs", [m.PointStruct(id=i, vector={}, payload={"title": f"t{i}"}) for i in range(0, 40, 2)], wait=True)
        c.set_payload("g", {"tag": "late", "n": 4}, points=[3, 500, 890], wait=True)
        c.delete("g", points_selector=[7, 8, 400], wait=True)
    for key, kind in [("tag", "keyword"), ("n", "integer"), ("flag", "bool"), ("u", "uuid")]:
        client.create_payload_index("g", key, kind)
    client.set_payload("g", {"tag": "later"}, points=[4, 5], wait=True)
    local.set_payload("g", {"tag": "later"}, points=[4, 5], wait=True)
    return client, local, r, rng


def test_groups(both):
    client, local, r, rng = both
    for step in range(60):
        f = m.Filter(must=[m.FieldCondition(key="i", range=m.Range(lt=r.choice([30, 300, 900])))]) if r.random() < 0.6 else None
        args = {"group_by": "doc", "limit": r.randint(1, 12), "group_size": r.randint(1, 6), "query_filter": f,
                "query": rng.uniform(-1, 1, DIM).round(4).tolist()}
        if r.random() < 0.3:
            args["score_threshold"] = 0.1
        if r.random() < 0.3:
            args["query"] = m.RecommendQuery(recommend=m.RecommendInput(positive=[1, 2], negative=[9], strategy="best_score"))
        a, b = client.query_points_groups("g", **args).groups, local.query_points_groups("g", **args).groups
        what = f"seed {SEED}, step {step}: {args}"
        assert [g.id for g in a] == [g.id for g in b], what
        for x, y in zip(a, b):
            assert [h.id for h in x.hits] == [h.id for h in y.hits], what
            assert np.allclose([h.score for h in x.hits], [h.score for h in y.hits], atol=1e-5), what


def test_groups_with_lookup(both):
    client, local, _, rng = both
    args = {"group_by": "doc", "limit": 12, "group_size": 2, "query": rng.uniform(-1, 1, DIM).tolist(),
            "with_payload": True, "with_lookup": m.WithLookup(collection="docs", with_payload=True)}
    a, b = client.query_points_groups("g", **args).groups, local.query_points_groups("g", **args).groups
    assert [(g.id, g.lookup and g.lookup.payload) for g in a] == [(g.id, g.lookup and g.lookup.payload) for g in b]
    assert any(g.lookup for g in a) and any(not g.lookup for g in a)
    with pytest.raises(Exception, match="nowhere"):
        client.query_points_groups("g", **{**args, "with_lookup": "nowhere"})
    fused = client.query_points_groups("g", group_by="doc", limit=5, group_size=3, query=m.FusionQuery(fusion="rrf"), prefetch=[
        m.Prefetch(query=rng.uniform(-1, 1, DIM).tolist(), limit=5), m.Prefetch(query=rng.uniform(-1, 1, DIM).tolist(), limit=5)]).groups
    assert len(fused) == 5 and all(1 <= len(g.hits) <= 3 for g in fused)


def test_facets(both):
    client, local, r, _ = both
    for key in ("tag", "n", "flag", "u"):
        for _ in range(8):
            f = m.Filter(must=[m.FieldCondition(key="i", range=m.Range(lt=r.choice([30, 300, 900])))]) if r.random() < 0.7 else None
            limit = r.choice([1, 3, 100])
            a = client.facet("g", key, facet_filter=f, limit=limit).hits
            every = {str(x.value): x.count for x in local.facet("g", key, facet_filter=f, limit=1000).hits}
            if key == "tag": # a keyword index has strings only, as the peer's server has
                every.pop("7", None)
            if key == "n":
                every.pop("x", None)
            if key == "n": # a float that is whole is an integer to the index, and not to the memory mode
                twos = local.count("g", count_filter=m.Filter(must=[m.FieldCondition(key="n", range=m.Range(gte=2, lte=2))] + (f.must if f else []))).count
                every["2"] = twos
            assert all(every[str(x.value)] == x.count for x in a), (key, f)
            assert [x.count for x in a] == sorted(every.values(), reverse=True)[:limit], (key, f)
    with pytest.raises(Exception, match="No appropriate index"):
        client.facet("g", "doc")


def test_matrix(both):
    client, _, r, _ = both
    f = m.Filter(must=[m.FieldCondition(key="i", range=m.Range(lt=300))])
    pairs = client.search_matrix_pairs("g", query_filter=f, sample=20, limit=4).pairs
    assert len(pairs) == 80 and len({p.a for p in pairs}) == 20 and {p.b for p in pairs} <= {p.a for p in pairs}
    vectors = {p.id: np.array(p.vector) for p in client.retrieve("g", list({p.a for p in pairs}), with_vectors=True)}
    for a in vectors:
        mine = sorted((p.score for p in pairs if p.a == a), reverse=True)
        true = sorted((float(v @ vectors[a]) for b, v in vectors.items() if b != a), reverse=True)[:4]
        assert np.allclose(mine, true, atol=1e-4) and a < 300
    offsets = client.search_matrix_offsets("g", sample=30, limit=2)
    assert len(offsets.ids) == 30 and len(offsets.scores) == 60 == len(offsets.offsets_row) == len(offsets.offsets_col)
    rows = {p.id: np.array(p.vector) for p in client.retrieve("g", offsets.ids, with_vectors=True)}
    for i, j, score in zip(offsets.offsets_row, offsets.offsets_col, offsets.scores):
        assert i != j and abs(float(rows[offsets.ids[i]] @ rows[offsets.ids[j]]) - score) < 1e-4
