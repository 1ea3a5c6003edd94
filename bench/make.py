"""Makes what no file at hand has: questions about given texts, and vectors of any dimension with queries of another kind.

usage: make.py questions TEXTS OUT.npy         TEXTS: one a line, perhaps .zst; 1,000 questions, 384 dimensions
       make.py synthetic DIM ROWS FOLDER       base.npy, query.npy (of the same kind), ood.npy (of another)
"""
import collections
import os
import re
import subprocess
import sys

import numpy as np

FORMS = ["how do i use {} with {}?", "what is the difference between {} and {}?",
         "why does my {} not work with {} any more?", "who can explain {} and {} to a child?"]


def questions(texts, out):
    """two words of the texts that were never meant to meet: near no text, as questions are"""
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools"))
    from minilm import MiniLM
    raw = subprocess.run(["zstd", "-dc", texts], capture_output=True, check=True).stdout if texts.endswith(".zst") \
        else open(texts, "rb").read()
    df = collections.Counter(w for line in raw.decode().lower().splitlines() for w in set(re.findall("[a-z]{3,}", line)))
    words = [w for w, n in df.items() if 5 <= n <= 4000]
    rng = np.random.default_rng(3)
    asked = [FORMS[i % len(FORMS)].format(*rng.choice(words, 2, replace=False)) for i in range(1000)]
    np.save(out, MiniLM().embed(asked))


def synthetic(dim, rows, folder):
    """points around 400 places in 32 dimensions, bent into more; the other kind is bent a little otherwise, and moved,
    as texts are beside the images they describe"""
    rng = np.random.default_rng(5)
    places = rng.standard_normal((400, 32)) * 1.2
    bend = rng.standard_normal((32, 256)) / np.sqrt(32)
    widen = rng.standard_normal((256, dim)) / 16
    other = bend + 0.5 * rng.standard_normal(bend.shape) / np.sqrt(32)
    moved = rng.standard_normal(dim) * 0.5

    def make(n, how, by):
        z = places[rng.integers(0, len(places), n)] + rng.standard_normal((n, 32)) * 0.7
        x = np.tanh(z @ how) @ widen + by + 0.05 * rng.standard_normal((n, dim))
        return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    os.makedirs(folder, exist_ok=True)
    np.save(f"{folder}/base.npy", np.concatenate([make(min(20000, rows - at), bend, 0) for at in range(0, rows, 20000)]))
    np.save(f"{folder}/query.npy", make(1000, bend, 0))
    np.save(f"{folder}/ood.npy", make(1000, other, moved))


if __name__ == "__main__":
    if sys.argv[1] == "questions":
        questions(sys.argv[2], sys.argv[3])
    else:
        synthetic(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
