"""Dense vectors: load, search at equal recall, durable writes, memory, disk; Kith through the library and through
REST, beside its peers, one after the other in one run.

usage: dense.py NAME METRIC BASE QUERY [PEER ...]     -> docs/results/dense-NAME.md
"""
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import EFS, K, ROOT, at_recall, cell, folder_mb, head, hits, in_process, kith_bench, publish, read, worst_wanted

PEERS = ["hnswlib", "faiss_hnsw", "faiss_hnsw_sq8", "faiss_ivf_pq", "symphonyqg", "rabitq_hnsw", "vsag", "qdrant_edge"]
KITH = os.path.join(ROOT, "build", "kith")


def kith(steps, data, metric, base, query, realtime=False):
    return kith_bench(data, base, query, metric, steps, realtime=realtime)


def rest(data, metric, base, query, worst):
    """one connection, one query at a time, bodies made beforehand"""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    server = subprocess.Popen([KITH, "serve", "--data", data, "--rest-port", str(port), "--metrics-port", "0"],
                              stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                sock = socket.create_connection(("127.0.0.1", port))
                break
            except OSError:
                time.sleep(0.05)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def ask(body):
            sock.sendall(b"POST /collections/bench/points/query HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n%b" % (len(body), body))
            got = b""
            while b"\r\n\r\n" not in got:
                got += sock.recv(1 << 16)
            top, _, rest_of = got.partition(b"\r\n\r\n")
            size = int(top.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            while len(rest_of) < size:
                rest_of += sock.recv(1 << 16)
            return rest_of

        rows = []
        for ef in EFS:
            bodies = [json.dumps({"query": q.tolist(), "limit": K, "params": {"hnsw_ef": ef}}).encode() for q in query]
            best, answers = None, []
            for _ in range(2):
                times, answers = [], []
                for body in bodies:
                    start = time.perf_counter()
                    answers.append(ask(body))
                    times.append(time.perf_counter() - start)
                best = times if best is None or sum(times) < sum(best) else best
            found = [[p["id"] for p in json.loads(a)["result"]["points"]] for a in answers]
            recall = sum(hits(metric, base, q, w, i) for q, w, i in zip(query, worst, found)) / (K * len(query))
            rows.append({"effort": ef, "recall": recall, "qps": len(query) / sum(best),
                         "p50_us": float(np.percentile(best, 50)) * 1e6, "p99_us": float(np.percentile(best, 99)) * 1e6})
        return rows
    finally:
        server.terminate()
        server.wait()


def sqlite_per_s():
    folder = tempfile.mkdtemp(prefix="sqlite-bench-")
    db = sqlite3.connect(os.path.join(folder, "x.db"), isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v BLOB)")
    blob, n, start = os.urandom(1536), 5000, time.perf_counter()
    for i in range(n):
        db.execute("INSERT INTO t VALUES (?, ?)", (i, blob))
    took = time.perf_counter() - start
    db.close()
    shutil.rmtree(folder)
    return n / took


def table(results):
    ours = {want: at_recall(results["kith"]["sweep"], want) for want in (0.95, 0.99)}
    lines = ["| engine | load s | memory MB | disk MB | QPS at 0.95 | kith/it | p50, p99 us | QPS at 0.99 | kith/it |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name, r in results.items():
        if "error" in r:
            lines.append(f"| {name} | not run: {r['error']} | | | | | | | |")
            continue
        at95, at99 = at_recall(r["sweep"], 0.95), at_recall(r["sweep"], 0.99)
        p50, p99 = at_recall(r["sweep"], 0.95, "p50_us"), at_recall(r["sweep"], 0.95, "p99_us")
        lines.append(" | ".join([
            f"| {name}", cell(r.get("load_s"), "{:.1f}"), cell(r.get("added_mb")), cell(r.get("disk_mb")), cell(at95),
            cell(at95 and ours[0.95] and ours[0.95] / at95, "{:.2f}"), f"{cell(p50)}, {cell(p99)}", cell(at99),
            cell(at99 and ours[0.99] and ours[0.99] / at99, "{:.2f}")]) + " |")
    return lines


def main():
    name, metric, base_path, query_path = sys.argv[1:5]
    peers = sys.argv[5:] or PEERS
    base, query = read(base_path, metric), read(query_path, metric)
    worst = worst_wanted(metric, base, query)
    data = tempfile.mkdtemp(prefix="kith-bench-")
    shutil.rmtree(data)
    ours = kith("load", data, metric, base_path, query_path)
    ours["disk_mb"] = folder_mb(data)
    ours.update(kith("search", data, metric, base_path, query_path, True))
    results = {"kith": ours}
    for peer in peers:
        print(f"{peer} ...", file=sys.stderr, flush=True)
        results[peer] = in_process("peer.py", peer, metric, base_path, query_path)
    again = kith("search", data, metric, base_path, query_path, True)
    results["kith, REST"] = {"sweep": rest(data, metric, base, query, worst)}
    ours.update(kith("write", data, metric, base_path, query_path))
    shutil.rmtree(data, ignore_errors=True)
    first, second = (at_recall(x["sweep"], 0.95) for x in (ours, again))
    lines = head(f"Dense: {name}") + [
        "", f"{len(base):,} x {base.shape[1]}, {metric}, {len(query)} queries, recall@10, ties are hits. Search: one thread on a "
        "core of its own in the real-time class, best of three passes; peers that can take all queries in one call are timed "
        "so, the others one call a query. Loads use all cores; Kith's is durable, in batches of 1,000, until the graph is "
        f"built. Memory: what the process grew by over the raw data it was given. Kith's search before and after the peers: "
        f"{cell(first)} and {cell(second)} QPS at 0.95.", ""]
    lines += table(results)
    lines += ["", "| durable writes | a second |", "|---|---|",
              f"| kith, batches of 1,000, synced each | {cell(ours['insert_per_s'])} |"]
    if results.get("qdrant_edge", {}).get("insert_per_s"):
        lines.append(f"| qdrant_edge, batches of 1,000, flushed each | {cell(results['qdrant_edge']['insert_per_s'])} |")
    lines += [f"| kith, one point a call, one thread | {cell(ours['single_inserts_per_s'])} |",
              f"| SQLite, WAL, synchronous=FULL, one row a commit | {cell(sqlite_per_s())} |",
              f"| kith, one point a call, 32 threads, graphs being built | {cell(ours['threads32_inserts_per_s'])} "
              f"({ours['threads32_inserts_per_s'] / ours['single_inserts_per_s']:.1f} x one) |",
              f"| kith, set_payload on all {len(base):,} points | {ours['set_payload_all_s']} s, "
              f"{ours['set_payload_links']} graph links |"]
    publish(f"dense-{name}.md", lines)
    with open(os.path.join(ROOT, "build", "bench", f"dense-{name}.json"), "w") as f:
        json.dump(results, f)


if __name__ == "__main__":
    main()
