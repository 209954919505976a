"""A small hub on this machine: models with their commits, listings, hashes and files."""

import hashlib
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

LFS = (".safetensors", ".bin")


class Hub:
    """Serves folders as models; `wrong` holds names of files whose published hash differs."""

    def __init__(self, models: dict[str, Path], commit: str) -> None:
        self.requests: list[str] = []
        self.wrong: set[str] = set()
        handler = type("Handler", (_Handler,), {"models": models, "commit": commit, "hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    models: ClassVar[dict[str, Path]]
    commit: ClassVar[str]
    hub: ClassVar[Hub]

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.hub.requests.append(f"{self.command} {path}")
        parts = path.removeprefix("/api/models/").strip("/").split("/")
        folder = self.models.get("/".join(parts[:2]))
        if folder is None:
            self._send(404, b"", {"X-Error-Code": "RepoNotFound"})
        elif "/tree/" in path:
            self._json([self._entry(folder, file) for file in self._files(folder)])
        elif path.startswith("/api/"):
            siblings = [{"rfilename": file} for file in self._files(folder)]
            self._json({"id": "/".join(parts[:2]), "sha": self.commit, "siblings": siblings})
        else:
            self._file(folder / "/".join(parts[4:]))

    def _files(self, folder: Path) -> list[str]:
        return sorted(file.name for file in folder.iterdir() if file.is_file())

    def _entry(self, folder: Path, name: str) -> dict[str, object]:
        entry: dict[str, object] = {"type": "file", "path": name}
        content = (folder / name).read_bytes()
        entry |= {"size": len(content), "oid": self._git(content)}
        if name.endswith(LFS):
            entry["lfs"] = {"oid": self._hash(name, content), "size": len(content)}
            entry["lfs"] |= {"pointerSize": 1}
        return entry

    def _file(self, file: Path) -> None:
        if not file.is_file():
            self._send(404, b"", {"X-Error-Code": "EntryNotFound"})
            return
        content = file.read_bytes()
        large = file.name.endswith(LFS)
        tag = hashlib.sha256(content).hexdigest() if large else self._git(content)
        self._send(200, content, {"X-Repo-Commit": self.commit, "ETag": f'"{tag}"'})

    def _hash(self, name: str, content: bytes) -> str:
        changed = b"!" if name in self.hub.wrong else b""
        return hashlib.sha256(content + changed).hexdigest()

    def _git(self, content: bytes) -> str:
        return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def _json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
