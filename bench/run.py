"""Kith beside hnswlib and the real Qdrant engine in process (qdrant-edge-py), in one run on one data set.

usage: run.py BASE.npy QUERY.npy [OUT.md]        f32 or f16 matrices; cosine
Pinning is the caller's (taskset); recall@10 against exact neighbours, ties are hits.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
EFS = [10, 16, 24, 32, 48, 64, 96, 128, 200, 320, 512]


def unit(path):
    x = np.load(path).astype(np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def truth_worst(base, query):
    out = np.empty(len(query), np.float32)
    for at in range(0, len(query), 100):
        scores = query[at:at + 100] @ base.T
        out[at:at + 100] = np.partition(scores, -10, axis=1)[:, -10]
    return out


def sweep(search, base, query, worst):
    rows = []
    for ef in EFS:
        hits, times = 0, []
        for _ in range(2):
            hits, times = 0, []
            for i, q in enumerate(query):
                start = time.perf_counter()
                ids = search(q, ef)
                times.append(time.perf_counter() - start)
                hits += int((base[ids] @ q >= worst[i] - 1e-6).sum())
        rows.append({"ef": ef, "recall": hits / (10 * len(query)), "qps": len(query) / sum(times),
                     "p50_us": np.percentile(times, 50) * 1e6, "p99_us": np.percentile(times, 99) * 1e6})
    return rows


def at_recall(rows, want):
    rows = sorted(rows, key=lambda r: r["recall"])
    for low, high in zip(rows, rows[1:]):
        if low["recall"] < want <= high["recall"]:
            share = (want - low["recall"]) / (high["recall"] - low["recall"])
            return float(np.exp(np.log(low["qps"]) * (1 - share) + np.log(high["qps"]) * share))
    return rows[0]["qps"] if rows and rows[0]["recall"] >= want else None


def kith(base_path, query_path):
    data = tempfile.mkdtemp(prefix="kith-bench-")
    shutil.rmtree(data)
    try:
        run = subprocess.run(["build/kith", "bench", data, base_path, query_path], cwd=ROOT, capture_output=True, text=True)
        if run.returncode:
            raise SystemExit(run.stderr)
        out = json.loads(run.stdout)
        out["disk_mb"] = sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(data) for f in fs) / 2 ** 20
        return out
    finally:
        shutil.rmtree(data, ignore_errors=True)


def hnswlib_run(base, query, worst):
    import hnswlib
    start = time.perf_counter()
    index = hnswlib.Index("ip", base.shape[1])
    index.init_index(len(base), M=16, ef_construction=128, random_seed=1)
    index.set_num_threads(os.cpu_count())
    index.add_items(base, np.arange(len(base)))
    built = time.perf_counter() - start
    index.set_num_threads(1)

    def search(q, ef):
        index.set_ef(ef)
        return index.knn_query(q, 10)[0][0]
    return {"load_s": built, "sweep": sweep(search, base, query, worst)}


def edge_run(base, query, worst):
    try:
        import qdrant_edge as e
    except ImportError as error:
        return {"error": str(error)}
    folder = tempfile.mkdtemp(prefix="edge-bench-")
    try:
        config = e.EdgeConfig(
            vectors=e.EdgeVectorParams(size=base.shape[1], distance=e.Distance.Dot, memory=e.Memory.Pinned),
            hnsw_config=e.HnswIndexConfig(m=16, ef_construct=128, full_scan_threshold=10000,
                                          max_indexing_threads=os.cpu_count(), memory=e.Memory.Pinned),
            max_search_threads=1,
            optimizers=e.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=10_000_000,
                                              indexing_threshold=1000))
        start = time.perf_counter()
        shard = e.EdgeShard.create(folder, config)
        for at in range(0, len(base), 1000):
            points = [e.Point(at + i, v.tolist(), {}) for i, v in enumerate(base[at:at + 1000])]
            shard.update(e.UpdateOperation.upsert_points(points))
            shard.flush()
        load = time.perf_counter() - start
        while shard.optimize():
            pass
        built = time.perf_counter() - start

        def search(q, ef):
            got = shard.query(e.QueryRequest(query=e.Query.Nearest(q.tolist()), limit=10,
                                             params=e.SearchParams(hnsw_ef=ef), with_payload=False, with_vector=False))
            return [p.id for p in got]
        return {"insert_per_s": len(base) / load, "load_s": built, "sweep": sweep(search, base, query, worst)}
    except Exception as error:  # its interface is young and moves
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main():
    base_path, query_path = map(os.path.abspath, sys.argv[1:3])
    out_path = sys.argv[3] if len(sys.argv) > 3 else None
    base, query = unit(base_path), unit(query_path)
    worst = truth_worst(base, query)
    results = {"kith": kith(base_path, query_path)}
    results["hnswlib"] = hnswlib_run(base, query, worst)
    results["qdrant-edge"] = edge_run(base, query, worst)
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    lines = ["# Bench", "", f"{time.strftime('%Y-%m-%d')}, commit {commit}: {len(base):,} x {base.shape[1]}, cosine, "
             f"{len(query)} queries, one search thread, k = 10. Ratios are what matters; the machine is shared.", "",
             "| engine | load s | QPS at 0.95 | ratio | QPS at 0.99 | ratio |", "|---|---|---|---|---|---|"]
    ours = {want: at_recall(results["kith"]["sweep"], want) for want in (0.95, 0.99)}
    for name, r in results.items():
        if "error" in r:
            lines.append(f"| {name} | not run: {r['error'][:100]} | | | | |")
            continue
        cells = [name, f"{r['load_s']:.1f}"]
        for want in (0.95, 0.99):
            got = at_recall(r["sweep"], want)
            cells += [f"{got:,.0f}" if got else "-", f"{ours[want] / got:.2f}" if got and ours[want] else "-"]
        lines.append("| " + " | ".join(cells) + " |")
    k = results["kith"]
    lines += ["", f"Kith besides: batches of 1,000, durable: {k['insert_per_s']:,}/s; one point a call, durable: "
              f"{k.get('single_inserts_per_s', 0):,}/s; 32 threads: {k.get('threads32_inserts_per_s', 0):,}/s; set_payload on "
              f"every point: {k.get('set_payload_all_s')} s, {k.get('set_payload_links')} graph links; resident "
              f"{k['resident_mb']} MB; disk {k['disk_mb']:.0f} MB."]
    if "insert_per_s" in results["qdrant-edge"]:
        lines.append(f"qdrant-edge, flush after each 1,000: {results['qdrant-edge']['insert_per_s']:,.0f}/s.")
    text = "\n".join(lines) + "\n"
    print(text)
    if out_path:
        open(out_path, "w").write(text)


if __name__ == "__main__":
    main()
