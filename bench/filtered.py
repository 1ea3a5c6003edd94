"""Filtered search at recall 0.95, by share of matching rows and correlation; what indexing the fields costs a load.

usage: filtered.py NAME METRIC BASE QUERY [PEER ...]     -> docs/results/filtered-NAME.md
Every row has two numbers: one drawn at random, one by its similarity to the mean query. A filter is a range of one.
"""
import json
import os
import shutil
import sys
import tempfile
import time

import numpy as np

from common import K, alone, at_recall, cell, distances, everywhere, head, in_process, publish, read
from dense import kith

PEERS = ["faiss_bitmap", "qdrant_edge", "qdrant_edge_int8"]
SHARES = [0.5, 0.1, 0.01, 0.001, 0.0001]
EFS = [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400]
M, EF_BUILD, WANT = 16, 128, 0.95


def numbers(base, query):
    """the two numbers of each row, as kith bench makes them"""
    with np.errstate(over="ignore"):
        z = np.uint64(1) + np.arange(1, len(base) + 1, dtype=np.uint64) * np.uint64(0x9e3779b97f4a7c15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xbf58476d1ce4e5b9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94d049bb133111eb)
        random = (z ^ (z >> np.uint64(31))) % np.uint64(1000000)
    near = np.empty(len(base), np.int64)
    near[np.argsort(-(base @ query.mean(0)))] = np.arange(len(base)) * 1000000 // len(base)
    return random.astype(np.int64), near


def filters(random, near):
    """kind, share, field, least, below, rows that match"""
    for kind in ("random", "near", "far"):
        for share in SHARES:
            low, high = (int((1 - share) * 1e6), 1000000) if kind == "far" else (0, int(share * 1e6))
            x = random if kind == "random" else near
            yield kind, share, "random" if kind == "random" else "near", low, high, np.flatnonzero((x >= low) & (x < high))


def faiss_bitmap(base, metric, values):
    """the bitmap of the matching rows is given; making it is not counted"""
    import faiss
    ix = faiss.IndexHNSWFlat(base.shape[1], M, faiss.METRIC_L2 if metric == "euclid" else faiss.METRIC_INNER_PRODUCT)
    ix.hnsw.efConstruction = EF_BUILD
    ix.add(base)
    faiss.omp_set_num_threads(1)

    def prepare(field, low, high, rows):
        bits = np.zeros(len(base), bool)
        bits[rows] = True
        packed = np.packbits(bits, bitorder="little")
        chosen = faiss.IDSelectorBitmap(packed)

        def search(q, ef):
            p = faiss.SearchParametersHNSW(sel=chosen, efSearch=ef)
            return ix.search(q[None], K, params=p)[1][0]
        search.keep = packed
        return search
    return prepare


def edge(base, metric, values, quantised):
    import qdrant_edge as e
    folder = tempfile.mkdtemp(prefix="edge-bench-")
    extra = {"quantization_config": e.ScalarQuantizationConfig(type=e.ScalarType.Int8, quantile=0.99, always_ram=True)} \
        if quantised else {}
    shard = e.EdgeShard.create(folder, e.EdgeConfig(
        vectors=e.EdgeVectorParams(size=base.shape[1], memory=e.Memory.Pinned,
                                   distance=e.Distance.Euclid if metric == "euclid" else e.Distance.Dot),
        hnsw_config=e.HnswIndexConfig(m=M, ef_construct=EF_BUILD, full_scan_threshold=10000, payload_m=M,
                                      max_indexing_threads=os.cpu_count(), memory=e.Memory.Pinned),
        max_search_threads=1, optimizers=e.EdgeOptimizersConfig(
            default_segment_number=1, max_segment_size=10_000_000, indexing_threshold=1000), **extra))
    if values:
        for field in ("random", "near"):
            shard.update(e.UpdateOperation.create_field_index(field, e.PayloadSchemaType.Integer))
    random, near = values or numbers(base, base[:1000])
    for at in range(0, len(base), 1000):
        shard.update(e.UpdateOperation.upsert_points(
            [e.Point(i, base[i].tolist(), {"random": int(random[i]), "near": int(near[i])})
             for i in range(at, min(len(base), at + 1000))]))
    shard.flush()
    while shard.optimize():
        pass

    def prepare(field, low, high, rows):
        condition = e.Filter(must=[e.FieldCondition(field, range=e.RangeFloat(gte=low, lt=high))])
        return lambda q, ef: [x.id for x in shard.query(e.QueryRequest(
            limit=K, query=e.Query.Nearest(q), filter=condition, params=e.SearchParams(hnsw_ef=ef),
            with_payload=False, with_vector=False))]
    return prepare


def qdrant_edge(base, metric, values):
    return edge(base, metric, values, False)


def qdrant_edge_int8(base, metric, values):
    return edge(base, metric, values, True)


def sweep(prepare, metric, base, query, asked, f):
    kind, share, field, low, high, rows = f
    some, out = base[rows], []
    worst = [np.partition(distances(metric, some, q), min(K, len(rows)) - 1)[min(K, len(rows)) - 1] for q in query]
    search = prepare(field, low, high, rows)
    for ef in EFS:
        best = None
        for _ in range(2):
            start = time.perf_counter()
            found = [search(q, ef) for q in asked]
            took = time.perf_counter() - start
            best = min(best or took, took)
        got = 0
        for q, w, ids in zip(query, worst, found):
            ids = np.asarray([i for i in ids if i >= 0], np.int64)
            got += int((distances(metric, base[ids], q) <= w + abs(w) * 1e-5 + 1e-6).sum()) if len(ids) else 0
        recall = got / (min(K, len(rows)) * len(query))
        out.append({"effort": ef, "recall": recall, "qps": len(query) / best})
        if recall > 0.97 or best > 60:
            break
    return {"kind": kind, "share": share, "sweep": out}


def peer(name, metric, base_path, query_path):
    base, query = read(base_path, metric), read(query_path, metric)
    values = numbers(base, query)
    everywhere()
    load = {}
    if name == "qdrant_edge":
        start = time.perf_counter()
        edge(base, metric, None, False)
        load["plain"] = time.perf_counter() - start
    start = time.perf_counter()
    prepare = globals()[name](base, metric, values)
    load["indexed"] = time.perf_counter() - start
    alone()
    asked = [q.tolist() for q in query] if "edge" in name else list(query)
    print(json.dumps({"load": load, "filtered": [sweep(prepare, metric, base, query, asked, f) for f in filters(*values)]}))


def ours(data, *args):
    """loads twice with and twice without indexes, by turns; then searches"""
    load = {"plain": [], "indexed": []}
    for _ in range(2):
        for kind, step in (("plain", "documents"), ("indexed", "documents=indexed")):
            shutil.rmtree(data, ignore_errors=True)
            load[kind].append(kith(step, data, *args)["load_s"])
    return {"load": {k: min(v) for k, v in load.items()}, **kith("filtered", data, *args, realtime=True)}


def main():
    if sys.argv[1] == "peer":
        return peer(*sys.argv[2:])
    name, metric, base_path, query_path = sys.argv[1:5]
    peers = sys.argv[5:] or PEERS
    data = tempfile.mkdtemp(prefix="kith-bench-")
    got = ours(data, metric, base_path, query_path)
    shutil.rmtree(data, ignore_errors=True)
    others = {}
    for p in peers:
        print(f"{p} ...", file=sys.stderr, flush=True)
        others[p] = in_process("filtered.py", "peer", p, metric, base_path, query_path)
    plain = got["filtered"][0]["sweep"]
    base = read(base_path, metric)
    lines = head(f"Filtered search: {name}") + [
        "", f"{len(base):,} x {base.shape[1]}, {metric}, 1,000 queries, the 10 nearest of the rows that match. A range of an "
        "indexed number: random, or by similarity to the mean query (near: the matches lie where queries do; far: at the "
        "other end). One thread on a core of its own in the real-time class. QPS at recall 0.95, interpolated; `as asked`: "
        "what the default target of 0.95 gives, its recall, and its time as a multiple of the search without a filter "
        f"({cell(plain[0]['qps'])} QPS, recall {plain[0]['recall']:.3f}). A row of a peer that never reached 0.95 shows the "
        "recall that it did reach. faiss is given its bitmap ready; the others evaluate the range.", "",
        "| rows | share | kith as asked: QPS, recall, ratio | kith | " + " | ".join(peers) + " | kith/best |",
        "|---|---|---|---|" + "---|" * len(peers) + "---|"]
    ratios = []
    for r in got["filtered"][1:]:
        asked, mine = r["sweep"][0], at_recall(r["sweep"][1:], WANT)
        cells, best = [], 0
        for p in peers:
            row = next((x for x in others[p].get("filtered", []) if (x["kind"], x["share"]) == (r["kind"], r["share"])), None)
            qps = at_recall(row["sweep"], WANT) if row else None
            best = max(best, qps or 0)
            cells.append(cell(qps) if qps or not row else f"({max(x['recall'] for x in row['sweep']):.3f})")
        if best and mine:
            ratios.append(mine / best)
        lines.append(f"| {r['kind']} | {r['share']:.2%} | {cell(asked['qps'])}, {asked['recall']:.3f}, "
                     f"{plain[0]['qps'] / asked['qps']:.2f} | {cell(mine)} | " + " | ".join(cells) + " | "
                     + (f"{mine / best:.2f}" if best and mine else "-") + " |")
    lines += ["", f"Geometric mean of kith/best: {np.exp(np.mean(np.log(ratios))):.2f}; least: {min(ratios):.2f}." if ratios else ""]
    lines += ["", "Loading with indexes of both numbers and without: "
              + "; ".join(f"{p} {r['load']['indexed']:.1f} s and {r['load']['plain']:.1f} s "
                          f"({r['load']['indexed'] / r['load']['plain']:.2f})"
                          for p, r in [("kith", got), *others.items()] if "plain" in r.get("load", {})) + "."]
    lines += [f"{p}: not run: {r['error']}" for p, r in others.items() if "error" in r]
    publish(f"filtered-{name}.md", lines)


if __name__ == "__main__":
    main()
