"""A running server: how long it takes to load, what it answers a second over REST and gRPC, how much memory it holds
then; Kith, and beside it whatever else has Qdrant's interface, one after the other in one run. The load comes from
`kith bench server`, on the same processors.

usage: server.py NAME METRIC BASE QUERY              -> docs/results/server-NAME.md
environment: DOCS a JSON object a line with an integer `bucket` (0 to 999); TEXTS, ASKED a text a line, of the rows and
of the queries (hybrid searches); PEER host:rest-port:grpc-port of the other one, PEER_PID for its memory
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

from common import ROOT, head, kith_bench, publish

KITH = os.path.join(ROOT, "build", "kith")
CLIENTS = (1, 8, 32)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def anonymous_mb(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("RssAnon"):
            return int(line.split()[1]) / 1000
    return None


def ask(step, where, **options):
    host, rest, grpc = where
    args = ["server", step, "--host", host, "--rest-port", rest, "--grpc-port", grpc]
    for name, value in options.items():
        if value is not None:
            args += ["--" + name] + ([] if value is True else [value])
    return kith_bench(*args)


def at_equal(where, want, **options):
    """the least width of these whose recall is at least `want`, and that recall"""
    for ef in (32, 48, 64, 80, 96, 128, 192, 256, 384, 512):
        row = ask("search", where, ef=ef, clients=2, total=1, judge=True, **options)
        if row["recall"] >= want:
            return ef, row["recall"]
    raise SystemExit(f"recall {want} is not reached")


def measure(name, where, pid, metric, base, query):
    env = os.environ.get
    load = ask("load", where, base=base, docs=env("DOCS"), texts=env("TEXTS"), metric=metric)
    kinds = ["plain"] + (["payload", "filtered"] if env("DOCS") else []) + (["hybrid"] if env("ASKED") else [])
    rows, width = [], {}
    for transport in (None, True):
        for kind in kinds:
            if kind not in width:
                width[kind] = width["plain"] if kind == "hybrid" else at_equal(where, 0.95, query=query, kind=kind, metric=metric)
            for clients in CLIENTS:
                ef, recall = width[kind]
                rows.append(ask("search", where, query=query, kind=kind, metric=metric, ef=ef, clients=clients,
                                asked=env("ASKED"), total=20000 if clients > 1 else 5000, grpc=transport))
                rows[-1]["recall"] = None if kind == "hybrid" else recall
                print(name, rows[-1], flush=True)
    return {"load": load, "rows": rows, "memory_mb": anonymous_mb(pid) if pid else None}


def serve():
    data = tempfile.mkdtemp(prefix="kith-bench-")
    ports = free_port(), free_port()
    server = subprocess.Popen([KITH, "serve", "--data", data, "--rest-port", str(ports[0]), "--grpc-port", str(ports[1]),
                               "--metrics-port", "0"], stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", ports[0])).close()
            break
        except OSError:
            time.sleep(0.05)
    return server, data, ("127.0.0.1", *ports)


def table(results):
    names = list(results)
    lines = ["| " + " | ".join(["search", "transport", "clients", *[f"{n}: recall, QPS, p50, p99 us" for n in names]] +
                               (["QPS ratio"] if len(names) > 1 else [])) + " |",
             "|" + "---|" * (3 + len(names) + (len(names) > 1))]
    for i, row in enumerate(results[names[0]]["rows"]):
        cells = [row["kind"], row["transport"], str(row["clients"])]
        for n in names:
            r = results[n]["rows"][i]
            recall = "-" if r["recall"] is None else f"{r['recall']:.3f}"
            cells.append(f"{recall}, {r['qps']:,.0f}, {r['p50_us']:,.0f}, {r['p99_us']:,.0f}")
        if len(names) > 1:
            cells.append(f"{row['qps'] / results[names[1]]['rows'][i]['qps']:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| server | load and index s | anonymous memory after the run MB |", "|---|---|---|"]
    for n in names:
        memory = results[n]["memory_mb"]
        lines.append(f"| {n} | {results[n]['load']['load_s']:.1f} | {'-' if memory is None else f'{memory:.0f}'} |")
    return lines


def main():
    name, metric, base, query = sys.argv[1:5]
    results = {}
    server, data, where = serve()
    try:
        results["kith"] = measure("kith", where, server.pid, metric, base, query)
    finally:
        server.terminate()
        server.wait()
        shutil.rmtree(data)
    if os.environ.get("PEER"):
        host, rest, grpc = os.environ["PEER"].split(":")
        results["the other"] = measure("the other", (host, int(rest), int(grpc)), os.environ.get("PEER_PID"), metric, base, query)
    publish(f"server-{name}.md", head(f"Server: {name}") + [
        "The load comes from `kith bench server` on the same two processors: connections that stay, each with one request "
        "at a time, bodies made beforehand; 10 of the nearest, at the least width whose recall@10 is 0.95 (judged by an "
        "exact search of the same server; fused searches have none). plain: ids and scores; payload: whole documents; "
        "filtered: payload, one row of ten matches; hybrid: payload, fused with the words of a text. Loading sends "
        "documents, vectors and texts over REST, and ends when the collection has been green for a while.", ""] + table(results))


if __name__ == "__main__":
    main()
