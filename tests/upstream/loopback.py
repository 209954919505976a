"""A web server on this machine that serves made files well or badly, and remembers who asked."""

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import sleep


@dataclass
class Faults:
    """What goes wrong with one path, in this order and then no more."""

    drop_after: list[int] = field(default_factory=list)
    """Break the connection after so many bytes of an answer."""
    status: list[int] = field(default_factory=list)
    ignore_range: bool = False
    moved_to: str | None = None
    seconds_per_chunk: float = 0.0


class Loopback:
    """Files by path; `ranges[path]` lists the Range header of every request."""

    def __init__(self):
        self.files = {}
        self.tags = {}
        self.faults = defaultdict(Faults)
        self.ranges = defaultdict(list)
        served = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                served.answer(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request):
        path, faults = request.path, self.faults[request.path]
        asked = request.headers.get("Range")
        self.ranges[path].append(asked)
        if faults.status:
            return self.refuse(request, faults.status.pop(0))
        if faults.moved_to:
            request.send_response(302)
            request.send_header("Location", faults.moved_to)
            request.send_header("Content-Length", "0")
            return request.end_headers()
        if path not in self.files:
            return self.refuse(request, 404)
        body, start = self.files[path], 0
        tag = self.tags.get(path)
        wanted = request.headers.get("If-Range")
        if asked and not faults.ignore_range and wanted in (None, tag):
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        if start and start >= len(body):
            return self.refuse(request, 416, f"bytes */{len(body)}")
        request.send_response(206 if start else 200)
        if tag:
            request.send_header("ETag", tag)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        request.send_header("Content-Length", str(len(body) - start))
        request.end_headers()
        self.send(request, body[start:], faults)

    def send(self, request, body, faults):
        if faults.drop_after:
            body = body[: faults.drop_after.pop(0)]
            request.close_connection = True
        try:
            for place in range(0, len(body), 4096):
                request.wfile.write(body[place : place + 4096])
                sleep(faults.seconds_per_chunk)
            request.wfile.flush()
        except OSError:  # the client was killed; that is what some tests are about
            request.close_connection = True

    def refuse(self, request, status, content_range=None):
        request.send_response(status)
        if content_range:
            request.send_header("Content-Range", content_range)
        request.send_header("Content-Length", "0")
        request.end_headers()
