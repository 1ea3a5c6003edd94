"""What all benches share: data, exact answers, sweeps, pinning, memory, tables."""
import json
import os
import subprocess
import sys
import time

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
EFS = [10, 16, 24, 32, 48, 64, 80, 96, 128, 160, 200, 256, 320, 400, 512]
K = 10


def read(path, metric):
    """npy or fvecs, as f32; of unit length for cosine"""
    if path.endswith(".npy"):
        x = np.load(path).astype(np.float32)
    else:
        raw = np.fromfile(path, np.int32)
        x = raw.reshape(-1, raw[0] + 1)[:, 1:].view(np.float32).copy()
    if metric == "cosine":
        x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(x)


def distances(metric, base, q):
    """one query to many, smaller is nearer"""
    if metric == "euclid":
        d = base - q
        return np.einsum("ij,ij->i", d, d)
    return -(base @ q)


def worst_wanted(metric, base, query):
    """the K-th exact distance of each query: whatever is not farther is a hit, ties too"""
    out = np.empty(len(query), np.float32)
    norms = np.einsum("ij,ij->i", base, base) if metric == "euclid" else None
    for at in range(0, len(query), 100):
        q = query[at:at + 100]
        d = -(q @ base.T)
        if metric == "euclid":
            d = 2 * d + norms + np.einsum("ij,ij->i", q, q)[:, None]
        near = np.argpartition(d, K - 1, axis=1)[:, :K]
        for i, ids in enumerate(near):
            out[at + i] = distances(metric, base[ids], q[i]).max()
    return out


def hits(metric, base, q, worst, ids):
    ids = np.asarray([i for i in ids if i >= 0], np.int64)
    return int((distances(metric, base[ids], q) <= worst + abs(worst) * 1e-5 + 1e-6).sum()) if len(ids) else 0


def sweep(metric, base, query, worst, set_effort, batch, single, efforts=EFS, passes=3):
    """batch(queries) -> ids: one thread, the peer's own loop if it has one; best of some passes.
    single(query) -> ids: for p50 and p99."""
    rows = []
    for effort in efforts:
        set_effort(effort)
        best, ids = None, None
        for _ in range(passes):
            start = time.perf_counter()
            ids = batch(query)
            took = time.perf_counter() - start
            best = min(best or took, took)
        times = []
        for q in query:
            start = time.perf_counter()
            single(q)
            times.append(time.perf_counter() - start)
        recall = sum(hits(metric, base, q, w, i) for q, w, i in zip(query, worst, ids)) / (K * len(query))
        rows.append({"effort": effort, "recall": recall, "qps": len(query) / best,
                     "p50_us": float(np.percentile(times, 50)) * 1e6, "p99_us": float(np.percentile(times, 99)) * 1e6})
        if recall > 0.9975:
            break
    return rows


def at_recall(rows, want, key="qps"):
    """interpolated on a logarithmic scale between the two points around; None: not reached"""
    rows = sorted(rows, key=lambda r: r["recall"])
    for low, high in zip(rows, rows[1:]):
        if low["recall"] < want <= high["recall"]:
            share = (want - low["recall"]) / (high["recall"] - low["recall"])
            return float(np.exp(np.log(low[key]) * (1 - share) + np.log(high[key]) * share))
    return rows[0][key] if rows and rows[0]["recall"] >= want else None


def resident_mb():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2 ** 20


def folder_mb(path):
    return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(path) for f in fs) / 2 ** 20


def alone():
    """one core for this process, and nothing that preempts it, where the system allows"""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5))
    except PermissionError:
        pass


def everywhere():
    try:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    except PermissionError:
        pass
    os.sched_setaffinity(0, set(range(os.cpu_count())))


def kith_bench(*args, realtime=False):
    """what `kith bench` prints, as JSON; perhaps on a core of its own in the real-time class"""
    command = [os.path.join(ROOT, "build", "kith"), "bench", *map(str, args)]
    if realtime:
        command = ["chrt", "-f", "5", "taskset", "-c", str(os.cpu_count() - 1)] + command
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise SystemExit(run.stderr)
    return json.loads(run.stdout)


def in_process(script, *args):
    """runs bench/<script> in a process of its own; its last line is JSON"""
    run = subprocess.run([sys.executable, os.path.join(ROOT, "bench", script), *map(str, args)],
                         capture_output=True, text=True)
    if run.returncode:
        lines = run.stderr.strip().split("\n")
        return {"error": lines[-1][:150] if lines else "failed"}
    return json.loads(run.stdout.strip().split("\n")[-1])


def publish(file, lines):
    """to docs/results, and to whoever watches"""
    text = "\n".join(lines) + "\n"
    print(text)
    with open(os.path.join(ROOT, "docs", "results", file), "w") as f:
        f.write(text)


def head(title):
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return [f"# {title}", "", f"{time.strftime('%Y-%m-%d')}, commit {commit}; {os.cpu_count()} virtual cores, {model}. The "
            "machine is shared: ratios count, not absolute figures."]


def cell(x, form="{:,.0f}"):
    return form.format(x) if x else "-"
