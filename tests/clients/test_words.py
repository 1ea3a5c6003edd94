"""How words are made: folding, stems, words that are left out, scripts without spaces; and the model bm25, whose vectors
are those that the clients make of the same text."""
import math

import pytest
from qdrant_client import QdrantClient
from qdrant_client import models as m

from conftest import TRANSPORTS, sealing_early

TEXTS = ["The running foxes jumped over a fence", "He runs and she ran; they are running", "Crème brûlée à la façon de Straße",
         "creme brulee", "Łódź, København, Þingvellir", "東京は日本の首都です", "我来到北京清华大学", "ประเทศไทยสวยงาม", "Fences and FOXES",
         "to be or not to be", "Läufer laufen durch Häuser", "e-mail me at 10 o'clock"]


@pytest.fixture(scope="module", params=TRANSPORTS)
def client(tmp_path_factory, request):
    yield from sealing_early(tmp_path_factory, 100, request.param)


def found(client, match):
    f = m.Filter(must=[m.FieldCondition(key="t", match=match)])
    return {p.id for p in client.scroll("words", scroll_filter=f, limit=100)[0]}


CASES = [ # options, question, ids by all words, ids by a phrase
    (dict(stemmer=m.SnowballParams(type=m.Snowball.SNOWBALL, language=m.SnowballLanguage.ENGLISH)), "run", {0, 1}, {0, 1}),
    (dict(stemmer=m.SnowballParams(type=m.Snowball.SNOWBALL, language=m.SnowballLanguage.ENGLISH)), "Fence fox", {0, 8}, set()),
    (dict(stemmer=m.SnowballParams(type=m.Snowball.SNOWBALL, language=m.SnowballLanguage.GERMAN)), "Haus lauf", {10}, set()),
    (dict(), "run", set(), set()),
    (dict(ascii_folding=True), "creme BRÛLÉE", {2, 3}, {2, 3}),
    (dict(ascii_folding=True), "strasse facon", {2}, set()),
    (dict(ascii_folding=True), "lodz kobenhavn thingvellir", {4}, {4}),
    (dict(), "creme", {3}, {3}),
    (dict(stopwords=m.Language.ENGLISH), "to be or not", set(), set()),
    (dict(stopwords=m.Language.ENGLISH), "fence running", {0}, set()),
    (dict(stopwords=m.Language.ENGLISH), "the jumped a fence", {0}, {0}),
    (dict(stopwords=m.StopwordsSet(custom=["FENCE", "jumped"])), "foxes over fence", {0}, {0}),
    (dict(tokenizer=m.TokenizerType.MULTILINGUAL), "日本", {5}, {5}),
    (dict(tokenizer=m.TokenizerType.MULTILINGUAL), "北京", {6}, {6}),
    (dict(tokenizer=m.TokenizerType.MULTILINGUAL), "ประเทศไทย", {7}, {7}),
    (dict(tokenizer=m.TokenizerType.MULTILINGUAL), "mail clock", set(), set()),
    (dict(), "北京", set(), set()),
    (dict(stopwords=m.Language.GERMAN), "und die sind", set(), set()),
    (dict(stopwords=m.StopwordsSet(languages=[m.Language.GERMAN, m.Language.FRENCH])), "die Häuser und", {10}, {10}),
    (dict(tokenizer=m.TokenizerType.CODE), "jumped", {0}, {0}),
    (dict(stopwords=m.StopwordsSet(languages=[m.Language.ENGLISH], custom=["foxes"]), min_token_len=4,
          stemmer=m.SnowballParams(type=m.Snowball.SNOWBALL, language=m.SnowballLanguage.ENGLISH)), "fences foxes", {0, 8}, {0, 8}),
]


@pytest.mark.parametrize("case", range(len(CASES)))
def test_text_indexes(client, case):
    options, question, all_words, phrase = CASES[case]
    client.delete_collection("words")
    client.create_collection("words", m.VectorParams(size=1, distance=m.Distance.DOT))
    params = m.TextIndexParams(type=m.TextIndexType.TEXT, phrase_matching=True, **options)
    assert client.create_payload_index("words", "t", params).status == "completed"
    for at in range(0, 300, len(TEXTS)): # some of them in files, some in memory
        client.upsert("words", [m.PointStruct(id=at * 100 + i, vector=[1.0], payload={"t": t if at == 0 else "filler words"})
                                for i, t in enumerate(TEXTS)], wait=True)
    client.upsert("words", [m.PointStruct(id=i + 1000000, vector=[1.0], payload={"t": t}) for i, t in enumerate(TEXTS)])
    both = lambda ids: ids | {i + 1000000 for i in ids}
    assert found(client, m.MatchText(text=question)) == both(all_words), options
    assert found(client, m.MatchPhrase(phrase=question)) == both(phrase), options
    got = client.get_collection("words").payload_schema["t"].params
    for key, value in options.items():
        there = getattr(got, key)
        if key == "stopwords": # a language alone comes back as a list of one over gRPC
            as_lists = lambda x: ([x], []) if isinstance(x, m.Language) else (x.languages or [], x.custom or [])
            there, value = as_lists(there), as_lists(value)
        assert there == value, key


LITTLE = {"arabic": "على", "azerbaijani": "amma", "basque": "edo", "bengali": "এবং", "catalan": "però", "chinese": "我们", "danish": "eller",
          "dutch": "niet", "english": "because", "finnish": "mutta", "french": "avec", "german": "nicht", "greek": "γιατί", "hebrew": "אבל",
          "hinglish": "lekin", "hungarian": "hogy", "indonesian": "tetapi", "italian": "della", "japanese": "ため", "kazakh": "және",
          "nepali": "पनि", "norwegian": "ikke", "portuguese": "uma", "romanian": "pentru", "russian": "если", "slovene": "ampak",
          "spanish": "para", "swedish": "eller", "tajik": "агар", "turkish": "için"}


def test_every_language(client):
    """a word that says little in its language is not kept, and one that does is"""
    assert {x.value for x in m.Language} == set(LITTLE)
    for language in m.Language:
        word = LITTLE[language.value]
        client.delete_collection("words")
        client.create_collection("words", m.VectorParams(size=1, distance=m.Distance.DOT))
        client.create_payload_index("words", "t", m.TextIndexParams(type=m.TextIndexType.TEXT, stopwords=language, tokenizer=m.TokenizerType.WHITESPACE))
        client.upsert("words", [m.PointStruct(id=1, vector=[1.0], payload={"t": f"{word} kith"})], wait=True)
        assert found(client, m.MatchText(text="kith")) == {1} and found(client, m.MatchText(text=f"KITH {word}")) == {1}, language
        assert found(client, m.MatchText(text=word)) == set(), language


def test_what_is_refused(client):
    client.delete_collection("words")
    client.create_collection("words", m.VectorParams(size=1, distance=m.Distance.DOT))
    for wrong, text in ((dict(min_token_len=5, max_token_len=2), "shorter"),):
        with pytest.raises(Exception, match=text):
            client.create_payload_index("words", "t", m.TextIndexParams(type=m.TextIndexType.TEXT, **wrong))


def murmur3(data):
    """MurmurHash3_x86_32 with seed 0, as its author describes it"""
    h, rotate = 0, lambda x, n: (x << n | x >> 32 - n) & 0xffffffff
    for at in range(0, len(data) - len(data) % 4, 4):
        k = int.from_bytes(data[at:at + 4], "little") * 0xcc9e2d51 & 0xffffffff
        h = (rotate(h ^ rotate(k, 15) * 0x1b873593 & 0xffffffff, 13) * 5 + 0xe6546b64) & 0xffffffff
    tail = data[len(data) - len(data) % 4:]
    if tail:
        k = int.from_bytes(tail, "little") * 0xcc9e2d51 & 0xffffffff
        h ^= rotate(k, 15) * 0x1b873593 & 0xffffffff
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85ebca6b & 0xffffffff
    h = (h ^ h >> 13) * 0xc2b2ae35 & 0xffffffff
    h ^= h >> 16
    return abs(h - (1 << 32) if h >> 31 else h)


def test_murmur_is_murmur():
    assert murmur3(b"") == 0 and murmur3(b"hello") == 0x248bfa47 and murmur3(b"hello, world") == 0x149bbb7f


def weights(words, k=1.2, b=0.75, avg=256.0):
    return {murmur3(w.encode()): words.count(w) * (k + 1) / (words.count(w) + k * (1 - b + b * len(words) / avg))
            for w in set(words)}


def test_bm25(client):
    client.delete_collection("bm")
    client.create_collection("bm", {}, sparse_vectors_config={"s": m.SparseVectorParams(modifier=m.Modifier.IDF)})
    remote = lambda text, **options: m.Document(text=text, model="Qdrant/BM25", options=options or None)
    put = lambda i, d: client._client.upsert("bm", [m.PointStruct(id=i, vector={"s": d})], wait=True)
    vector = lambda i: dict(zip(*(lambda v: (v.indices, v.values))(client.retrieve("bm", [i], with_vectors=True)[0].vector["s"])))
    close = lambda got, want: got.keys() == want.keys() and all(math.isclose(got[k], want[k], rel_tol=1e-5) for k in want)
    put(1, remote("The running foxes ran, the FOXES jumped"))
    put(2, remote("fences, fences and a fox"))
    put(3, remote("Der Fuchs lief", language="none"))
    put(5, remote("Der Fuchs lief und die Füchse liefen", language="german"))
    assert close(vector(5), weights(["fuch", "lief", "fuchs", "lief"]))
    put(5, remote("el zorro corría", language="spanish"))
    assert close(vector(5), weights(["zorr", "corr"]))
    client._client.delete("bm", m.PointIdsList(points=[5]), wait=True)
    put(4, remote("a b c d e f", k=2.0, b=0.0, avg_len=3.0, tokenizer="whitespace", language="none", min_token_len=1))
    assert close(vector(1), weights(["run", "fox", "ran", "fox", "jump"]))
    assert close(vector(2), weights(["fenc", "fenc", "fox"]))
    assert close(vector(3), weights(["der", "fuchs", "lief"]))
    assert close(vector(4), weights(list("abcdef"), 2.0, 0.0))
    got = client._client.query_points("bm", query=m.NearestQuery(nearest=remote("foxes on a fence")), using="s").points
    assert [p.id for p in got] == [2, 1]
    idf = lambda df: math.log(1 + (4 - df + 0.5) / (df + 0.5))
    one, two = weights(["run", "fox", "ran", "fox", "jump"]), weights(["fenc", "fenc", "fox"])
    fox, fence = murmur3(b"fox"), murmur3(b"fenc")
    assert math.isclose(got[0].score, idf(2) * two[fox] + idf(1) * two[fence], rel_tol=1e-4)
    assert math.isclose(got[1].score, idf(2) * one[fox], rel_tol=1e-4)
    fused = client._client.query_points("bm", query=m.FusionQuery(fusion=m.Fusion.RRF), prefetch=[
        m.Prefetch(query=m.NearestQuery(nearest=d), using="s")
        for d in (remote("fuchs", language="none"), remote("jump"))]).points
    assert {p.id for p in fused} == {1, 3}
    for wrong, text in ((m.Document(text="x", model="some/model"), "is not here"), (remote("x", language="klingon"), "klingon"),
                        (remote("x", stemmer={"type": "snowball", "language": "klingon"}), "klingon")):
        with pytest.raises(Exception, match=text):
            put(9, wrong)
    assert client.count("bm").count == 4
