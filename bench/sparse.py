"""Sparse vectors, exact: load, search, memory; Kith through the library beside its peers, one after the other.

usage: sparse.py NAME TEXTS [PEER ...]     -> docs/results/sparse-NAME.md
Then again where a share of the best is enough: Kith by its target, SINDI by what it leaves out of the vectors.
TEXTS: one text a line, perhaps .zst. They become BM25 vectors (k1 1.2, b 0.75; words of a-z and 0-9); 1,000 are held
out as queries with weight 1 a word.
"""
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import K, ROOT, alone, at_recall, cell, everywhere, folder_mb, head, in_process, kith_bench, publish, resident_mb

PEERS = ["sindi", "bm25s", "qdrant_edge"]


def write_csr(path, rows, columns):
    starts = np.zeros(len(rows) + 1, np.int64)
    starts[1:] = np.cumsum([len(r) for r in rows])
    with open(path, "wb") as f:
        np.array([len(rows), columns, starts[-1]], np.int64).tofile(f)
        starts.tofile(f)
        np.fromiter((i for r in rows for i, _ in r), np.int32, starts[-1]).tofile(f)
        np.fromiter((v for r in rows for _, v in r), np.float32, starts[-1]).tofile(f)


def read_csr(path):
    rows, columns, entries = np.fromfile(path, np.int64, 3)
    starts = np.fromfile(path, np.int64, rows + 1, offset=24)
    at = 24 + 8 * (rows + 1)
    return columns, starts, np.fromfile(path, np.int32, entries, offset=at), \
        np.fromfile(path, np.float32, entries, offset=at + 4 * entries)


def make(texts, folder):
    raw = subprocess.run(["zstd", "-dc", texts], capture_output=True, check=True).stdout if texts.endswith(".zst") \
        else open(texts, "rb").read()
    vocabulary, docs = {}, []
    for line in raw.decode().splitlines():
        words = re.findall("[a-z0-9]+", line.lower())
        docs.append(collections.Counter(vocabulary.setdefault(w, len(vocabulary)) for w in words))
    held = np.zeros(len(docs), bool)
    held[np.random.default_rng(1).permutation(len(docs))[:1000]] = True
    base = [d for d, h in zip(docs, held) if not h]
    sizes = np.array([sum(d.values()) for d in base])
    df = np.bincount(np.fromiter((t for d in base for t in d), np.int64), minlength=len(vocabulary))
    idf, mean = np.log(1 + (len(base) - df + 0.5) / (df + 0.5)), sizes.mean()
    write_csr(f"{folder}/base.csr", [sorted((t, idf[t] * n * 2.2 / (n + 1.2 * (0.25 + 0.75 * size / mean)))
                                            for t, n in d.items()) for d, size in zip(base, sizes)], len(vocabulary))
    write_csr(f"{folder}/query.csr", [sorted((t, 1.0) for t in d) for d, h in zip(docs, held) if h and d], len(vocabulary))
    return len(base)


def by_term(columns, starts, indices, values):
    order = np.argsort(indices, kind="stable")
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))[order]
    return rows, values[order], np.searchsorted(indices[order], np.arange(columns + 1))


def best_scores(folder):
    """the K best exact scores of each query, ties and all"""
    columns, starts, indices, values = read_csr(f"{folder}/base.csr")
    rows, values, of = by_term(columns, starts, indices, values)
    _, q_starts, q_indices, q_values = read_csr(f"{folder}/query.csr")
    out = []
    for a, b in zip(q_starts, q_starts[1:]):
        sums = np.zeros(len(starts) - 1)
        for t, w in zip(q_indices[a:b], q_values[a:b]):
            sums[rows[of[t]:of[t + 1]]] += float(w) * values[of[t]:of[t + 1]]
        best = np.sort(sums[np.argpartition(sums, -K)[-K:]])[::-1]
        out.append(best[best > 0])
    return out


def recall(best, scores):
    """found are those that score at least as the K-th best does"""
    hits = sum(int((np.asarray(s) >= b[-1] * (1 - 1e-4)).sum()) for b, s in zip(best, scores) if len(b))
    return hits / max(sum(map(len, best)), 1)


# ---- peers: each in a process of its own ---------------------------------------------------------------------

def timed(queries, search, passes=3):
    best, times = None, []
    for _ in range(passes):
        each = []
        for q in queries:
            start = time.perf_counter()
            search(q)
            each.append(time.perf_counter() - start)
        if best is None or sum(each) < best:
            best, times = sum(each), each
    return {"qps": len(queries) / best, "p50_us": float(np.percentile(times, 50)) * 1e6,
            "p99_us": float(np.percentile(times, 99)) * 1e6}


def peer(name, folder):
    os.environ.update(OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1", RAYON_NUM_THREADS="1")
    columns, starts, indices, values = read_csr(f"{folder}/base.csr")
    _, q_starts, q_indices, q_values = read_csr(f"{folder}/query.csr")
    queries = [(q_indices[a:b], q_values[a:b]) for a, b in zip(q_starts, q_starts[1:])]
    data = [dict(zip(indices[a:b].tolist(), values[a:b].tolist())) for a, b in zip(starts, starts[1:])]
    held, start = resident_mb(), time.perf_counter()
    if name == "sindi":
        import pyvsag
        index = pyvsag.Index("sindi", json.dumps({"dtype": "sparse", "dim": 64, "metric_type": "ip", "index_param": {
            "use_reorder": True, "term_id_limit": int(columns), "doc_prune_ratio": 0.0, "window_size": 50000}}))
        index.build(index_pointers=starts.astype(np.uint32), indices=indices.astype(np.uint32), values=values,
                    ids=np.arange(len(data), dtype=np.int64))
        asked = [(np.array([0, len(i)], np.uint32), i.astype(np.uint32), v) for i, v in queries]
        how = json.dumps({"sindi": {"query_prune_ratio": 0.0, "term_prune_ratio": 0.0, "n_candidate": K}})
        search = lambda q: np.array(index.knn_search(index_pointers=q[0], indices=q[1], values=q[2], k=K, parameters=how)[0])
        ids = lambda found: [int(x) for x in found.ravel()]
    elif name == "bm25s":
        import bm25s
        index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        rows, weights, of = by_term(columns, starts, indices, values) # its own layout, with our weights
        index.scores = {"data": weights, "indices": rows.astype(np.int32), "indptr": of.astype(np.int32),
                        "num_docs": len(data)}
        index.nonoccurrence_array = None
        index.vocab_dict = {str(i): i for i in range(int(columns))}
        asked = [i.astype(np.int32) for i, _ in queries]

        def search(q):
            scores = index.get_scores_from_ids(q.tolist())
            near = np.argpartition(scores, -K)[-K:]
            return near[np.argsort(-scores[near])]
        ids = lambda found: [int(x) for x in found]
    else:
        import qdrant_edge as q
        path = tempfile.mkdtemp() + "/q"
        os.makedirs(path)
        shard = q.EdgeShard.create(path, q.EdgeConfig(
            sparse_vectors={"s": q.EdgeSparseVectorParams(full_scan_threshold=1000, memory=q.Memory.Pinned)},
            max_search_threads=1, optimizers=q.EdgeOptimizersConfig(
                default_segment_number=1, max_segment_size=10_000_000, indexing_threshold=1000)))
        for at in range(0, len(data), 2000):
            shard.update(q.UpdateOperation.upsert_points(
                [q.Point(i, {"s": q.SparseVector(list(data[i]), list(data[i].values()))}, {})
                 for i in range(at, min(len(data), at + 2000)) if data[i]]))
        shard.flush()
        while shard.optimize():
            pass
        asked = [q.SparseVector(i.tolist(), v.tolist()) for i, v in queries]
        search = lambda v: shard.query(q.QueryRequest(limit=K, query=q.Query.Nearest(v, using="s"), with_payload=False,
                                                      with_vector=False))
        ids = lambda found: [x.id for x in found]
    load_s, added = time.perf_counter() - start, resident_mb() - held
    found = [ids(search(a)) for a in asked]
    some = []
    alone()
    if name == "sindi":
        for prune in (0.02, 0.05, 0.1): # of each vector, when it is built
            everywhere()
            loose = pyvsag.Index("sindi", json.dumps({"dtype": "sparse", "dim": 64, "metric_type": "ip", "index_param": {
                "use_reorder": True, "term_id_limit": int(columns), "doc_prune_ratio": prune, "window_size": 50000}}))
            loose.build(index_pointers=starts.astype(np.uint32), indices=indices.astype(np.uint32), values=values,
                        ids=np.arange(len(data), dtype=np.int64))
            alone()
            for candidates in (20, 50, 200):
                params = json.dumps({"sindi": {"query_prune_ratio": 0.0, "term_prune_ratio": 0.0, "n_candidate": candidates}})
                ask = lambda q: np.array(loose.knn_search(index_pointers=q[0], indices=q[1], values=q[2], k=K, parameters=params)[0])
                some.append({"effort": f"{prune}, {candidates}", "found": [ids(ask(a)) for a in asked], **timed(asked, ask)})
    score = lambda rows: [[sum(w * data[i].get(t, 0) for t, w in zip(*(x.tolist() for x in q))) for i in row]
                          for q, row in zip(queries, rows)]
    for row in some:
        row["scores"] = score(row.pop("found"))
    scores = score(found)
    alone()
    print(json.dumps({"load_s": load_s, "added_mb": added, **timed(asked, search), "scores": scores, "some": some}))


def kith(folder):
    data = tempfile.mkdtemp(prefix="kith-bench-")
    shutil.rmtree(data)
    call = lambda step, **how: kith_bench(data, f"{folder}/base.csr", f"{folder}/query.csr", "sparse", step, **how)
    r = call("load")

    def search(step):
        out = call(step, realtime=True)
        out["scores"] = [[score for _, score in row] for row in out.pop("found")]
        return out
    r.update(search("search"))
    r["some"] = [{"effort": t, **search(f"search={t}")} for t in (0.8, 0.9, 0.95, 0.99)]
    r["added_mb"], r["disk_mb"] = r["resident_mb"], folder_mb(data)
    shutil.rmtree(data)
    return r


def main():
    if sys.argv[1] == "peer":
        return peer(*sys.argv[2:])
    name, texts = sys.argv[1:3]
    folder = tempfile.mkdtemp(prefix="kith-sparse-")
    count = make(texts, folder)
    best = best_scores(folder)
    results = {"kith": kith(folder)}
    for p in sys.argv[3:] or PEERS:
        print(f"{p} ...", file=sys.stderr, flush=True)
        results[p] = in_process("sparse.py", "peer", p, folder)
    again = kith(folder)
    lines = head(f"Sparse: {name}") + [
        "", f"{count:,} texts as BM25 vectors, {len(best)} queries, the 10 best by inner product, nothing left out. One thread on "
        "a core of its own in the real-time class, one query a call, best of three passes. Recall counts ties. Memory: what "
        "the peer's process grew by over the vectors in Python; of Kith all that is resident, mapped files too. Kith before "
        f"and after the peers: {cell(results['kith']['qps'])} and {cell(again['qps'])} QPS.", "",
        "| engine | load s | memory MB | disk MB | recall | QPS | p50, p99 us | kith/it |", "|---|---|---|---|---|---|---|---|"]
    for p, r in results.items():
        if "error" in r:
            lines.append(f"| {p} | not run: {r['error']} | | | | | | |")
            continue
        lines.append(f"| {p} | {r['load_s']:.1f} | {cell(r['added_mb'])} | {cell(r.get('disk_mb'))} | "
                     f"{recall(best, r['scores']):.4f} | {cell(r['qps'])} | {cell(r['p50_us'])}, {cell(r['p99_us'])} | "
                     f"{results['kith']['qps'] / r['qps']:.2f} |")
    lines += ["", "Where a share of the best is enough (Kith: the target asked for; SINDI: the share of each vector left out when it is "
              "built, candidates):", "", "| engine | effort | recall | QPS |", "|---|---|---|---|"]
    for p, r in results.items():
        for row in r.get("some", []):
            row["recall"] = recall(best, row["scores"])
            lines.append(f"| {p} | {row['effort']} | {row['recall']:.4f} | {cell(row['qps'])} |")
    mine = at_recall(results["kith"]["some"] + [{"recall": 1, "qps": results["kith"]["qps"]}], 0.95)
    theirs = [{"recall": 1, "qps": results["sindi"]["qps"]}] + results["sindi"]["some"] if "qps" in results.get("sindi", {}) else []
    theirs = at_recall([x for x in theirs if not any(y["recall"] >= x["recall"] and y["qps"] > x["qps"] for y in theirs)], 0.95)
    if theirs:
        lines += ["", f"At recall 0.95, interpolated: Kith {cell(mine)} QPS, SINDI {cell(theirs)}, of the settings that nothing beats: "
                  f"{mine / theirs:.2f}."]
    publish(f"sparse-{name}.md", lines)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
