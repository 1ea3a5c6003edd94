"""Asks the demo server real questions, with nothing but Python's standard library."""
import array
import ast
import json
import random
import sys
import time
import urllib.request

URL, DATA = sys.argv[1], sys.argv[2]


def call(path, body=None):
    request = urllib.request.Request(URL + path, json.dumps(body).encode() if body else None,
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["result"] if path != "/" else json.load(answer)


def npy(path):
    raw = open(path, "rb").read()
    size = int.from_bytes(raw[8:10], "little")
    head = ast.literal_eval(raw[10:10 + size].decode())
    numbers = array.array("f")
    numbers.frombytes(raw[10 + size:])
    columns = head["shape"][1]
    return [numbers[i * columns:(i + 1) * columns].tolist() for i in range(head["shape"][0])]


def wait():
    for _ in range(100):
        try:
            return call("/")
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server does not answer; see build/demo.log")


def query(body):
    return call("/collections/packages/points/query?explain=true", body)


def show(points):
    for p in points:
        print(f"    {p['score']:.3f}  {p['payload']['name']:<26} {p['payload']['summary'][:66]}")


def main():
    version = wait()
    info = call("/collections/packages")
    print(f"\n{version['title']}: {info['points_count']} points, {info['indexed_vectors_count']} in a graph")
    questions = open(f"{DATA}/questions.txt").read().split("\n")[:-1]
    vectors = npy(f"{DATA}/questions.f32.npy")
    want = {"limit": 3, "with_payload": ["name", "summary"]}

    for i in (1, 3, 6, 19, 35):
        print(f"\n? {questions[i]}")
        show(query({"query": vectors[i], **want})["points"])

    print("\nPackages like calibre:")
    is_wanted = {"must": [{"key": "name", "match": {"value": "calibre"}}]}
    found = call("/collections/packages/points/scroll", {"filter": is_wanted, "limit": 1})["points"]
    like = found[0] if found else call("/collections/packages/points", {"ids": [42]})[0]
    show(query({"query": like["id"], **want})["points"])
    print(f"...the same, within section \"{like['payload']['section']}\" and at most 2 MB installed:")
    show(query({"query": like["id"], **want, "filter": {"must": [
        {"key": "section", "match": {"value": like["payload"]["section"]}},
        {"key": "installed_size_kb", "range": {"lte": 2048}}]}})["points"])

    print(f"\n? {questions[3]}: by meaning, and among those that say \"terminal\", the two orders fused:")
    show(query({"prefetch": [{"query": vectors[3], "limit": 20},
                             {"query": vectors[3], "limit": 20, "filter": {"must": [
                                 {"key": "summary", "match": {"text": "terminal"}}]}}],
                "query": {"fusion": "rrf"}, **want})["points"])
    print(f"? {questions[6]}: the best of each section:")
    groups = call("/collections/packages/points/query/groups", {
        "query": vectors[6], "group_by": "section", "limit": 3, "group_size": 1, "with_payload": ["name", "summary"]})["groups"]
    show([g["hits"][0] for g in groups])
    facets = call("/collections/packages/facet", {"key": "section", "limit": 4})["hits"]
    print("Sections: " + ", ".join(f"{f['value']} {f['count']}" for f in facets) + ", ...")

    hits = total = 0
    took = 0.0
    random.seed(1)
    for v in vectors:
        exact = query({"query": v, "limit": 10, "params": {"exact": True}})["points"]
        start = time.perf_counter()
        fast = query({"query": v, "limit": 10})
        took += time.perf_counter() - start
        plan = fast["explain"][0]["strategy"]
        hits += len({p["id"] for p in exact} & {p["id"] for p in fast["points"]})
        total += len(exact)
    print(f"\n{len(vectors)} questions: recall@10 {hits / total:.3f} against the exact scan (strategy: {plan}), "
          f"{took / len(vectors) * 1000:.2f} ms each with HTTP and JSON from Python")
    port = URL.rsplit(":", 1)[1]
    print(f"""
Go on from here:
  Python   QdrantClient("{URL}").query_points("packages", query=42, limit=3)
  curl     curl -s localhost:{port}/collections/packages/points/query -H 'content-type: application/json' -d '{{"query": 42, "limit": 3}}'
  C        cc examples/hello.c -Iinclude -Lbuild/release -lkith -Wl,-rpath,build/release -o hello && ./hello
""")


if __name__ == "__main__":
    main()
