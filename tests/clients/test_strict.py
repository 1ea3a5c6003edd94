"""Strict mode: every limit refuses what is above it and lets pass what is not, in calls of both transports, and names itself."""
import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, Server

DIM = 4
NAME = "strict"


@pytest.fixture(scope="module", params=TRANSPORTS)
def client(tmp_path_factory, request):
    s = Server(tmp_path_factory.mktemp("strict") / "kith", {"KITH_STORAGE_GROWING_ROWS_MAX": "100"}).start()
    c = s.client(request.param)
    c.create_collection(NAME, vectors_config={
        "": m.VectorParams(size=DIM, distance="Dot"),
        "many": m.VectorParams(size=2, distance="Dot", multivector_config=m.MultiVectorConfig(comparator="max_sim"))},
        sparse_vectors_config={"words": m.SparseVectorParams()})
    for key, kind in (("tag", "keyword"), ("n", "integer"), ("list[].x", "integer")):
        c.create_payload_index(NAME, key, kind)
    c.upsert(NAME, points(range(40)), wait=True)
    yield c
    s.stop()


def points(ids):
    return [m.PointStruct(id=i, vector={"": [i, 1, 0, 0]}, payload={"tag": "ab"[i % 2], "n": i, "free": i}) for i in ids]


def limits(c, **these):
    c.update_collection(NAME, strict_mode_config=m.StrictModeConfig(**{"enabled": True, **these}))


def reset(c):
    c.update_collection(NAME, strict_mode_config=m.StrictModeConfig(
        enabled=True, max_query_limit=10000, max_timeout=10000, unindexed_filtering_retrieve=True,
        unindexed_filtering_update=True, search_max_hnsw_ef=10000, search_allow_exact=True, search_max_oversampling=100,
        upsert_max_batchsize=10000, search_max_batchsize=10000, max_collection_vector_size_bytes=1 << 40,
        max_collection_payload_size_bytes=1 << 40, max_points_count=1 << 40, filter_max_conditions=10000,
        condition_max_size=10000, max_payload_index_count=100, read_rate_limit=1000000, write_rate_limit=1000000))


def match(key, value):
    return m.FieldCondition(key=key, match=m.MatchValue(value=value))


Q = [1.0, 0, 0, 0]


def ask(**args):
    return lambda c: c.query_points(NAME, **{"query": Q, **args})


def where(*conditions):
    return m.Filter(must=list(conditions))


CASES = [
    # limit, its value, what is refused, what is not
    ("max_query_limit", 5, ask(limit=6), ask(limit=5)),
    ("max_query_limit", 5, lambda c: c.scroll(NAME, limit=6), lambda c: c.scroll(NAME, limit=5)),
    ("max_query_limit", 5, lambda c: c.facet(NAME, "tag", limit=6), lambda c: c.facet(NAME, "tag", limit=5)),
    ("max_query_limit", 5, lambda c: c.query_points_groups(NAME, "tag", query=Q, limit=3, group_size=2),
     lambda c: c.query_points_groups(NAME, "tag", query=Q, limit=2, group_size=2)),
    ("max_query_limit", 5, ask(prefetch=m.Prefetch(query=Q, limit=6), limit=2), ask(prefetch=m.Prefetch(query=Q, limit=5), limit=2)),
    ("max_query_limit", 5, lambda c: c.search_matrix_pairs(NAME, sample=5, limit=6), lambda c: c.search_matrix_pairs(NAME, sample=5, limit=5)),
    ("max_timeout", 5, ask(timeout=6), ask(timeout=5)),
    ("unindexed_filtering_retrieve", False, ask(query_filter=where(match("free", 1))), ask(query_filter=where(match("tag", "a")))),
    ("unindexed_filtering_retrieve", False, ask(query_filter=where(match("tag", 1))), ask(query_filter=where(match("n", 1)))),
    ("unindexed_filtering_retrieve", False, lambda c: c.count(NAME, where(m.FieldCondition(key="free", range=m.Range(gt=1)))),
     lambda c: c.count(NAME, where(m.FieldCondition(key="n", range=m.Range(gt=1))))),
    ("unindexed_filtering_retrieve", False, lambda c: c.scroll(NAME, m.Filter(should=[m.Filter(must_not=[match("free", 1)])])),
     lambda c: c.scroll(NAME, m.Filter(should=[m.Filter(must_not=[m.HasIdCondition(has_id=[1])])]))),
    ("unindexed_filtering_retrieve", False,
     lambda c: c.count(NAME, where(m.NestedCondition(nested=m.Nested(key="list", filter=where(match("y", 1)))))),
     lambda c: c.count(NAME, where(m.NestedCondition(nested=m.Nested(key="list", filter=where(match("x", 1))))))),
    ("unindexed_filtering_retrieve", False, lambda c: c.query_points_groups(NAME, "free", query=Q),
     lambda c: c.query_points_groups(NAME, "tag", query=Q)),
    ("unindexed_filtering_retrieve", False,
     ask(prefetch=m.Prefetch(query=Q), query=m.FormulaQuery(formula=m.SumExpression(sum=["$score", "free"]))),
     ask(prefetch=m.Prefetch(query=Q), query=m.FormulaQuery(formula=m.SumExpression(sum=["$score", "n"])))),
    ("unindexed_filtering_update", False, lambda c: c.delete(NAME, m.FilterSelector(filter=where(match("free", 99)))),
     lambda c: c.delete(NAME, m.FilterSelector(filter=where(match("tag", "z"))))),
    ("unindexed_filtering_update", False, lambda c: c.set_payload(NAME, {"x": 1}, points=where(match("free", 1))),
     lambda c: c.set_payload(NAME, {"x": 1}, points=where(match("n", 1)))),
    ("search_max_hnsw_ef", 50, ask(search_params=m.SearchParams(hnsw_ef=51)), ask(search_params=m.SearchParams(hnsw_ef=50))),
    ("search_allow_exact", False, ask(search_params=m.SearchParams(exact=True)), ask(search_params=m.SearchParams(exact=False))),
    ("search_max_oversampling", 2.0,
     ask(search_params=m.SearchParams(quantization=m.QuantizationSearchParams(oversampling=2.5))),
     ask(search_params=m.SearchParams(quantization=m.QuantizationSearchParams(oversampling=2.0)))),
    ("upsert_max_batchsize", 5, lambda c: c.upsert(NAME, points(range(6))), lambda c: c.upsert(NAME, points(range(5)))),
    ("upsert_max_batchsize", 1,
     lambda c: c.update_vectors(NAME, [m.PointVectors(id=i, vector={"": Q}) for i in range(2)]),
     lambda c: c.update_vectors(NAME, [m.PointVectors(id=1, vector={"": Q})])),
    ("search_max_batchsize", 2, lambda c: c.query_batch_points(NAME, [m.QueryRequest(query=Q)] * 3),
     lambda c: c.query_batch_points(NAME, [m.QueryRequest(query=Q)] * 2)),
    ("max_collection_vector_size_bytes", 100, lambda c: c.upsert(NAME, points([1])), lambda c: c.set_payload(NAME, {"x": 1}, [1])),
    ("max_collection_payload_size_bytes", 100, lambda c: c.set_payload(NAME, {"x": 1}, [1]),
     lambda c: c.update_vectors(NAME, [m.PointVectors(id=1, vector={"": Q})])),
    ("max_points_count", 40, lambda c: c.upsert(NAME, points([1])), lambda c: c.delete(NAME, [99])),
    ("filter_max_conditions", 2, ask(query_filter=where(match("n", 1), match("n", 2), m.Filter(must=[match("n", 3)]))),
     ask(query_filter=where(match("n", 1), m.Filter(must=[match("n", 3)])))),
    ("condition_max_size", 3, ask(query_filter=where(m.FieldCondition(key="n", match=m.MatchAny(any=[1, 2, 3, 4])))),
     ask(query_filter=where(m.FieldCondition(key="n", match=m.MatchAny(any=[1, 2, 3]))))),
    ("condition_max_size", 3, ask(query_filter=where(m.HasIdCondition(has_id=[1, 2, 3, 4]))),
     ask(query_filter=where(m.HasIdCondition(has_id=[1, 2, 3])))),
    ("max_payload_index_count", 3, lambda c: c.create_payload_index(NAME, "more", "keyword"),
     lambda c: c.create_payload_index(NAME, "tag", "keyword")),
]


@pytest.mark.parametrize("case", range(len(CASES)), ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_limit(client, case):
    name, value, refused, allowed = CASES[case]
    reset(client)
    refused(client)  # only the limit is in its way
    client.upsert(NAME, points(range(40)), wait=True)
    if name == "max_payload_index_count":
        client.delete_payload_index(NAME, "more")
    limits(client, **{name: value})
    shown = name.replace("unindexed_filtering_retrieve", "Index required").replace("unindexed_filtering_update", "Index required")
    with pytest.raises(Exception, match=f"{shown}.*Help: |Help: .*{shown}") as e:
        refused(client)
    assert getattr(e.value, "status_code", None) == 400 or e.value.code().name == "INVALID_ARGUMENT"
    allowed(client)


def test_sizes_of_vectors(client):
    reset(client)
    limits(client, multivector_config={"many": m.StrictModeMultivector(max_vectors=2)},
           sparse_config={"words": m.StrictModeSparse(max_length=3)})
    shown = client.get_collection(NAME).config.strict_mode_config
    assert shown.multivector_config["many"].max_vectors == 2 and shown.sparse_config["words"].max_length == 3
    put = lambda v: client.upsert(NAME, [m.PointStruct(id=90, vector=v)], wait=True)
    put({"many": [[1, 2], [3, 4]], "words": m.SparseVector(indices=[1, 2, 3], values=[1, 1, 1])})
    with pytest.raises(Exception, match="max_vectors"):
        put({"many": [[1, 2], [3, 4], [5, 6]]})
    with pytest.raises(Exception, match="max_length"):
        put({"words": m.SparseVector(indices=[1, 2, 3, 4], values=[1, 1, 1, 1])})
    client.delete(NAME, [90])


def test_rates(client):
    from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
    for name, call in (("read_rate_limit", lambda: client.count(NAME)), ("write_rate_limit", lambda: client.set_payload(NAME, {"y": 1}, [1]))):
        reset(client)
        limits(client, **{name: 5})
        with pytest.raises(ResourceExhaustedResponse) as e:
            for _ in range(100):
                call()
        assert 1 <= e.value.retry_after_s <= 60
    reset(client)


def test_kept_and_off(client):
    reset(client)
    shown = client.get_collection(NAME).config.strict_mode_config
    assert shown.enabled and shown.max_query_limit == 10000 and shown.search_max_oversampling == 100
    limits(client, max_query_limit=3)
    client.update_collection(NAME, strict_mode_config=m.StrictModeConfig(enabled=False))
    shown = client.get_collection(NAME).config.strict_mode_config
    assert not shown.enabled and shown.max_query_limit == 3  # the rest stays
    assert len(client.query_points(NAME, query=Q, limit=5).points) == 5
    reset(client)
