"""Multi-vectors by max-sim, one vector a word, as late interaction has them: load, search; Kith through the library beside Qdrant's
edge library, one after the other in one run.

usage: many.py NAME TEXTS          -> docs/results/many-NAME.md
TEXTS: one text a line, perhaps .zst; 30,000 pairs of neighbouring lines are drawn and 200 single ones as questions, of at most 29
words or parts of words each. A word's vector is what the encoder of all-MiniLM-L6-v2 makes of it, 384 numbers turned into 128.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import K, ROOT, alone, at_recall, everywhere, head, in_process, kith_bench, publish, resident_mb

sys.path.insert(0, os.path.join(ROOT, "tools"))
DIM, WORDS, EFS = 128, 29, [16, 32, 64, 128, 256, 512]


def encode(texts):
    """of each the vectors of its words, without the two marks around it; None: too long"""
    from minilm import MiniLM
    model, groups = MiniLM(64), {}
    turn = np.linalg.qr(np.random.default_rng(7).standard_normal((384, DIM)))[0].astype(np.float32)
    ids = [model.tok.encode(t).ids for t in texts]
    for i, x in enumerate(ids):
        if 2 < len(x) <= WORDS + 2:
            groups.setdefault(len(x), []).append(i)
    out = [None] * len(texts)
    for length in sorted(groups):
        step = max(1, 4096 // length)
        for at in range(0, len(groups[length]), step):
            part = groups[length][at:at + step]
            x = model.words([ids[i] for i in part])[:, 1:-1] @ turn
            x /= np.linalg.norm(x, axis=2, keepdims=True)
            for j, i in enumerate(part):
                out[i] = x[j].astype(np.float16)
    return out


def write(path, rows):
    np.save(path, np.concatenate(rows).astype(np.float32))
    np.save(path + ".rows.npy", np.array([[len(x)] for x in rows], np.float32))


def read(path):
    ends = np.cumsum(np.load(path + ".rows.npy")[:, 0]).astype(int)
    return np.split(np.load(path), ends[:-1])


def make(texts, folder):
    if os.path.exists(f"{folder}/query.npy"):
        return
    raw = subprocess.run(["zstd", "-dc", texts], capture_output=True, check=True).stdout if texts.endswith(".zst") else open(texts, "rb").read()
    lines = raw.decode().splitlines()
    pick = np.random.default_rng(1).permutation(len(lines))[:30200]
    drawn = [lines[i] + " " + lines[i + 1] if i + 1 < len(lines) else lines[i] for i in pick[:-200]] + [lines[i] for i in pick[-200:]]
    rows = encode(drawn)
    os.makedirs(folder, exist_ok=True)
    write(f"{folder}/base.npy", [x for x in rows[:-200] if x is not None])
    write(f"{folder}/query.npy", [x for x in rows[-200:] if x is not None])


def worst_wanted(base, query):
    """the K-th best score of each query: what scores as much is a hit"""
    flat, starts = np.concatenate(base), np.cumsum([0] + [len(x) for x in base[:-1]])
    out = []
    for q in query:
        scores = np.maximum.reduceat(q @ flat.T, starts, axis=1).sum(0)
        out.append(np.partition(scores, -K)[-K])
    return out


def recall(base, query, worst, found):
    score = lambda q, i: float((q @ base[i].T).max(1).sum())
    return sum(sum(score(q, i) >= w - 1e-3 for i in ids[:K]) for q, w, ids in zip(query, worst, found)) / (K * len(query))


def kith(folder, base, query, worst):
    data = tempfile.mkdtemp(prefix="kith-bench-")
    shutil.rmtree(data)
    call = lambda step, **how: kith_bench(data, f"{folder}/base.npy", f"{folder}/query.npy", "many", step, **how)
    out = {"load_s": call("load")["load_s"], "rows": []}
    for step in ["exact", "search"] + [f"ef={ef}" for ef in EFS]:
        r = call(step, realtime=True)
        r["recall"] = recall(base, query, worst, [[i for i, _ in row] for row in r.pop("found")])
        out["rows"].append({"effort": step, **r})
    shutil.rmtree(data)
    return out


def edge(folder):
    import qdrant_edge as e
    base, query = read(f"{folder}/base.npy"), read(f"{folder}/query.npy")
    path, held, start = tempfile.mkdtemp(prefix="edge-bench-"), resident_mb(), time.perf_counter()
    shard = e.EdgeShard.create(path, e.EdgeConfig(
        vectors=e.EdgeVectorParams(size=DIM, distance=e.Distance.Dot, memory=e.Memory.Pinned,
                                   multivector_config=e.MultiVectorConfig(e.MultiVectorComparator.MaxSim)),
        hnsw_config=e.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10, payload_m=None,
                                      max_indexing_threads=os.cpu_count(), memory=e.Memory.Pinned),
        max_search_threads=1, optimizers=e.EdgeOptimizersConfig(default_segment_number=1, max_segment_size=10_000_000, indexing_threshold=1000)))
    for at in range(0, len(base), 500):
        shard.update(e.UpdateOperation.upsert_points([e.Point(i, base[i].tolist(), {}) for i in range(at, min(len(base), at + 500))]))
    shard.flush()
    while shard.optimize():
        pass
    load_s, rows = time.perf_counter() - start, []
    alone()
    asked = [q.tolist() for q in query]
    for ef in [None] + EFS:
        params = e.SearchParams(exact=True) if ef is None else e.SearchParams(hnsw_ef=ef)
        best, found = None, None
        for _ in range(2):
            times, found = [], []
            for q in asked:
                begun = time.perf_counter()
                found.append([x.id for x in shard.query(e.QueryRequest(limit=K, query=e.Query.Nearest(q), params=params, with_payload=False, with_vector=False))])
                times.append(time.perf_counter() - begun)
            best = times if best is None or sum(times) < sum(best) else best
        rows.append({"effort": "exact" if ef is None else f"ef={ef}", "qps": len(best) / sum(best), "found": found,
                     "p50_us": float(np.percentile(best, 50)) * 1e6, "p99_us": float(np.percentile(best, 99)) * 1e6})
    everywhere()
    shutil.rmtree(path)
    print(json.dumps({"load_s": load_s, "added_mb": resident_mb() - held, "rows": rows}))


def main():
    if sys.argv[1] == "peer":
        return edge(sys.argv[2])
    name, texts = sys.argv[1:3]
    folder = f"{ROOT}/build/bench/many-{name}"
    make(texts, folder)
    base, query = read(f"{folder}/base.npy"), read(f"{folder}/query.npy")
    worst = worst_wanted(base, query)
    ours = kith(folder, base, query, worst)
    theirs = in_process("many.py", "peer", folder)
    again = kith(folder, base, query, worst)
    for r in theirs.get("rows", []):
        r["recall"] = recall(base, query, worst, r.pop("found"))
    lines = head(f"Multi-vectors: {name}") + [
        "", f"{len(base):,} texts of {np.mean([len(x) for x in base]):.1f} vectors of {DIM} numbers, {len(query)} questions of "
        f"{np.mean([len(x) for x in query]):.1f}; the ten best by max-sim. One thread on a core of its own in the real-time class. Kith is called "
        f"from C, the peer from Python. Loaded and indexed: Kith {ours['load_s']:.1f} s, "
        + (f"the peer {theirs['load_s']:.0f} s." if "rows" in theirs else f"the peer was not run: {theirs['error']}."), "",
        "| engine | effort | recall | QPS | again | p50, p99 us |", "|---|---|---|---|---|---|"]
    for r, s in zip(ours["rows"], again["rows"]):
        lines.append(f"| kith | {r['effort']} | {r['recall']:.4f} | {r['qps']:,.0f} | {s['qps']:,.0f} | {r['p50_us']:,.0f}, {r['p99_us']:,.0f} |")
    for r in theirs.get("rows", []):
        lines.append(f"| qdrant_edge | {r['effort']} | {r['recall']:.4f} | {r['qps']:,.0f} | | {r['p50_us']:,.0f}, {r['p99_us']:,.0f} |")
    for want in (0.9, 0.95, 0.98):
        a, b = (at_recall([x for x in r.get("rows", []) if x["effort"].startswith("ef")], want) for r in (ours, theirs))
        if a and b:
            lines.append(f"{'' if want > 0.9 else chr(10)}At recall {want}: Kith {a:,.0f} QPS, the peer {b:,.0f}: {a / b:.1f} times.")
    publish(f"many-{name}.md", lines)


if __name__ == "__main__":
    main()
