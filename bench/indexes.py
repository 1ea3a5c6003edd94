"""Every index there is by name: load, memory, search at equal recall; beside the inverted files of others.

usage: indexes.py NAME METRIC BASE QUERY [PEER ...]     -> docs/results/indexes-NAME.md
"""
import shutil
import sys
import tempfile

from common import at_recall, cell, folder_mb, head, in_process, publish, read
from dense import kith

WAYS = ["", "two_bits", "bit", "product=96", "lists", "lists+spill", "lists+bit", "lists+product=96"]
PEERS = ["faiss_ivf_flat", "faiss_ivf_sq8", "faiss_ivf_pq"]
RECALLS = (0.90, 0.95, 0.99)


def row(name, r):
    if "error" in r:
        return f"| {name} | not run: {r['error']} | | | | |"
    return f"| {name} | {cell(r['load_s'], '{:.1f}')} | {cell(r['added_mb'])} | " + " | ".join(
        cell(at_recall(r["sweep"], want)) for want in RECALLS) + " |"


def main():
    name, metric, base_path, query_path = sys.argv[1:5]
    base = read(base_path, metric)
    lines = head(f"Indexes: {name}") + [
        "", f"{len(base):,} x {base.shape[1]}, {metric}, 1,000 queries, recall@10; one thread on a core of its own in the "
        "real-time class, best of three passes. Kith's loads are durable; its memory is what is not of a file, the originals "
        "are mapped. Peers: what the process grew by over the raw data it was given, their own copy of it included.", "",
        "| index | load s | memory MB | " + " | ".join(f"QPS at {w:.2f}" for w in RECALLS) + " |", "|---|---|---|---|---|---|"]
    for way in WAYS:
        data = tempfile.mkdtemp(prefix="kith-bench-")
        shutil.rmtree(data)
        r = kith(f"load={way}", data, metric, base_path, query_path)
        r.update(kith("search", data, metric, base_path, query_path, True))
        lines.append(row("kith " + (way or "as it comes"), r))
        print(lines[-1], f"disk {folder_mb(data):.0f} MB", file=sys.stderr, flush=True)
        shutil.rmtree(data, ignore_errors=True)
    for peer in sys.argv[5:] or PEERS:
        lines.append(row(peer, in_process("peer.py", peer, metric, base_path, query_path)))
        print(lines[-1], file=sys.stderr, flush=True)
    publish(f"indexes-{name}.md", lines)


if __name__ == "__main__":
    main()
