"""What the server writes to its log, asked and changed while it runs."""
import json
import re
import time

import httpx
import pytest

from conftest import Server


@pytest.fixture
def server(tmp_path):
    s = Server(tmp_path / "kith", {"KITH_LOG_FORMAT": "text"})
    s.start()
    yield s
    s.stop()


def change(server, **body):
    return httpx.post(f"{server.url}/logger", json=body)


def said(server):
    """the lines about the asked path, once the server has stopped"""
    server.stop()
    return [line for line in server.process.stderr.read().splitlines() if "/collections?" in line]


def test_levels_and_forms(server):
    ask = lambda n: httpx.get(f"{server.url}/collections?n={n}").raise_for_status()
    assert httpx.get(f"{server.url}/logger").json()["result"] == {
        "log_level": "info", "default": {"format": "text"}, "on_disk": {"enabled": False}}
    ask(1)
    assert change(server, log_level="DEBUG").json()["result"] is True
    ask(2)
    assert change(server, default={"format": "json"}).json()["result"] is True  # the level stays
    ask(3)
    assert httpx.get(f"{server.url}/logger").json()["result"]["log_level"] == "debug"
    assert change(server, log_level="off").json()["result"] is True
    ask(4)
    time.sleep(0.1)
    text, line = said(server)
    assert re.match(r"\d+\.\d{3} debug .* GET /collections\?n=2 200 ", text)
    assert json.loads(line)["level"] == "debug" and "GET /collections?n=3 200" in json.loads(line)["message"]


def test_refusals(server):
    for body, says in [({"log_level": "loud"}, "log_level"), ({"log_level": 3}, "log_level"), ({"default": {"format": "xml"}}, "format"),
                       ({"on_disk": {"enabled": True}}, "on_disk"), ({"on_disk": {"enabled": 1}}, "on_disk.enabled")]:
        answer = change(server, **body)
        assert answer.status_code == 400 and says in answer.text, answer.text
    assert httpx.get(f"{server.url}/logger").json()["result"]["log_level"] == "info"


def test_level_at_start(tmp_path):
    s = Server(tmp_path / "kith", {"KITH_LOG_LEVEL": "error", "KITH_LOG_ACCESS": "true"}).start()
    httpx.get(f"{s.url}/collections?n=1").raise_for_status()
    assert said(s) == []
    with pytest.raises(RuntimeError, match="log.level"):
        Server(tmp_path / "other", {"KITH_LOG_LEVEL": "loud"}).start()
