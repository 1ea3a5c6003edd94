"""TLS: the official client over it, both protocols, large bodies both ways, many at once, certificates of clients, renewal."""
import os
import socket
import ssl
import subprocess
import threading
import time

import grpc
import httpx
import pytest
from qdrant_client import QdrantClient, grpc as stubs
from qdrant_client import models as m

from conftest import Server


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True, timeout=60)


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign",  # Python 3.13 insists
            "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")


def certificate(folder, name, ca, to=None):
    to = to or name
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout",
            f"{folder}/{to}.key", "-out", f"{folder}/{to}.csr")
    with open(f"{folder}/{to}.ext", "w") as f:
        f.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    openssl("x509", "-req", "-in", f"{folder}/{to}.csr", "-CA", f"{folder}/{ca}.pem", "-CAkey", f"{folder}/{ca}.key", "-days", "2",
            "-extfile", f"{folder}/{to}.ext", "-out", f"{folder}/{to}.pem")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certs")
    authority(folder, "ca")
    authority(folder, "stranger")
    certificate(folder, "localhost", "ca")
    certificate(folder, "client", "ca")
    certificate(folder, "other", "stranger")
    return folder


class TlsServer(Server):
    """the same, asked whether it lives over TLS"""
    def start(self):
        environment = {"PATH": os.environ["PATH"], "KITH_SERVICE_ENABLE_TLS": "true", **self.environment}
        self.process = subprocess.Popen([os.environ.get("BINARY", "build/kith"), "serve", "--data", self.data, "--rest-port", str(self.port),
                                         "--grpc-port", str(self.grpc_port), "--metrics-port", "0"], env=environment,
                                        stderr=subprocess.PIPE, text=True)
        for _ in range(600):
            if self.process.poll() is not None:
                raise RuntimeError(self.process.stderr.read())
            try:
                socket.create_connection(("127.0.0.1", self.grpc_port), 5).close()
                return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError("the server does not answer")


@pytest.fixture(scope="module")
def server(tmp_path_factory, folder):
    s = TlsServer(tmp_path_factory.mktemp("tls") / "kith", {"KITH_TLS_CERT": f"{folder}/localhost.pem", "KITH_TLS_KEY": f"{folder}/localhost.key"}).start()
    yield s
    s.stop()


def read(path):
    with open(path, "rb") as f:
        return f.read()


def rest(server, folder, **more):
    return QdrantClient(url=f"https://localhost:{server.port}", verify=ssl.create_default_context(cafile=f"{folder}/ca.pem"),
                        timeout=60, check_compatibility=False, **more)


def channel(server, folder, who=None):
    pair = {"private_key": read(f"{folder}/{who}.key"), "certificate_chain": read(f"{folder}/{who}.pem")} if who else {}
    return grpc.secure_channel(f"localhost:{server.grpc_port}", grpc.ssl_channel_credentials(read(f"{folder}/ca.pem"), **pair))


def test_both_protocols(server, folder):
    c = rest(server, folder)
    c.create_collection("c", vectors_config=m.VectorParams(size=64, distance="Dot"))
    points = [m.PointStruct(id=i, vector=[i] * 64, payload={"text": "x" * 2000}) for i in range(2000)]
    for at in range(0, 2000, 1000):
        c.upsert("c", points[at:at + 1000], wait=True)  # megabytes each
    got, _ = c.scroll("c", limit=2000, with_vectors=True)  # more than a socket holds
    assert len(got) == 2000 and got[7].vector == [7] * 64 and got[1999].payload == {"text": "x" * 2000}
    with channel(server, folder) as ch:
        api = stubs.PointsStub(ch)
        found = api.Scroll(stubs.ScrollPoints(collection_name="c", limit=1500, with_payload=stubs.WithPayloadSelector(enable=True)), timeout=60)
        assert len(found.result) == 1500
        assert stubs.QdrantStub(ch).HealthCheck(stubs.HealthCheckRequest(), timeout=60).version
        asked = [api.Count.future(stubs.CountPoints(collection_name="c"), timeout=60) for _ in range(200)]  # streams of one connection
        assert all(x.result().result.count == 2000 for x in asked)


def test_many_at_once(server, folder):
    c = rest(server, folder)
    c.recreate_collection("many", vectors_config=m.VectorParams(size=4, distance="Dot"))
    c.upsert("many", [m.PointStruct(id=i, vector=[i, 0, 0, 1], payload={"t": "y" * 500}) for i in range(300)], wait=True)
    wrong = []

    def ask(k):
        one = httpx.Client(verify=ssl.create_default_context(cafile=f"{folder}/ca.pem"))
        for i in range(60):
            n = (k * 7 + i) % 300 + 1
            r = one.post(f"https://localhost:{server.port}/collections/many/points/scroll", json={"limit": n}, timeout=60)
            if r.status_code != 200 or len(r.json()["result"]["points"]) != n:
                wrong.append((k, i, r.status_code))

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(12)]
    [t.start() for t in threads]
    [t.join(120) for t in threads]
    assert not wrong


def test_requests_one_after_the_other_in_one_write(server, folder):
    context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 10), server_hostname="localhost") as s:
        s.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" * 20 + b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        text = b""
        while part := s.recv(65536):
            text += part
    assert text.count(b"HTTP/1.1 200 OK") == 21


def test_who_does_not_belong(server, folder):
    with pytest.raises(httpx.HTTPError):
        httpx.get(f"http://localhost:{server.port}/healthz", timeout=10)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"https://localhost:{server.port}/healthz", verify=ssl.create_default_context(cafile=f"{folder}/stranger.pem"), timeout=10)
    old = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        old.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 10), server_hostname="localhost")
    for nonsense in (b"\x16\x03\x01\x00\x05hello", b"\x00" * 4000, os.urandom(3000)):
        with socket.create_connection(("127.0.0.1", server.port), 10) as s:
            s.sendall(nonsense)
            s.shutdown(socket.SHUT_WR)
            try:
                while s.recv(4096):
                    pass
            except ConnectionResetError:
                pass
    assert rest(server, folder).get_collections()


def test_certificates_of_clients(tmp_path, folder):
    s = TlsServer(tmp_path / "kith", {"KITH_TLS_CERT": f"{folder}/localhost.pem", "KITH_TLS_KEY": f"{folder}/localhost.key",
                                      "KITH_TLS_CA_CERT": f"{folder}/ca.pem", "KITH_SERVICE_VERIFY_HTTPS_CLIENT_CERTIFICATE": "true"}).start()
    for who, welcome in (("client", True), ("other", False), (None, False)):
        context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
        if who:
            context.load_cert_chain(f"{folder}/{who}.pem", f"{folder}/{who}.key")
        try:
            assert httpx.get(f"https://localhost:{s.port}/healthz", verify=context, timeout=10).status_code == 200 and welcome
        except httpx.HTTPError:
            assert not welcome
    with channel(s, folder, "client") as ch:
        assert stubs.QdrantStub(ch).HealthCheck(stubs.HealthCheckRequest(), timeout=60).version
    s.stop()


def subject(server, folder):
    context = ssl.create_default_context(cafile=f"{folder}/ca.pem")
    with context.wrap_socket(socket.create_connection(("127.0.0.1", server.port), 10), server_hostname="localhost") as s:
        return dict(x[0] for x in s.getpeercert()["subject"])["commonName"]


def test_renewal(tmp_path, folder):
    certificate(folder, "first", "ca", "now")
    s = TlsServer(tmp_path / "kith", {"KITH_TLS_CERT": f"{folder}/now.pem", "KITH_TLS_KEY": f"{folder}/now.key", "KITH_TLS_CERT_TTL": "1"}).start()
    assert subject(s, folder) == "first"
    certificate(folder, "second", "ca", "next")
    os.replace(f"{folder}/next.key", f"{folder}/now.key")  # for a moment they do not belong together
    time.sleep(1.1)
    assert subject(s, folder) == "first"
    os.replace(f"{folder}/next.pem", f"{folder}/now.pem")
    time.sleep(1.1)
    assert subject(s, folder) == "second"
    s.stop()


@pytest.mark.parametrize("environment, why", [
    ({}, "needs tls.cert and tls.key"), ({"KITH_TLS_CERT": "/nowhere.pem", "KITH_TLS_KEY": "/nowhere.key"}, "certificate /nowhere.pem"),
])
def test_refused_at_start(tmp_path, environment, why):
    with pytest.raises(RuntimeError, match=why):
        TlsServer(tmp_path / "kith", environment).start()
