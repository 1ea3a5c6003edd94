"""Full text: the ten best by BM25 of any of three words, of both of two words, of a phrase of two; Kith through the library
beside Tantivy through its Python binding, one thread, one after the other in one run.

usage: text.py NAME TEXTS          -> docs/results/text-NAME.md
TEXTS: one text a line, perhaps .zst; 1,000 are held out, and the questions drawn from their words (a-z, 0-9; those that other
texts have too). What was found is compared: Tantivy keeps lengths in one byte, so that scores differ a little.
"""
import collections
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import K, alone, everywhere, folder_mb, head, kith_bench, publish

KINDS = ("union", "intersection", "phrase")


def words_of(text):
    return re.findall("[a-z0-9]+", text.lower())


def make(texts, folder):
    raw = subprocess.run(["zstd", "-dc", texts], capture_output=True, check=True).stdout if texts.endswith(".zst") else open(texts, "rb").read()
    lines = [" ".join(words_of(line)) for line in raw.decode().splitlines()]
    rng = np.random.default_rng(1)
    held = set(rng.permutation(len(lines))[:1000].tolist())
    base = [x for i, x in enumerate(lines) if x and i not in held]
    df = collections.Counter(w for x in base for w in set(x.split()))
    asked = {kind: [] for kind in KINDS}
    for i in sorted(held):
        known = [w for w in lines[i].split() if df[w] > 1]
        if len(set(known)) >= 3:
            asked["union"].append(" ".join(rng.choice(sorted(set(known)), 3, replace=False)))
            asked["intersection"].append(" ".join(rng.choice(sorted(set(known)), 2, replace=False)))
            at = int(rng.integers(0, len(known) - 1))
            asked["phrase"].append(" ".join(known[at:at + 2]))
    for name, content in (("base", base), *asked.items()):
        with open(f"{folder}/{name}.txt", "w") as f:
            f.write("".join(x + "\n" for x in content))
    return base, asked


def kith(folder, step, realtime=True):
    return kith_bench(f"{folder}/db", f"{folder}/base.txt", f"{folder}/{step}.txt", "text", step, realtime=realtime)


def tantivy(folder, base, asked):
    import tantivy as t
    builder = t.SchemaBuilder()
    builder.add_text_field("t", stored=False, tokenizer_name="default", index_option="position")
    builder.add_integer_field("id", stored=True)
    os.makedirs(f"{folder}/tantivy")
    index = t.Index(builder.build(), path=f"{folder}/tantivy")
    start = time.perf_counter()
    writer = index.writer(heap_size=1 << 30, num_threads=1)
    for i, text in enumerate(base):
        writer.add_document(t.Document(t=text, id=i))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    out = {"load_s": time.perf_counter() - start, "disk_mb": folder_mb(f"{folder}/tantivy")}
    searcher, schema = index.searcher(), index.schema
    out["segments"] = searcher.num_segments
    term = lambda w: t.Query.term_query(schema, "t", w, "freq")
    ask = {"union": lambda w: t.Query.boolean_query([(t.Occur.Should, term(x)) for x in w]),
           "intersection": lambda w: t.Query.boolean_query([(t.Occur.Must, term(x)) for x in w]),
           "phrase": lambda w: t.Query.phrase_query(schema, "t", w)}
    alone()
    nothing = t.Query.term_query(schema, "t", "no such word", "freq")
    start = time.perf_counter()
    for _ in range(2000):
        searcher.search(nothing, K, count=False)
    out["call_us"] = (time.perf_counter() - start) / 2000 * 1e6
    for kind in KINDS:
        queries, best = [ask[kind](x.split()) for x in asked[kind]], None
        for _ in range(4):
            times = []
            for q in queries:
                start = time.perf_counter()
                searcher.search(q, K, count=False)
                times.append(time.perf_counter() - start)
            best = times if best is None or sum(times) < sum(best) else best
        found = [[(searcher.doc(address)["id"][0], score) for score, address in searcher.search(q, K, count=False).hits] for q in queries]
        out[kind] = {"qps": len(best) / sum(best), "p50_us": float(np.percentile(best, 50)) * 1e6,
                     "p99_us": float(np.percentile(best, 99)) * 1e6, "found": found}
    everywhere()
    return out


def agreement(ours, theirs):
    """the share of what they found that is as good, by our scores, as the last of ours; or is found as well"""
    same = total = 0
    for a, b in zip(ours, theirs):
        ids = {x[0] for x in a}
        same += sum(x[0] in ids for x in b)
        total += len(b)
    return same / max(total, 1)


def main():
    name, texts = sys.argv[1:3]
    folder = tempfile.mkdtemp(prefix="kith-bench-")
    try:
        base, asked = make(texts, folder)
        load = kith(folder, "load", realtime=False)
        ours = {kind: kith(folder, kind) for kind in KINDS}
        theirs = tantivy(folder, base, asked)
        again = {kind: kith(folder, kind) for kind in KINDS}
        lines = ["| question | kith QPS | again | p50, p99 us | tantivy QPS | p50, p99 us | kith/it | without its call | found by both |",
                 "|---|---|---|---|---|---|---|---|---|"]
        for kind in KINDS:
            a, b = ours[kind], theirs[kind]
            pure = 1e6 / max(1e6 / b["qps"] - theirs["call_us"], 0.1)
            lines.append(f"| {kind} | {a['qps']:,.0f} | {again[kind]['qps']:,.0f} | {a['p50_us']:.0f}, {a['p99_us']:.0f} | {b['qps']:,.0f} | "
                         f"{b['p50_us']:.0f}, {b['p99_us']:.0f} | {a['qps'] / b['qps']:.2f} | {a['qps'] / pure:.2f} | {agreement(a['found'], b['found']):.3f} |")
        publish(f"text-{name}.md", head(f"Text: {name}") + [
            "", f"{len(base):,} texts; {len(asked['union'])} questions of a kind: the ten best by BM25 (k1 1.2, b 0.75) of any of three words "
            "(union), of both of two (intersection), of two one after the other (phrase). One thread on a core of its own in the real-time "
            f"class, best of three passes. Tantivy {theirs['segments']} segment(s), through its Python binding, whose call costs "
            f"{theirs['call_us']:.1f} us with nothing to find: \"without its call\" takes that off. Ties are cut differently, and Tantivy keeps "
            f"lengths in a byte, so that not all found are the same. Load: kith {load['load_s']:.1f} s, {folder_mb(folder + '/db'):.0f} MB with the "
            f"texts; tantivy {theirs['load_s']:.1f} s, {theirs['disk_mb']:.0f} MB without.", ""] + lines)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
