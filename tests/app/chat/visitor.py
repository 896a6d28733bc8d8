"""Somebody who uses the page by its routes, as the page itself does, without a browser."""

import io
import json
import secrets
from typing import Any

import httpx


class RefusedError(Exception):
    """Raised when the page does not do what it is asked for."""


class Visitor:
    """Somebody with a browser of his own, without the browser."""

    def __init__(self, address: str) -> None:
        self.client = httpx.Client(timeout=60, base_url=address)
        self.client.get("/chat/").raise_for_status()  # brings the cookie
        self.session = secrets.token_hex(6)
        config = self.client.get("/chat/config").json()
        self.functions = {
            item["api_name"]: item
            for item in config["dependencies"]
            if item["api_name"]
        }

    def send(self, name: str, data: bytes) -> str:
        """Upload a file as far as Gradio, and return the path that it got."""
        files = {"files": (name, io.BytesIO(data))}
        reply = self.client.post("/chat/gradio_api/upload", files=files)
        return str(reply.raise_for_status().json()[0])

    def upload(self, name: str, data: bytes) -> list[Any]:
        """Add an image, and return what the page shows then."""
        meta = {"_type": "gradio.FileData"}
        file = {"path": self.send(name, data), "orig_name": name, "meta": meta}
        return self.call("upload", [[file], None])

    def ask(self, text: str) -> list[Any]:
        return self.call("ask", [text, "auto", "auto", "auto", "auto", False, None])

    def call(self, name: str, data: list[Any]) -> list[Any]:
        """Call a function of the page, and return what it showed last."""
        body = {
            "data": data, "fn_index": self.functions[name]["id"],
            "session_hash": self.session,
        }  # fmt: skip
        self.client.post("/chat/gradio_api/queue/join", json=body).raise_for_status()
        query = {"session_hash": self.session}
        last: list[Any] = []
        with self.client.stream(
            "GET", "/chat/gradio_api/queue/data", params=query
        ) as s:
            for line in s.iter_lines():
                if not line.startswith("data:"):
                    continue
                event = json.loads(line.removeprefix("data:"))
                if event["msg"] in ("process_generating", "process_completed"):
                    if not event["success"]:
                        raise RefusedError(event)
                    out = event["output"]["data"]
                    full = event["msg"] == "process_completed" or not last
                    last = out if full and out else last
                if event["msg"] == "process_completed":
                    break
        return last
