"""A chat endpoint on this machine that misbehaves on purpose, by a seed."""

import hashlib
import json
import random
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.llm.chat import ChatRequest, ChatService, ChatSettings

KEY = "sk-secret-of-the-test-0123456789"
MISCHIEF = (
    "drop",
    "cut",
    "limit",
    "broken",
    "broken and cut",
    "html",
    "half",
    "list",
    "choiceless",
    "textless",
    "deep",
    "latin",
    "slow",
    "trickle",
)
QUICK = {"timeout": 0.8, "longest_wait": 0.01, "attempts": 40}


def reply_text(body, nth):
    """What a model says: a function of the request and of how often it was asked before."""
    digest = hashlib.sha256(body + bytes([nth])).digest()[0]
    return f"reply {digest}"


class ChatServer:
    """Answers `text(body, nth)`; before every good answer comes `mischief` with a probability.

    `completed` counts the good answers that were written to their end, by request.
    """

    def __init__(self, text=reply_text, mischief=(), share=0.5, seed=0, port=0, delay=0.0):
        self.text, self.mischief, self.share, self.delay = text, tuple(mischief), share, delay
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.requests, self.begun, self.completed = [], Counter(), Counter()
        self.authorizations, self.alive = set(), True
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.authorizations.add(self.headers["Authorization"])
                self.close_connection = True
                with suppress(OSError):  # the client went away
                    outer.answer(self, body)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def answer(self, handler, body):
        with self.lock:
            self.requests.append(json.loads(body))
            trick = "fine"
            if not self.alive:
                trick = "drop"
            elif self.mischief and self.random.random() < self.share:
                trick = self.random.choice(self.mischief)
            nth = self.begun[body]
            self.begun[body] += trick == "fine"
        if trick != "fine":
            return self.trick(trick, handler)
        time.sleep(self.delay)
        self.send(handler, 200, good(json.loads(body)["model"], self.text(body, nth)))
        with self.lock:
            self.completed[body] += 1
        return None

    def trick(self, trick, handler):
        whole = good("anybody", "Rating: 6")
        if trick == "cut":
            self.send(handler, 200, whole[: len(whole) // 2], length=len(whole))
        elif trick == "limit":
            self.send(handler, 429, b'{"error": {"message": "slow down"}}', after="7")
        elif trick == "broken":
            self.send(handler, 503, b"6 6\nRating: 6")
        elif trick == "broken and cut":
            self.send(handler, 500, b"6 6", length=100)
        elif trick == "slow":
            time.sleep(1.1)
        elif trick == "trickle":
            self.send(handler, 200, whole[:1], length=len(whole))
            for byte in whole[1:]:
                time.sleep(0.05)
                handler.wfile.write(bytes([byte]))
        elif trick != "drop":
            bodies = {
                "html": b"<html>Rating: 6</html>",
                "half": whole[: len(whole) // 2],
                "list": b"[1.0]",
                "choiceless": b'{"model": "anybody", "choices": []}',
                "textless": b'{"model": "anybody", "choices": [{"message": {"content": 1.0}}]}',
                "deep": b"[" * 100_000,
                "latin": whole.replace(b"Rating", b"R\xe4ting"),
            }
            self.send(handler, 200, bodies[trick])

    def send(self, handler, status, body, length=None, after=None):
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        if after is not None:
            handler.send_header("Retry-After", after)
        # Unsaid, the next request would race the end of the connection.
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body)


def good(model, text, usage=(11, 5), finish="stop"):
    """The body of a chat completion."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": finish,
    }
    answer = {"id": "x", "object": "chat.completion", "created": 0, "model": model}
    answer["choices"] = [choice]
    if usage is not None:
        answer["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1]}
    return json.dumps(answer).encode()


def ask_for(text="Hello", repeat=0, **kwargs):
    return ChatRequest("model-1", (("user", text),), 0.0, repeat=repeat, **kwargs)


def open_chat(server, store, **settings):
    return ChatService(ChatSettings(base_url=server.url, **(QUICK | settings)), store)
