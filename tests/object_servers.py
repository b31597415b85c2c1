"""Servers of object stores on a free port: as much of Google's and the Hub's as runs ask for; moto's S3."""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from pyarrow.fs import FileSystem

DATE = "2026-01-01T00:00:00.000Z"


class Store(BaseHTTPRequestHandler):
    """Objects by name; the last part of a path after `prefix` names one."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]

    def log_message(self, *_):
        pass

    def answer(self, content=b"", status=200, **headers):
        if isinstance(content, (dict, list)):
            content, headers = json.dumps(content).encode(), {"Content-Type": "application/json", **headers}
        self.send_response(status)
        for name, value in {**headers, "Content-Length": headers.get("length", len(content))}.items():
            if name != "length":
                self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def answer_object(self, name, **headers):
        """The object, or the range of it that is asked for."""
        content = self.objects[name]
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not found:
            return self.answer(content, **headers)
        begin, end = int(found[1]), min(int(found[2] or len(content)), len(content) - 1)
        headers["Content_Range"] = f"bytes {begin}-{end}/{len(content)}"
        return self.answer(content[begin : end + 1], 206, **headers)

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def children(self, prefix):
        """The names directly under a prefix: objects, and folders with a slash at their end."""
        under = (name[len(prefix) :] for name in sorted(self.objects) if name.startswith(prefix))
        return dict.fromkeys(prefix + (f"{rest.partition('/')[0]}/" if "/" in rest else rest) for rest in under)

    @property
    def query(self):
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}


class Google(Store):
    """The JSON API of one bucket of Cloud Storage."""

    def meta(self, name):
        size = len(self.objects[name])
        numbers = {"generation": "1", "metageneration": "1", "size": str(size)}
        return {"kind": "storage#object", "bucket": "posts", "name": name, **numbers, "updated": DATE}

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        if path == "/storage/v1/b/posts":
            return self.answer({"kind": "storage#bucket", "name": "posts"})
        if path == "/storage/v1/b/posts/o":
            prefix = self.query.get("prefix", "")
            flat = [name for name in sorted(self.objects) if name.startswith(prefix)]
            found = self.children(prefix) if "delimiter" in self.query else flat
            items = [self.meta(name) for name in found if not name.endswith("/")]
            return self.answer({"items": items, "prefixes": [name for name in found if name.endswith("/")]})
        name = path.removeprefix("/storage/v1/b/posts/o/").removeprefix("/posts/")
        if name not in self.objects:
            return self.answer({"error": {"code": 404, "message": "not found"}}, 404)
        if path.startswith("/storage/") and self.query.get("alt") != "media":
            return self.answer(self.meta(name))
        return self.answer_object(name, **{"x-goog-generation": 1})

    do_HEAD = do_GET

    def do_POST(self):
        if self.query.get("uploadType") == "resumable":
            self.body()
            name = self.query.get("name") or ""
            where = f"http://{self.headers['Host']}/upload/storage/v1/b/posts/o?name={quote(name)}&upload_id=1"
            return self.answer(Location=where)
        return self.answer(status=400)

    def do_PUT(self):
        self.objects[self.query["name"]] = self.body()
        return self.answer(self.meta(self.query["name"]))

    def do_DELETE(self):
        self.objects.pop(unquote(urlsplit(self.path).path).removeprefix("/storage/v1/b/posts/o/"), None)
        return self.answer(status=204)


class Hub(Store):
    """The API of one repository of data sets of the Hub, ``datasets/me/posts``."""

    def entry(self, name):
        kind = "directory" if name.endswith("/") else "file"
        return {"type": kind, "path": name.rstrip("/"), "oid": "0" * 40, "size": len(self.objects.get(name, b""))}

    def found(self, path):
        """The entry of a path, if there is one."""
        known = [path] if path in self.objects else [f"{path}/"] if self.children(f"{path}/") else []
        return [self.entry(name) for name in known]

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        name = path.partition("/main")[2].strip("/")
        if "/tree/" in path and (not name or self.found(name)):
            return self.answer([self.entry(each) for each in self.children(f"{name}/" if name else "")])
        if "/resolve/" in path and name in self.objects:
            return self.answer_object(name, ETag='"1"', X_Repo_Commit="0" * 40)
        if path in ("/api/datasets/me/posts", "/api/datasets/me/posts/revision/main"):
            return self.answer({"id": "me/posts", "sha": "0" * 40, "siblings": [], "tags": [], "private": False})
        missing = "EntryNotFound" if "me/posts" in path else "RepoNotFound"
        return self.answer(status=404, X_Error_Code=missing)

    do_HEAD = do_GET

    def do_POST(self):
        path, body = urlsplit(self.path).path, self.body()
        if "/paths-info/" in path:
            wanted = json.loads(body)["paths"] if body[:1] == b"{" else parse_qs(body.decode())["paths"]
            return self.answer([entry for each in wanted for entry in self.found(each)])
        if "/preupload/" in path:
            files = [{**each, "uploadMode": "regular", "shouldIgnore": False} for each in json.loads(body)["files"]]
            return self.answer({"files": files})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                self.objects[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                self.objects.pop(line["value"]["path"])
        return self.answer({"commitUrl": f"http://{self.headers['Host']}/datasets/me/posts/commit/1", "commitOid": "1"})


@contextmanager
def serving(kind):
    """A server in a process of its own, as Arrow may hold the interpreter's lock while it waits; its address."""
    with subprocess.Popen([sys.executable, __file__, kind], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


if __name__ == "__main__":
    handler = {"google": Google, "hub": Hub}[sys.argv[1]]
    handler.objects = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()


@contextmanager
def amazon(patch, bucket):
    """moto's server of S3, with a bucket."""
    if not (program := shutil.which("moto_server")):
        pytest.skip("moto_server is not installed: pip install 'moto[server]'")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with closing_process(running):
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        FileSystem.from_uri(f"s3://{bucket}?allow_bucket_creation=true")[0].create_dir(bucket)
        yield


@contextmanager
def closing_process(running):
    try:
        yield
    finally:
        running.terminate()
        running.wait()
