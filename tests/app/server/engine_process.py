"""A model server to be killed: answers are a hash of the request, in slow pieces.

It is a process of its own, ``python engine_process.py PORT``, of the standard library
only, so that it is there again at once.
"""

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: Time between two pieces of an answer, s.
PAUSE_S = 0.02


def answer_to(messages: list[dict[str, Any]]) -> str:
    """Return the only right answer."""
    digest = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()
    return " ".join(("the answer is", digest[:4], digest[4:8], digest[8:12]))


class Handler(BaseHTTPRequestHandler):
    """Answers as an OpenAI-compatible server does."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """List the only model."""
        self._send("application/json", [json.dumps({"data": [{"id": "m"}]})])

    def do_POST(self) -> None:
        """Answer a chat, as a stream where that is wanted."""
        size = int(self.headers["Content-Length"])
        request = json.loads(self.rfile.read(size))
        words = answer_to(request["messages"]).split(" ")
        texts = [f"{' ' * bool(n)}{word}" for n, word in enumerate(words)]
        if not request.get("stream"):
            time.sleep(PAUSE_S * len(texts))
            message = {"role": "assistant", "content": "".join(texts)}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            reply = {"object": "chat.completion", "choices": [choice]}
            self._send("application/json", [json.dumps(reply)])
            return
        events: list[dict[str, Any]] = [{"delta": {"content": text}} for text in texts]
        events.append({"delta": {}, "finish_reason": "stop"})
        records = [json.dumps({"choices": [{"index": 0, **e}]}) for e in events]
        self._send(
            "text/event-stream", [f"data: {r}\n\n" for r in (*records, "[DONE]")]
        )

    def _send(self, kind: str, pieces: list[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (*pieces, ""):
            time.sleep(PAUSE_S if piece else 0)
            data = piece.encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
