"""Connections: many requests in one go, a long life, nonsense after sense."""
import json
import os
import socket


def request(path, body=None, method="GET"):
    data = json.dumps(body).encode() if body is not None else b""
    return (f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"content-length: {len(data)}\r\n\r\n").encode() + data


def answers(sock, count):
    data, out = b"", []
    while len(out) < count:
        head, gap, rest = data.partition(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) if gap else 0
        if gap and len(rest) >= size:
            out.append((int(head.split()[1]), rest[:size]))
            data = rest[size:]
            continue
        more = sock.recv(1 << 16)
        if not more:
            break
        data += more
    return out


def connect(server):
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def test_pipelined_requests_are_answered_in_order(server):
    with connect(server) as sock:
        sock.sendall(b"".join(request(f"/collections/c{i}") for i in range(300)))
        got = answers(sock, 300)
    assert [status for status, _ in got] == [404] * 300
    for i, (_, body) in enumerate(got):
        assert f"`c{i}`" in json.loads(body)["status"]["error"]


def test_a_request_in_pieces(server):
    whole = request("/collections/pieces", {"vectors": {"size": 4, "distance": "Dot"}}, "PUT")
    with connect(server) as sock:
        for i in range(len(whole)):
            sock.sendall(whole[i:i + 1])
        assert answers(sock, 1)[0][0] == 200
        sock.sendall(request("/collections/pieces"))
        assert answers(sock, 1)[0][0] == 200


def test_a_long_lived_connection_keeps_no_memory(server):
    def resident():
        with open(f"/proc/{server.process.pid}/statm") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    body = {"vector": [0.0] * 20000, "limit": 1}  # 100 KB, refused: the collection is not there
    with connect(server) as sock:
        for i in range(3000):
            sock.sendall(request("/collections/none/points/search", body, "POST"))
            assert answers(sock, 1)[0][0] == 404
            if i == 100:
                before = resident()
    assert resident() - before < 200 << 20  # of 290 sent; a sanitizer holds freed memory back


def test_nonsense_after_sense(server):
    with connect(server) as sock:
        sock.sendall(request("/collections"))
        assert answers(sock, 1)[0][0] == 200
        sock.sendall(b"\x00\x01 nonsense\r\n\r\n")
        assert answers(sock, 1)[0][0] == 400
        assert sock.recv(10) == b""
    with connect(server) as sock:
        sock.sendall(request("/collections"))
        assert answers(sock, 1)[0][0] == 200
