"""Text indexes by their options, against the definition written down here: growing rows, sealed ones, and changed ones."""
import os
import random
import re

import pytest
from qdrant_client import models as m

from conftest import TRANSPORTS, sealing_early

WORDS = ["getHTTPCode", "snake_case2Go", "Fox", "foxes", "quick-brown", "a", "an", "Über", "überall", "42", "日本", "don't", "x.y", "jumping"]
SEED = int(os.environ.get("SEED", "1"))


@pytest.fixture(scope="module", params=TRANSPORTS)
def client(tmp_path_factory, request):
    yield from sealing_early(tmp_path_factory, 200, request.param)


def tokens(text, o, asked=False):
    if o["tokenizer"] == "code": # names come apart at their capitals
        text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text)
    if not o.get("keep"):
        text = text.lower()
    runs = text.split() if o["tokenizer"] == "whitespace" else "".join(c if c.isalnum() else " " for c in text).split()
    least, most = o.get("least") or 0, o.get("most") or 10 ** 9
    if o["tokenizer"] != "prefix":
        return [t for t in runs if least <= len(t) <= most]
    if asked:
        return [t[:most] for t in runs if len(t) >= max(least, 1)]
    return [t[:n] for t in runs for n in range(max(least, 1), min(len(t), most) + 1)]


def matches(kind, query, value, o):
    wanted = tokens(query, o, True)
    for text in value if isinstance(value, list) else [value]:
        if not isinstance(text, str) or not wanted:
            continue
        have = tokens(text, o)
        if kind == "any" and set(wanted) & set(have) or kind == "all" and set(wanted) <= set(have):
            return True
        if kind == "phrase" and any(have[i:i + len(wanted)] == wanted for i in range(len(have))):
            return True
    return False


@pytest.mark.parametrize("o", [
    {"tokenizer": "word"}, {"tokenizer": "word", "least": 2, "most": 4}, {"tokenizer": "whitespace", "keep": True},
    {"tokenizer": "whitespace", "least": 3}, {"tokenizer": "prefix", "least": 2, "most": 5}, {"tokenizer": "prefix"}, {"tokenizer": "code"},
    {"tokenizer": "code", "keep": True}], ids=str)
def test_options(client, o):
    r, name, docs = random.Random(SEED), "text", {}
    client.delete_collection(name)
    client.create_collection(name, vectors_config={})
    client.create_payload_index(name, "t", m.TextIndexParams(
        type="text", tokenizer=o["tokenizer"], min_token_len=o.get("least"), max_token_len=o.get("most"), lowercase=not o.get("keep"),
        phrase_matching=True))
    draw = lambda: r.choice([" ".join(r.choices(WORDS, k=r.randint(1, 5))), [r.choice(WORDS), r.choice(WORDS)], 7])

    def put(ids):
        for i in ids:
            docs[i] = draw()
        client.upsert(name, [m.PointStruct(id=i, vector={}, payload={"t": docs[i]}) for i in ids], wait=True)

    def ask():
        for _ in range(60):
            query = " ".join(r.sample(WORDS, r.randint(1, 2)))
            for kind, match in (("all", m.MatchText(text=query)), ("any", m.MatchTextAny(text_any=query)),
                                ("phrase", m.MatchPhrase(phrase=query))):
                if kind == "phrase" and o["tokenizer"] == "prefix":
                    continue
                got = client.count(name, count_filter=m.Filter(must=[m.FieldCondition(key="t", match=match)])).count
                assert got == sum(matches(kind, query, v, o) for v in docs.values()), (kind, query)
    put(range(150))
    ask()
    put(range(150, 700)) # some are sealed now
    for i in r.sample(range(700), 60):
        docs[i] = draw()
        client.set_payload(name, {"t": docs[i]}, points=[i], wait=True)
    ask()
    index = client.get_collection(name).payload_schema["t"]
    assert index.data_type == "text" and index.params.tokenizer == o["tokenizer"] and index.params.min_token_len == o.get("least")
