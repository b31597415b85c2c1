"""A small server of chat completions on loopback, whose answers depend on the question alone, with faults on demand.

It is made of the standard library: a body that is cut short, or comes byte by byte, needs the connection itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WORDS = ["a", "the", "red", "small", "dog", "cat", "boat", "street", "tree", "runs", "stands", "near", "water"]
MODEL = "tiny-vlm"


class ChatServer(ThreadingHTTPServer):
    """Serves from a thread while it is open.

    Args:
        fault: From the hash of an image (an int) and how often it was asked for before, the name of a method of
            `_Handler` that answers; None answers well.
        wait_s: Seconds that an answer takes.
        key: The bearer token to ask for.

    Attributes:
        questions: The bodies that came.
        peak: Most requests that were answered at the same time.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, fault=lambda image, tries: None, wait_s=0.0, key=None, models=(MODEL,)):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault, self.wait_s, self.key, self.models = fault, wait_s, key, models
        self.questions, self.tries, self.times = [], {}, []
        self.now = self.peak = 0
        self.lock = threading.Lock()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def model(self):
        """What opens it as a captioner."""
        return f"{self.address}#{MODEL}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.reply(200, {"object": "list", "data": [{"id": name} for name in self.server.models]})

    def do_POST(self):
        server = self.server
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        image = int.from_bytes(hashlib.sha256(picture(question).encode()).digest()[:4], "big")
        with server.lock:
            server.questions.append(question)
            server.times.append(time.monotonic())
            tries = server.tries[image] = server.tries.get(image, -1) + 1
            server.now += 1
            server.peak = max(server.peak, server.now)
        try:
            time.sleep(server.wait_s)
            fault = server.fault(image, tries)
            with contextlib.suppress(ConnectionError):
                if server.key and self.headers["Authorization"] != f"Bearer {server.key}":
                    fault = "unauthorised"
                getattr(self, fault or "well")(question)
        finally:
            with server.lock:
                server.now -= 1

    def reply(self, status, body, **headers):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(content), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(content)

    def well(self, question):
        self.reply(200, completion(question))

    def thinking(self, question):
        found = completion(question)
        for choice in found["choices"]:
            choice["message"]["content"] = f"<think>\na dog? no\n</think>\n\n{choice['message']['content']}"
        self.reply(200, found)

    def busy(self, _):
        self.reply(429, {"error": {"message": "too many requests"}}, Retry_After=0)

    def busy_for_a_day(self, _):
        self.reply(429, {"error": {"message": "quota exceeded"}}, Retry_After=86_400)

    def broken(self, _):
        self.reply(500, b"Internal\x1b[31m Server Error")

    def refused(self, _):
        self.reply(400, {"error": {"message": "this model has no eyes", "type": "BadRequestError"}})

    def unauthorised(self, _):
        self.reply(401, {"error": {"message": "Incorrect API key"}})

    def unknown(self, _):
        self.reply(404, {"error": {"message": f"The model `{MODEL}` does not exist."}})

    def cut(self, question):
        content = json.dumps(completion(question)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2])
        self.close_connection = True

    def slow(self, question):
        """Byte by byte: each read is soon done, and all of them never."""
        content = json.dumps(completion(question)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        for byte in content:
            self.wfile.write(bytes([byte]))
            self.wfile.flush()
            time.sleep(0.05)

    def no_json(self, _):
        self.reply(200, b"<html>Please log in</html>")

    def a_list(self, _):
        self.reply(200, [])

    def no_text(self, _):
        self.reply(200, {"choices": [{"message": {"content": None, "tool_calls": []}}]})

    def refusing(self, _):
        self.reply(200, {"choices": [{"message": {"content": None, "refusal": "I cannot\nhelp"}}]})

    def in_parts(self, question):
        found = completion(question)
        for choice in found["choices"]:
            text = choice["message"]["content"]
            choice["message"]["content"] = [{"type": "text", "text": text[:3]}, {"type": "text", "text": text[3:]}]
        self.reply(200, found)

    def no_choice(self, _):
        self.reply(200, {"choices": []})

    def blank(self, _):
        self.reply(200, {"choices": [{"message": {"content": " \n"}}]})

    def without_logprobs(self, question):
        found = completion(question)
        for choice in found["choices"]:
            choice["logprobs"] = None
        self.reply(200, found)


def picture(question):
    """The address of the image in a question."""
    (part,) = [part for part in question["messages"][0]["content"] if part["type"] == "image_url"]
    return part["image_url"]["url"]


def completion(question):
    """Sentences drawn by the hash of the question, each as long as ``max_tokens`` allows, at most seven words."""
    said = json.dumps([question["messages"], question.get("seed"), question["temperature"]])
    choices = []
    for number in range(question.get("n", 1)):
        digest = hashlib.sha256(f"{number}{said}".encode()).digest()
        length = min(3 + digest[0] % 5, question["max_tokens"])
        words = [WORDS[byte % len(WORDS)] for byte in digest[1 : length + 1]]
        tokens = [{"token": word, "logprob": -0.1 - byte / 256} for word, byte in zip(words, digest[8:], strict=False)]
        choices.append({
            "index": number,
            "message": {"role": "assistant", "content": f" {' '.join(words)}\n"},
            "finish_reason": "stop",
            "logprobs": {"content": tokens} if question.get("logprobs") else None,
        })  # fmt: skip
    return {"object": "chat.completion", "model": question["model"], "choices": choices}
