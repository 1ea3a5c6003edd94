"""What the server says of itself at /openapi.json, held to what it does: every JSON answer that a test gets through httpx
is of the form described for its operation, and so is every body that was taken."""
import json
import re
import urllib.request

import httpx
import jsonschema_rs

SERVERS = set()  # ports of those that tests have started
seen = set()     # operations that were answered


class Description:
    def __init__(self, url):
        with urllib.request.urlopen(url + "/openapi.json", timeout=20) as answer:
            self.doc = json.load(answer)
        self.paths = [(re.compile("^" + re.sub(r"\{\w+\}", "[^/]+", path) + "$"), path) for path in self.doc["paths"]]
        self.validators = {}

    def operation(self, method, path):
        """literal paths come before those with a name in their place"""
        found = [p for pattern, p in self.paths if pattern.match(path) and method in self.doc["paths"][p]]
        return min(found, key=lambda p: p.count("{")) if found else None

    def validator(self, where, schema):
        if where not in self.validators:
            self.validators[where] = jsonschema_rs.validator_for({**schema, "components": self.doc["components"]})
        return self.validators[where]

    def check(self, what, where, content, text):
        schema = content.get("application/json", {}).get("schema")
        if schema is None or not text:
            return
        errors = list(self.validator(where, schema).iter_errors(json.loads(text)))
        if errors:
            raise AssertionError(f"{what} is not as described at {where}: {errors[0].message} at {list(errors[0].instance_path)}: {text[:600]!r}")

    def answer(self, method, path, status, type, body, text):
        operation = self.operation(method, path)
        if operation is None or "json" not in type:
            return
        described = self.doc["paths"][operation][method]
        code = str(status) if str(status) in described["responses"] else "default"
        seen.add((method, operation))
        if (status < 300) == (code != "default"):
            self.check("the answer", (method, operation, code), described["responses"][code].get("content", {}), text)
        if status == 200 and body:
            self.check("the body", (method, operation, "body"), described.get("requestBody", {}).get("content", {}), body)


description = None


def learn(port):
    global description
    SERVERS.add(port)
    if description is None:
        description = Description(f"http://127.0.0.1:{port}")


def look(request, response, text):
    if description is None or request.url.port not in SERVERS:
        return
    try:
        body = request.content if "json" in request.headers.get("content-type", "") else b""
    except httpx.RequestNotRead:  # it was streamed
        body = b""
    description.answer(request.method.lower(), request.url.raw_path.decode().split("?")[0], response.status_code,
                       response.headers.get("content-type", ""), body, text)


def watch():
    plain, asynchronous = httpx.Client.send, httpx.AsyncClient.send

    def send(self, request, *, stream=False, **more):
        response = plain(self, request, stream=stream, **more)
        if not stream:
            look(request, response, response.content)
        return response

    async def send_later(self, request, *, stream=False, **more):
        response = await asynchronous(self, request, stream=stream, **more)
        if not stream:
            look(request, response, response.content)
        return response
    httpx.Client.send, httpx.AsyncClient.send = send, send_later
