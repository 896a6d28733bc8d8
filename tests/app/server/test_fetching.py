"""Images are fetched from listed hosts only, and nothing inside is ever contacted."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rsvlm import hosts
from rsvlm.app.server.errors import ApiError
from rsvlm.app.server.fetching import fetch
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.hosts import is_public
from tests.app.server.hostile import png


class Server:
    """Answers every connection with the same bytes, and notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.answer: Callable[[socket.socket], object] = lambda link: link.sendall(
            response(png())
        )
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            with link:
                link.settimeout(3)
                self.asked.append(link.recv(4096))
                try:
                    self.answer(link)
                except OSError:  # the other side has enough
                    pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and their addresses; there is no other name service."""
    names: dict[str, list[str]] = {}

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        found = names.get(host)
        if found is None:
            try:
                # As the system does, also for 127.1 and 2130706433.
                found = [socket.inet_ntoa(socket.inet_aton(host))]
            except OSError:
                raise socket.gaierror("not found") from None
        return [(2, 1, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def limits(*hosts: str, **more: Any) -> FileLimits:
    return FileLimits(hosts=hosts, **more)


def refused(url: str, limits: FileLimits, status: int = 400) -> str:
    with pytest.raises(ApiError) as caught:
        fetch(url, limits)
    assert caught.value.status == status
    assert "POST /v1/files" in caught.value.message
    return caught.value.message


def test_nothing_is_fetched_by_default() -> None:
    said = refused("https://images.example/a.png", FileLimits())
    assert "fetches no URLs" in said


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this machine count as the public internet."""
    monkeypatch.setattr(hosts, "is_public", lambda address: True)


def test_a_listed_host(
    server: Server, resolve: dict[str, list[str]], local: None
) -> None:
    resolve["images.example"] = ["127.0.0.1"]
    allowed = limits(f"images.example:{server.port}")
    url = f"http://Images.example:{server.port}/maps/port%201.png?size=2#part"
    assert fetch(url, allowed) == ("port 1.png", png())
    asked = server.asked[0].decode().split("\r\n")
    assert asked[0] == "GET /maps/port%201.png?size=2 HTTP/1.1"
    assert f"Host: images.example:{server.port}" in asked
    assert "Connection: close" in asked
    assert not [line for line in asked if line.lower().startswith("cookie")]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0.0.0.0",
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
    ],
)  # fmt: skip
def test_listed_but_inside(
    server: Server, resolve: dict[str, list[str]], host: str
) -> None:
    resolve["localhost"] = ["127.0.0.1"]
    allowed = limits(f"{host}:{server.port}")
    said = refused(f"http://{host}:{server.port}/a.png", allowed)
    assert "not on the public internet" in said
    assert server.asked == []


def test_one_address_inside_is_enough(
    server: Server, resolve: dict[str, list[str]]
) -> None:
    resolve["images.example"] = ["93.184.216.34", "127.0.0.1"]
    allowed = limits(f"images.example:{server.port}")
    refused(f"http://images.example:{server.port}/a.png", allowed)
    assert server.asked == []


def test_a_name_that_changes_its_mind(
    server: Server, resolve: dict[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        calls.append(host)
        address = "93.184.216.34" if len(calls) == 1 else "127.0.0.1"
        return [(2, 1, 6, "", (address, port))]

    reached = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket, "create_connection", connect)
    allowed = limits(f"images.example:{server.port}")
    refused(f"http://images.example:{server.port}/a.png", allowed)
    assert calls == ["images.example"]
    assert reached == ["93.184.216.34"]
    assert server.asked == []


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),  # NAT64 of 127.0.0.1
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),  # 6to4 of 127.0.0.1
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", False),  # Teredo
        ("2001:db8::1", False),
    ],
)
def test_public_addresses(text: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(text)) is public


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/a.png",
        "http://images.example.other.example/a.png",
        "http://images.example:81/a.png",
        "http://images.example@127.0.0.1/a.png",
        "http://user:word@images.example/a.png",
        "http://images.example:99999/a.png",
        "http://[::1/a.png",
        "http:///a.png",
        "file:///etc/passwd",
        "gopher://images.example/a.png",
        "http://images.example/a\r\nX-Header: 1",
        "http://images.example/ä.png",
        "http://images。example/a.png",
    ],
)
def test_only_what_is_listed(url: str, resolve: dict[str, list[str]]) -> None:
    resolve["images.example"] = resolve["other.example"] = ["93.184.216.34"]
    refused(url, limits("images.example"))


@pytest.mark.parametrize("status", ["302 Found", "404 Not Found", "206 Partial", "500"])
def test_redirects_are_not_followed(
    server: Server, resolve: dict[str, list[str]], local: None, status: str
) -> None:
    target = f"http://127.0.0.1:{server.port}/inside"
    server.answer = lambda link: link.sendall(
        response(b"", status, f"Location: {target}")
    )
    resolve["images.example"] = ["127.0.0.1"]
    url = f"http://images.example:{server.port}/a.png"
    said = refused(url, limits(f"images.example:{server.port}"))
    assert f"answered {status[:3]}" in said
    assert len(server.asked) == 1


def endless(link: socket.socket) -> None:
    link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        link.sendall(bytes(2**16))


def drip(link: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" * 999:
        link.sendall(bytes([byte]))
        time.sleep(0.05)


def slow(link: socket.socket) -> None:
    link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(60):
        link.sendall(b"x")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (slow, 400, "did not deliver"),
        (endless, 413, "larger than 1 MiB"),
        (lambda link: link.sendall(response(bytes(2**20 + 1))), 413, "larger than"),
        (drip, 400, "did not deliver"),
        (lambda link: link.recv(1), 400, "did not deliver"),
        (lambda link: None, 400, "did not deliver"),
        (lambda link: link.sendall(b"SSH-2.0-x\r\n\r\n"), 400, "did not deliver"),
        (lambda link: link.sendall(response(png())[:-9]), 400, "did not deliver"),
        (
            lambda link: link.sendall(
                response(b"x", "200 OK", "Content-Encoding: gzip")
            ),
            400,
            "sent compressed",
        ),
    ],
)
def test_bytes_and_time_are_limited(
    server: Server,
    resolve: dict[str, list[str]],
    local: None,
    answer: Callable[[socket.socket], object],
    status: int,
    words: str,
) -> None:
    server.answer = answer
    resolve["images.example"] = ["127.0.0.1"]
    allowed = limits(
        f"images.example:{server.port}", fetch_bytes=2**20, fetch_seconds=1
    )
    start = time.perf_counter()
    assert words in refused(
        f"http://images.example:{server.port}/a.png", allowed, status
    )
    assert time.perf_counter() - start < 4


def test_tls_is_checked_against_the_name(
    server: Server, resolve: dict[str, list[str]], local: None
) -> None:
    resolve["images.example"] = ["127.0.0.1"]
    server.answer = lambda link: link.sendall(b"no TLS")
    allowed = limits(f"images.example:{server.port}")
    refused(f"https://images.example:{server.port}/a.png", allowed)
    assert b"images.example" in server.asked[0]  # SNI holds the name, not the address
    assert b"127.0.0.1" not in server.asked[0]
