from collections.abc import Iterator

import pytest

pytest.importorskip("fastapi")

from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

from rsvlm.app.chat.sessions import (
    COOKIE,
    SessionCookie,
    new_token,
    owner_of_token,
    session_owner,
)


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = FastAPI()

    @app.get("/chat/")
    @app.get("/chat-files/x")
    @app.get("/other")
    def who(request: Request) -> str | None:
        return session_owner(request)

    app.add_middleware(SessionCookie)
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def test_a_first_visit_brings_a_cookie_that_scripts_cannot_read(
    client: TestClient,
) -> None:
    reply = client.get("/chat/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert reply.json() is None  # the first request came without
    owner = client.get("/chat-files/x").json()
    assert owner == owner_of_token(client.cookies[COOKIE])
    assert client.cookies[COOKIE] not in owner  # only its hash is known


def test_a_session_is_kept_and_renewed_by_the_page_alone(client: TestClient) -> None:
    client.get("/chat/")
    token = client.cookies[COOKIE]
    assert "set-cookie" not in client.get("/chat-files/x").headers
    assert token in client.get("/chat/").headers["set-cookie"]
    assert "set-cookie" not in client.get("/other").headers


def test_over_https_the_cookie_stays_on_https(client: TestClient) -> None:
    reply = client.get("https://localhost/chat/")
    assert "Secure" in reply.headers["set-cookie"]
    client.cookies.clear()
    behind = client.get("/chat/", headers={"x-forwarded-proto": "https"})
    assert "Secure" in behind.headers["set-cookie"]


def test_the_holder_of_a_key_is_the_same_in_every_browser() -> None:
    scope = {"type": "http", "headers": [], "state": {"owner": "key-7"}}
    assert session_owner(Request(scope)) == "key-7"
    scope["state"] = {"owner": "local"}
    assert session_owner(Request(scope)) is None


@pytest.mark.parametrize("token", [None, "", "short", "x" * 44, "ü" * 43, "a b" * 14])
def test_odd_cookies_are_nobody(token: str | None) -> None:
    assert owner_of_token(token) is None


def test_tokens_differ_and_so_do_owners() -> None:
    tokens = {new_token() for _ in range(50)}
    assert len({owner_of_token(token) for token in tokens} - {None}) == 50
