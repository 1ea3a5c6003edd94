"""One peer on one data set, in a process of its own: peer.py NAME METRIC BASE QUERY. Prints JSON."""
import json
import os
import shutil
import sys
import tempfile
import time

from common import EFS, K, alone, everywhere, folder_mb, read, resident_mb, sweep, worst_wanted

CORES = os.cpu_count()
M, EF_BUILD = 16, 128


def hnswlib(base, metric):
    import hnswlib as h
    ix = h.Index("l2" if metric == "euclid" else "ip", base.shape[1])
    ix.init_index(len(base), M=M, ef_construction=EF_BUILD, random_seed=1)
    ix.set_num_threads(CORES)
    ix.add_items(base)
    ix.set_num_threads(1)
    return dict(set=ix.set_ef, batch=lambda q: ix.knn_query(q, K, num_threads=1)[0],
                single=lambda q: ix.knn_query(q, K, num_threads=1)[0][0])


def _faiss(base, metric, text, refine=False):
    import faiss
    faiss.omp_set_num_threads(CORES)
    ix = faiss.index_factory(base.shape[1], text, faiss.METRIC_L2 if metric == "euclid" else faiss.METRIC_INNER_PRODUCT)
    if hasattr(ix, "hnsw"):
        ix.hnsw.efConstruction = EF_BUILD
    ix.train(base)
    ix.add(base)
    faiss.omp_set_num_threads(1)
    space = faiss.ParameterSpace()

    def effort(e):
        if hasattr(ix, "hnsw"):
            ix.hnsw.efSearch = e
        else:
            space.set_index_parameter(ix, "nprobe", max(1, e // 4))
            if refine:
                space.set_index_parameter(ix, "k_factor_rf", 10)
    return dict(set=effort, batch=lambda q: ix.search(q, K)[1], single=lambda q: ix.search(q[None], K)[1][0])


def faiss_hnsw(base, metric):
    return _faiss(base, metric, f"HNSW{M}")


def faiss_hnsw_sq8(base, metric):
    return _faiss(base, metric, f"HNSW{M}_SQ8")


def faiss_ivf_flat(base, metric):
    return _faiss(base, metric, "IVF1024,Flat")


def faiss_ivf_sq8(base, metric):
    return _faiss(base, metric, "IVF1024,SQ8")


def faiss_ivf_pq(base, metric):
    return _faiss(base, metric, f"IVF1024,PQ{base.shape[1] // 4}x4fs,RFlat", True)


def symphonyqg(base, metric):
    import rabitqlib as r
    ix = r.SymqgIndex(base.shape[1], 2 * M, "l2" if metric == "euclid" else "ip")
    ix.build(base, EF_BUILD, num_threads=CORES)
    state = {}
    return dict(set=lambda e: state.update(e=e), batch=lambda q: ix.search(q, K, state["e"])[0],
                single=lambda q: ix.search(q[None], K, state["e"])[0][0])


def rabitq_hnsw(base, metric):
    import rabitqlib as r
    means = r.RaBitQKMeans(base.shape[1], 16)
    means.train(base)
    ix = r.HnswIndex(base.shape[1], len(base), M=M, ef_construction=EF_BUILD, nbits=5,
                     metric="l2" if metric == "euclid" else "ip")
    ix.build(base, means.centroids, means.assignments, num_threads=CORES)
    state = {}
    return dict(set=lambda e: state.update(e=e), batch=lambda q: ix.search(q, K, state["e"], 1)[0],
                single=lambda q: ix.search(q[None], K, state["e"], 1)[0][0])


def vsag(base, metric):
    import numpy as np
    import pyvsag
    ix = pyvsag.Index("hgraph", json.dumps({
        "dtype": "float32", "metric_type": "l2" if metric == "euclid" else "ip", "dim": base.shape[1],
        "index_param": {"base_quantization_type": "sq8_uniform", "max_degree": 2 * M, "ef_construction": EF_BUILD,
                        "build_thread_count": CORES, "use_reorder": True, "precise_quantization_type": "fp32"}}))
    ix.build(vectors=base.reshape(-1), ids=np.arange(len(base), dtype=np.int64), num_elements=len(base), dim=base.shape[1])
    state = {}

    def single(q):
        return ix.knn_search(vector=q, k=K, parameters=state["p"])[0]
    return dict(set=lambda e: state.update(p=json.dumps({"hgraph": {"ef_search": e}})), single=single,
                batch=lambda qs: [single(q) for q in qs])


def _edge(base, metric, quantised):
    import qdrant_edge as e
    folder = tempfile.mkdtemp(prefix="edge-bench-")
    extra = {}
    if quantised:
        extra["quantization_config"] = e.ScalarQuantizationConfig(type=e.ScalarType.Int8, quantile=0.99, always_ram=True)
    config = e.EdgeConfig(
        vectors=e.EdgeVectorParams(size=base.shape[1], memory=e.Memory.Pinned,
                                   distance=e.Distance.Euclid if metric == "euclid" else e.Distance.Dot),
        hnsw_config=e.HnswIndexConfig(m=M, ef_construct=EF_BUILD, full_scan_threshold=10000,
                                      max_indexing_threads=CORES, memory=e.Memory.Pinned),
        max_search_threads=1,
        optimizers=e.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=10_000_000, indexing_threshold=1000),
        **extra)
    shard = e.EdgeShard.create(folder, config)
    start = time.perf_counter()
    for at in range(0, len(base), 1000):
        shard.update(e.UpdateOperation.upsert_points([e.Point(at + i, v.tolist(), {})
                                                      for i, v in enumerate(base[at:at + 1000])]))
        shard.flush()
    insert = len(base) / (time.perf_counter() - start)
    while shard.optimize():
        pass
    state = {}

    def single(q):
        got = shard.query(e.QueryRequest(query=e.Query.Nearest(q.tolist()), limit=K,
                                         params=e.SearchParams(hnsw_ef=state["e"]), with_payload=False, with_vector=False))
        return [p.id for p in got]
    return dict(set=lambda x: state.update(e=x), single=single, batch=lambda qs: [single(q) for q in qs],
                insert_per_s=insert, disk_mb=folder_mb(folder), end=lambda: shutil.rmtree(folder, ignore_errors=True))


def qdrant_edge(base, metric):
    return _edge(base, metric, False)


def qdrant_edge_int8(base, metric):
    return _edge(base, metric, True)


def main():
    name, metric, base_path, query_path = sys.argv[1:5]
    base, query = read(base_path, metric), read(query_path, metric)
    worst = worst_wanted(metric, base, query)
    everywhere()
    before, start = resident_mb(), time.perf_counter()
    peer = globals()[name](base, metric)
    out = {"load_s": time.perf_counter() - start, "added_mb": resident_mb() - before}
    out.update({k: v for k, v in peer.items() if k in ("insert_per_s", "disk_mb")})
    alone()
    out["sweep"] = sweep(metric, base, query, worst, peer["set"], peer["batch"], peer["single"], EFS)
    peer.get("end", lambda: None)()
    print(json.dumps(out))


if __name__ == "__main__":
    main()
