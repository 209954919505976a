"""The part of the hub that takes uploads, on this machine."""

import base64
import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import ClassVar

BIG = (".safetensors",)
"""Endings of files that go the way of large ones."""


class UploadHub:
    """Keeps what is committed.

    `broken` holds beginnings of paths that it refuses; while `stuck` is set it answers no commit,
    and sets `reached` when one is asked for.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.tokens: set[str | None] = set()
        self.broken: tuple[str, ...] = ()
        self.stuck = False
        self.reached = Event()
        self.private: dict[str, bool] = {}
        self.blobs: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.commits = 0
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    hub: ClassVar[UploadHub]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._begin()
        self._answer({"id": "me/run", "sha": "0" * 40, "siblings": [], "lastModified": None})

    def do_PUT(self) -> None:
        body = self._begin()
        if self._fails():
            return
        self.hub.blobs[hashlib.sha256(body).hexdigest()] = body
        self._answer({})

    def do_POST(self) -> None:
        body = self._begin()
        if self._fails():
            return
        path = self.path.partition("?")[0]
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'me'}/{asked['name']}"
            self.hub.private.setdefault(name, asked.get("visibility") == "private")
            self._answer({"url": f"{self.hub.url}/{name}"})
        elif path == "/api/validate-yaml":
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in path:
            files = json.loads(body)["files"]
            self._answer({"files": [self._preuploaded(file["path"]) for file in files]})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            answer = {"transfer": "basic", "objects": [self._wanted(one) for one in objects]}
            self._answer(answer, "application/vnd.git-lfs+json")
        else:
            self._commit(body)

    def _preuploaded(self, path: str) -> dict[str, object]:
        mode = "lfs" if path.endswith(BIG) else "regular"
        there = self.hub.files.get(path)
        oid = None if there is None else _oid(there, mode)
        return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _wanted(self, asked: dict[str, object]) -> dict[str, object]:
        upload = {"href": f"{self.hub.url}/upload/{asked['oid']}"}
        actions = {} if asked["oid"] in self.hub.blobs else {"actions": {"upload": upload}}
        return {**asked, **actions}

    def _commit(self, body: bytes) -> None:
        if self.hub.stuck:
            self.hub.reached.set()
            return
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                self.hub.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.hub.files[value["path"]] = self.hub.blobs[value["oid"]]
        self.hub.commits += 1
        url = f"{self.hub.url}/me/run/commit/{self.hub.commits:040x}"
        self._answer({"commitUrl": url, "commitOid": f"{self.hub.commits:040x}"})

    def _begin(self) -> bytes:
        self.hub.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        if not self.path.startswith("/upload/"):
            self.hub.tokens.add(self.headers.get("Authorization"))
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _fails(self) -> bool:
        if not any(self.path.startswith(begin) for begin in self.hub.broken):
            return False
        token = self.headers.get("Authorization")
        self._answer({"error": f"not for {token}"}, status=403)
        return True

    def _answer(self, value: object, kind: str = "application/json", status: int = 200) -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _oid(content: bytes, mode: str) -> str:
    if mode == "lfs":
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
