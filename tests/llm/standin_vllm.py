"""Stands in for the program `vllm`: serves on loopback, says what it was told, leaves a child.

`vllm serve FOLDER --port P --served-model-name NAME ...`; the environment names a folder for its
notes (STANDIN), seconds before it serves (STANDIN_SLEEP) and for a reply (STANDIN_DELAY), and a
fault (STANDIN_FAULT).
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NOTES = Path(os.environ["STANDIN"])
WORDS = sys.argv[2:]
OPTIONS = dict(zip(WORDS[1::2], WORDS[2::2], strict=True))
REPLIES = {"How": "Rating: 4", "Which": "0.5"}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/health":
            return self.tell(200, {})
        return self.tell(200, {"data": [{"id": OPTIONS["--served-model-name"]}]}, guarded=True)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        time.sleep(float(os.environ.get("STANDIN_DELAY", "0")))
        said = body["messages"][-1]["content"]
        with (NOTES / "asked.jsonl").open("a") as asked:
            asked.write(json.dumps(body) + "\n")
        if os.environ.get("STANDIN_FAULT") == "dies":
            os._exit(9)
        if os.environ.get("STANDIN_FAULT") == "refuses" and "1?" in said:
            return self.tell(400, {"error": {"message": "the prompt is too long"}}, guarded=True)
        text = next((reply for word, reply in REPLIES.items() if word in said), "8 7")
        choice = {"message": {"content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        return self.tell(
            200, {"model": body["model"], "choices": [choice], "usage": usage}, guarded=True
        )

    def tell(self, status, value, *, guarded=False):
        if guarded and self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            status, value = 401, {"error": "Unauthorized"}
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def main():
    if os.environ.get("STANDIN_FAULT") == "memory":
        sys.exit("torch.OutOfMemoryError: too large")
    stray = subprocess.Popen(["sleep", "300"], start_new_session=True)
    (NOTES / "started.jsonl").open("a").write(
        json.dumps({"pids": [os.getpid(), stray.pid], "argv": sys.argv}) + "\n"
    )
    time.sleep(float(os.environ.get("STANDIN_SLEEP", "0")))
    ThreadingHTTPServer((OPTIONS["--host"], int(OPTIONS["--port"])), Handler).serve_forever()


main()
