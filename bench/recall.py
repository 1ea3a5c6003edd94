"""Recall as asked for: by target and by decile of how hard the queries are, before and after every row was replaced.

usage: recall.py NAME METRIC BASE QUERY [OOD]     -> docs/results/recall-NAME.md
OOD: queries unlike the rows, by which the monitor is to learn.
"""
import shutil
import sys
import tempfile

from common import head, publish, read
from dense import kith


def main():
    name, metric, base_path, query_path = sys.argv[1:5]
    base = read(base_path, metric)
    data = tempfile.mkdtemp(prefix="kith-bench-")
    shutil.rmtree(data)
    kith("load", data, metric, base_path, query_path)
    drift = kith("drift", data, metric, base_path, sys.argv[5])["rounds"] if len(sys.argv) > 5 else []
    got = kith("recall", data, metric, base_path, query_path)
    shutil.rmtree(data, ignore_errors=True)
    lines = head(f"Recall as asked for: {name}") + [
        "", f"{len(base):,} x {base.shape[1]}, {metric}, 1,000 queries, the 10 nearest. Deciles: by the exact distance to the "
        "10th nearest, the first are the easiest. Replaced: every point was given another's vector, "
        f"{got['replaced_per_s']:,.0f} a second; searches of that row began at once, while much was not yet linked and was "
        "scanned; merged: after an optimize.", "",
        "| state | target | recall | us | " + " | ".join(str(d + 1) for d in range(10)) + " |",
        "|---|---|---|---|" + "---|" * 10]
    for state in ("loaded", "all replaced", "all replaced, merged"):
        for r in got[state]:
            lines.append(f"| {state} | {r['target']:.2f} | {r['recall']:.3f} | {r['us']:,.0f} | "
                         + " | ".join(f"{d:.3f}" for d in r["deciles"]) + " |")
    if drift:
        lines += ["", "Queries unlike the rows, 1,000 a round, target 0.95; after each round what the monitor measured since it last "
                  "changed the effort, and the effort, a factor of the width. (Each process begins anew.)", "",
                  "| round | recall | samples | measured | effort after it |", "|---|---|---|---|---|"]
        lines += [f"| {i + 1} | {r['found']['recall']:.3f} | {r['samples']} | {r['measured']:.3f} ({r['low']:.3f} to {r['high']:.3f}) | "
                  f"{r['effort']:.2f} |" for i, r in enumerate(drift)]
    publish(f"recall-{name}.md", lines)


if __name__ == "__main__":
    main()
