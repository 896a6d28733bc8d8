"""Requests for api_load.py: good, bad and hostile ones, and a client for all of them.

The client writes bytes to a socket, because no library sends what the hostile ones send.
"""

import asyncio
import base64
import io
import json
import random
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

_PATIENCE = 120.0  # seconds


@dataclass
class Reply:
    """What a server answered; status 0 if it closed the connection without a word."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> dict[str, Any]:
        """Return the body as JSON; empty if it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def code(self) -> str:
        """Return the code of an error, in a body or in a stream; empty without one."""
        found = re.search(rb'"error": ?{.*?"code": ?"(\w+)"', self.body)
        return found[1].decode() if found else ""

    def texts(self) -> list[str]:
        """Return the texts of all choices, put together if they were streamed."""
        if not self.headers.get("content-type", "").startswith("text/event-stream"):
            choices = self.json().get("choices", [])
            return [choice["message"]["content"] for choice in choices]
        text, ends = "", 0
        for line in self.body.decode().splitlines():
            if line == "data: [DONE]":
                ends += 1
            elif line.startswith("data: "):
                for choice in json.loads(line.removeprefix("data: ")).get(
                    "choices", []
                ):
                    text += choice["delta"].get("content") or ""
        return [text] if ends == 1 else []


async def call(
    host: str,
    port: int,
    method: str = "GET",
    path: str = "/",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    raw: bytes | None = None,
    leave: float | None = None,
) -> Reply:
    """Send a request and return the reply.

    Args:
        host: Of the server.
        port: Of the server.
        method: HTTP method.
        path: Address.
        body: Body, JSON unless the headers say otherwise.
        headers: More headers, or other values.
        raw: Bytes to send in place of a request.
        leave: Seconds after which the client goes away without a reply.
    """
    fields = {"Host": f"{host}:{port}", "Content-Type": "application/json",
              "Content-Length": str(len(body)), "Connection": "close", **(headers or {})}  # fmt: skip
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
    data = raw if raw is not None else "\r\n".join([*lines, "", ""]).encode() + body
    async with asyncio.timeout(_PATIENCE):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            try:
                writer.write(data)
                await writer.drain()
                if leave is not None:
                    await asyncio.sleep(leave)
                    return Reply()
                answer = await reader.read()
            except (ConnectionResetError, BrokenPipeError):
                # Cut off while it still sent: the reply may have come before.
                answer = bytes(reader._buffer)  # type: ignore[attr-defined]
        finally:
            writer.transport.abort() if leave is not None else writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    if not head:
        return Reply()
    start, *fields_of = head.decode("latin-1").split("\r\n")
    found = {k.lower(): v for k, _, v in (line.partition(": ") for line in fields_of)}
    if found.get("transfer-encoding") == "chunked":
        rest = _unchunked(rest)
    return Reply(int(start.split()[1]), found, rest)


def _unchunked(data: bytes) -> bytes:
    parts = []
    while data:
        size, _, data = data.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return b"".join(parts)
        parts.append(data[:count])
        data = data[count + 2 :]
    raise ValueError("the stream broke off")


def _png(chance: random.Random) -> bytes:
    file = io.BytesIO()
    colour = tuple(chance.randrange(256) for _ in range(3))
    Image.new("RGB", (48, 40), colour).save(file, "PNG")
    return file.getvalue()


def picture(chance: random.Random) -> str:
    """Return a small picture as a data URI."""
    return "data:image/png;base64," + base64.b64encode(_png(chance)).decode()


def question(number: int, image: str, stream: bool, **more: Any) -> bytes:
    """Return the body of a question whose answer holds the number."""
    parts = [{"type": "image_url", "image_url": {"url": image}},
             {"type": "text", "text": f"What is number {number}?"}]  # fmt: skip
    body = {"messages": [{"role": "user", "content": parts}], "stream": stream,
            "rsvlm": {"task": "vqa"}, "model": "stub", **more}  # fmt: skip
    return json.dumps(body).encode()


def file_body(chance: random.Random, data: bytes | None = None) -> tuple[bytes, str]:
    """Return a multipart body with a file, and its content type."""
    mark = f"mark{chance.randrange(10**9)}"
    head = (f'--{mark}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nvision\r\n'
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="../../port.png"\r\n\r\n')  # fmt: skip
    content = _png(chance) if data is None else data
    body = head.encode() + content + f"\r\n--{mark}--\r\n".encode()
    return body, f"multipart/form-data; boundary={mark}"


def _bomb() -> bytes:
    """Return a PNG of a few bytes that declares 50000 x 50000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


_VRT = b"""<VRTDataset rasterXSize="8" rasterYSize="8"><VRTRasterBand dataType="Byte" band="1"
subClass="VRTRawRasterBand"><SourceFilename>/etc/passwd</SourceFilename></VRTRasterBand>
</VRTDataset>"""

_Table = dict[str, Callable[[random.Random], tuple[tuple[int, ...], dict[str, Any]]]]


def _chat(body: bytes, **more: Any) -> dict[str, Any]:
    return {"method": "POST", "path": "/v1/chat/completions", "body": body, **more}


def _file(chance: random.Random, data: bytes) -> dict[str, Any]:
    body, kind = file_body(chance, data)
    headers = {"Content-Type": kind}
    return {"method": "POST", "path": "/v1/files", "body": body, "headers": headers}


def _head(path: str, *lines: str) -> bytes:
    return "\r\n".join(
        [f"POST {path} HTTP/1.1", "Host: localhost", *lines, "", ""]
    ).encode()


#: Name -> a function that returns the statuses which are right, and the request.
BAD: _Table = {
    "no JSON": lambda c: ((400,), _chat(b"{nonsense")),
    "no messages": lambda c: ((400,), _chat(b'{"model": "stub"}')),
    "unknown model": lambda c: (
        (404, 400),
        _chat(question(1, picture(c), False, model="gpt")),
    ),
    "unknown field": lambda c: (
        (400,),
        _chat(question(1, picture(c), False, best_of=10**9)),
    ),
    "n = 10**9": lambda c: ((400,), _chat(question(1, picture(c), False, n=10**9))),
    "broken picture": lambda c: ((400,), _chat(question(1, picture(c)[:60], False))),
    "unknown file": lambda c: ((400, 404), _chat(question(1, "file-0123", False))),
    "unknown address": lambda c: ((404,), {"path": f"/v1/{c.random()}"}),
    "wrong method": lambda c: (
        (405,),
        {"method": "PATCH", "path": "/v1/chat/completions"},
    ),
    "text as file": lambda c: ((400,), _file(c, b"hello")),
}
HOSTILE: _Table = {
    "another host": lambda c: ((421,), {"path": "/v1/models", "headers": {"Host": "evil.example"}}),
    "another origin": lambda c: ((403,), _chat(b"{}", headers={"Origin": "http://evil.example"})),
    "too large": lambda c: ((413, 0), _chat(b"x" * 2**20, headers={"Content-Length": str(10**12)})),
    "half a body": lambda c: ((408,), {"raw": _head("/v1/chat/completions", "Content-Length: 999") + b"{"}),
    "half a head": lambda c: ((0,), {"raw": b"GET /v1/models HTT"}),
    "no HTTP": lambda c: ((400,), {"raw": b"\x16\x03\x01\x02\x00\x01\r\n\r\n"}),
    "goes away": lambda c: ((0,), _chat(question(1, picture(c), bool(c.getrandbits(1))), leave=0.03)),
    "pixel bomb": lambda c: ((400, 413), _file(c, _bomb())),
    "VRT as picture": lambda c: ((400,), _file(c, _VRT)),
    "address in here": lambda c: ((400,), _chat(question(1, "http://127.0.0.1:22/", False))),
    "file address": lambda c: ((400,), _chat(question(1, "file:///etc/passwd", False))),
    "deep JSON": lambda c: ((400,), _chat(b"[" * 200_000)),
    "path": lambda c: ((400, 404), {"path": "/v1/files/..%2f..%2fetc%2fpasswd/content"}),
}  # fmt: skip
