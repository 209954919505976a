"""Endpoints on this machine that behave as models of today do."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from chat_server import KEY

THOUGHT = (
    '1. **Analyze**: rating: 3 could do, or 0.5.\n9 9\nRating: 6\n["sofa"]\n0.7 is what I lean to. '
)
"""A thought in which every benchmark's reader would find a grade."""


def refusal(message, code, param=None, status=400):
    """A refusal as OpenAI's API words it."""
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return status, {"error": error}


def completion(model, content, finish="stop", **message):
    """An answer with one choice."""
    whole = {"role": "assistant", "content": content, **message}
    choice = {"index": 0, "message": whole, "finish_reason": finish}
    return 200, {"id": "x", "object": "chat.completion", "model": model, "choices": [choice]}


def cut(model, text, body, **message):
    """An answer of at most as many tokens as are allowed, of four characters each."""
    limit = body.get("max_completion_tokens", body.get("max_tokens"))
    room = len(text) if limit is None else 4 * limit
    finish = "stop" if len(text) <= room else "length"
    return completion(model, text[:room], finish, **message)


def gpt_5(body, says, _request):
    if "max_tokens" in body:
        return refusal(
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
            "unsupported_parameter",
            "max_tokens",
        )
    if body.get("temperature", 1) != 1:
        return refusal(
            "Unsupported value: 'temperature' does not support 0 with this model.",
            "unsupported_value",
            "temperature",
        )
    limit = body.get("max_completion_tokens")
    if limit is not None and limit < 600:  # spent on thoughts
        return completion("gpt-5-mini-2025-08-07", "", "length")
    return completion("gpt-5-mini-2025-08-07", says)


def dated(body, says, _request):
    return completion(f"{body['model']}-2024-11-20", says)


def thinking(body, says, _request):
    """vLLM without a reasoning parser, which listens to `enable_thinking`."""
    listens = body.get("chat_template_kwargs", {}).get("enable_thinking") is False
    text = says if listens else f"<think>{THOUGHT}</think>\n\n{says}"
    return cut(body["model"], text, body)


def thinking_unasked(body, says, _request):
    """The mark that begins the thoughts stands in the prompt, and nothing switches them off."""
    return cut(body["model"], f"{THOUGHT}</think>\n\n{says}", body)


def reasoning_field(body, says, _request):
    """vLLM with a reasoning parser."""
    limit = body.get("max_tokens")
    if limit is not None and limit < 600:
        return completion(body["model"], None, "length", reasoning_content=THOUGHT)
    return completion(body["model"], says, reasoning_content=THOUGHT)


def endless_thoughts(body, _says, _request):
    """A model whose thoughts never end within any limit."""
    return completion(body["model"], THOUGHT, "length")


def azure(body, says, request):
    address = urlsplit(request.path)
    if not address.path.endswith("/openai/deployments/judge-of-ours/chat/completions"):
        return refusal("Resource not found", "404", status=404)
    if request.headers["api-key"] != KEY or request.headers["Authorization"]:
        return refusal("Access denied", "401", status=401)
    if parse_qs(address.query) != {"api-version": ["2024-10-21"]}:
        return refusal("Missing api-version", "404", status=404)
    return completion("gpt-4-turbo-2024-04-09", says)


def html(_body, _says, _request):
    return 200, "<!doctype html><html>Please log in. Rating: 6</html>"


def wrong_key(_body, _says, _request):
    return refusal(f"Incorrect API key provided: {KEY}", "invalid_api_key", status=401)


def retired(body, _says, _request):
    return refusal(
        f"The model `{body['model']}` has been deprecated", "model_not_found", status=404
    )


class TodaysServer:
    """Answers as `behaviour` does; `says(body)` is what the model has to say."""

    def __init__(self, behaviour, says):
        self.requests = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append(body)
                status, answer = behaviour(body, says(body), self)
                page = isinstance(answer, str)
                content = (answer if page else json.dumps(answer)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html" if page else "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self):
        self.http.shutdown()
        self.http.server_close()
