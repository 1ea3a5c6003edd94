"""Every quantization_config of the official client: kept, echoed, searched, changed."""
import numpy as np
import pytest
from qdrant_client import models as m
from test_tour import DIM, vectors, wait_green  # noqa: F401 (a fixture)

N = 12000
B, T, P = m.BinaryQuantizationEncoding, m.TurboQuantBitSize, m.CompressionRatio


def binary(**how):
    return m.BinaryQuantization(binary=m.BinaryQuantizationConfig(**how))


def turbo(bits=None):
    return m.TurboQuantization(turbo=m.TurboQuantQuantizationConfig(bits=bits))


def product(ratio):
    return m.ProductQuantization(product=m.ProductQuantizationConfig(compression=ratio, always_ram=True))


def scalar():
    return m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.875, always_ram=True))


KINDS = {  # and how many of 1,000 true neighbours a search without parameters finds at least
    "binary": (binary(), 900),
    "binary one bit": (binary(encoding=B.ONE_BIT, always_ram=True), 900),
    "binary one and a half": (binary(encoding=B.ONE_AND_HALF_BITS), 930),
    "binary two": (binary(encoding=B.TWO_BITS, query_encoding=m.BinaryQuantizationQueryEncoding.SCALAR8BITS), 930),
    "turbo": (turbo(), 950),
    "turbo 1": (turbo(T.BITS1), 900),
    "turbo 2": (turbo(T.BITS2), 930),
    "turbo 8": (turbo(T.BITS8), 950),
    "product x4": (product(P.X4), 950),
    "product x16": (product(P.X16), 900),
    "product x64": (product(P.X64), 600),
    "scalar": (scalar(), 950),
}


def ask(client, name, q, quantization=None):
    return [p.score for p in client.query_points(name, query=q.tolist(), limit=10, search_params=m.SearchParams(
        quantization=quantization)).points]


def check(client, name, rows, least):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    hits, better = 0, 0
    for i in range(100):
        q = rows[i] + 0.3
        best = np.sort(unit @ (q / np.linalg.norm(q)))[-10:]
        scores = ask(client, name, q)
        assert scores == sorted(scores, reverse=True)
        hits += sum(s >= best[0] - 1e-5 for s in scores)
        better += sum(s >= best[0] - 1e-5 for s in ask(client, name, q, m.QuantizationSearchParams(oversampling=10.0)))
    assert hits >= least and better >= hits - 5, (hits, better)


@pytest.mark.parametrize("kind", KINDS)
def test_kind(client, vectors, kind):
    config, least = KINDS[kind]
    name = "kind-" + kind.replace(" ", "-")
    client.delete_collection(name)
    params = m.VectorParams(size=DIM, distance=m.Distance.COSINE, quantization_config=config)
    client.create_collection(name, vectors_config=params)
    client.upload_collection(name, vectors[:N], ids=range(N), batch_size=1000, wait=True)
    wait_green(client, name)
    assert client.get_collection(name).config.params.vectors.quantization_config == config
    check(client, name, vectors[:N], least)
    client.delete_collection(name)


def test_changes(client, vectors):
    name = "quantization-changes"
    client.delete_collection(name)
    client.create_collection(name, vectors_config=m.VectorParams(size=DIM, distance=m.Distance.EUCLID))
    client.upload_collection(name, vectors[:N], ids=range(N), batch_size=1000, wait=True)
    for config in (binary(), product(P.X16), turbo(T.BITS2), scalar(), m.Disabled.DISABLED):
        client.update_collection(name, quantization_config=config)
        got = client.get_collection(name).config.quantization_config
        assert got == (None if config == m.Disabled.DISABLED else config)
        wait_green(client, name)
        hits = 0
        for i in range(100):
            d = np.linalg.norm(vectors[:N] - vectors[i] - 0.3, axis=1)
            scores = ask(client, name, vectors[i] + 0.3)
            hits += sum(s <= np.sort(d)[9] + 1e-4 for s in scores)
        assert hits >= 880, (config, hits)
    client.delete_collection(name)


@pytest.mark.parametrize("wrong,text", [
    ({"binary": {"encoding": "three_bits"}}, "one_bit|two_bits|one_and_half_bits"),
    ({"binary": {"query_encoding": 4}}, "query_encoding"),
    ({"product": {}}, "compression"),
    ({"product": {"compression": "x5"}}, "x4|x8"),
    ({"turbo": {"bits": "bits3"}}, "bits1_5"),
    ({"scalar": {"type": "int4"}}, "int8"),
    ({"scalar": {"type": "int8", "quantile": "x"}}, "quantile"),
    ({"scalar": {"type": "int8", "always_ram": 1}}, "always_ram"),
    ({"vector": {}}, "one of scalar"),
    ({"product": 1}, "object"),
])
def test_wrong(server, wrong, text):
    from test_bad_input import json, raw
    status, answer = raw(server, "PUT", "/collections/wrong", json.dumps(
        {"vectors": {"size": 4, "distance": "Dot"}, "quantization_config": wrong}))
    assert (status, text in json.loads(answer)["status"]["error"]) == (400, True), answer
    assert raw(server, "GET", "/collections/wrong")[0] == 404


def test_search_parameters(client, vectors):
    name, n = "scalar", 20000
    scalar = m.ScalarQuantization(scalar=m.ScalarQuantizationConfig(type=m.ScalarType.INT8, quantile=0.875, always_ram=True))
    client.delete_collection(name)
    client.create_collection(name, vectors_config=m.VectorParams(size=DIM, distance=m.Distance.COSINE),
                             quantization_config=scalar)
    client.upload_collection(name, vectors[:n], ids=range(n), batch_size=1000, wait=True)
    assert client.get_collection(name).config.quantization_config == scalar
    client.update_collection(name, optimizers_config=m.OptimizersConfigDiff(indexing_threshold=1000))
    wait_green(client, name)
    unit = vectors[:n] / np.linalg.norm(vectors[:n], axis=1, keepdims=True)
    exact, codes, hits = [], [], 0
    for i in range(100):
        q = vectors[i] + 0.3
        best = np.sort(unit @ (q / np.linalg.norm(q)))[-10:]
        ask = lambda **how: [p.score for p in client.query_points(name, query=q.tolist(), limit=10, search_params=m.SearchParams(
            quantization=m.QuantizationSearchParams(**how))).points]
        scores = ask(rescore=True, oversampling=4.0)
        hits += sum(s >= best[0] - 1e-5 for s in scores)
        exact.append(abs(scores[0] - best[-1]))
        codes.append(abs(ask(rescore=False)[0] - best[-1]))
        assert np.allclose(ask(ignore=True)[:3], best[::-1][:3], atol=1e-5)
    assert hits >= 970 and max(exact) < 1e-5 and 0 < max(codes) < 0.05
    client.update_collection(name, quantization_config=m.Disabled.DISABLED)
    assert client.get_collection(name).config.quantization_config is None
    client.delete_collection(name)
