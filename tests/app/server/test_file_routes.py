"""The Files API: the official client, curl's forms, and forms that are no good."""

import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from fastapi import FastAPI

from rsvlm.app.server.errors import install_errors
from rsvlm.app.server.file_routes import router
from rsvlm.app.server.file_settings import FileLimits
from rsvlm.app.server.files import FileStore
from rsvlm.app.server.gate_settings import GateLimits
from rsvlm.app.server.keys import KeyFile
from rsvlm.app.server.metrics import Metrics
from rsvlm.app.server.middleware import install_gate
from rsvlm.app.server.uploading import Form
from tests.app.server.fakes import serving
from tests.app.server.hostile import SVG, png
from tests.app.server.hostile_tiff import raster as geotiff
from tests.app.server.hostile_tiff import scene

MOST = 200_000


@dataclass(frozen=True)
class Site:
    address: str
    keys: dict[str, str]
    store: FileStore
    sizes: list[int]

    def client(self, owner: str = "ann") -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.address}/v1", api_key=self.keys[owner], max_retries=0
        )

    def http(self, owner: str = "ann") -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.keys[owner]}"}
        return httpx.Client(base_url=self.address, headers=headers, timeout=60)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    store = FileStore(folder / "files", FileLimits(file_bytes=MOST))
    keys = KeyFile(folder / "keys.json")
    secrets = {owner: keys.add(owner)[1] for owner in ("ann", "bob")}
    sizes: list[int] = []
    app = FastAPI()
    install_errors(app)
    app.include_router(router(store, sizes.append))
    install_gate(
        app,
        GateLimits(max_body_bytes=2000),
        keys=keys,
        metrics=Metrics(),
        body_limits={"/v1/files": 2 * MOST},
    )
    with serving(app) as address:
        yield Site(address, secrets, store, sizes)
    store.close()


def test_the_official_client(site: Site, tmp_path: Path) -> None:
    data = geotiff(scene(3, 100, 200), crs="EPSG:32631")
    (tmp_path / "port 1.tif").write_bytes(data)
    with site.client() as client, site.client("bob") as other:
        with (tmp_path / "port 1.tif").open("rb") as file:
            made = client.files.create(file=file, purpose="vision")
        assert (made.object, made.filename, made.bytes) == (
            "file",
            "port 1.tif",
            len(data),
        )
        assert (made.purpose, made.status) == ("vision", "processed")
        assert site.sizes[-1] == len(data)
        assert client.files.retrieve(made.id) == made
        assert client.files.content(made.id).read() == data
        second = client.files.create(
            file=("b.png", png()),
            purpose="user_data",
            expires_after={"anchor": "created_at", "seconds": 3600},
        )
        assert second.expires_at == pytest.approx(time.time() + 3600, abs=30)
        assert [file.id for file in client.files.list()] == [second.id, made.id]
        assert [file.id for file in client.files.list(limit=1)] == [second.id, made.id]
        assert [f.id for f in client.files.list(order="asc")] == [made.id, second.id]
        assert [f.id for f in client.files.list(purpose="vision")] == [made.id]
        assert client.files.list(limit=1).has_more
        # Another key sees none of it.
        assert list(other.files.list()) == []
        for look in (other.files.retrieve, other.files.content, other.files.delete):
            with pytest.raises(openai.NotFoundError) as caught:
                look(made.id)
            assert caught.value.code == "file_not_found"
        assert client.files.delete(made.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.content(made.id)
        client.files.delete(second.id)
        assert list(client.files.list()) == []


def test_content_is_never_shown_as_what_it_claims(site: Site) -> None:
    with site.http() as http_client:
        form = {"file": ("a.html", png() + b"<script>alert(1)</script>", "text/html")}
        made = http_client.post(
            "/v1/files", files=form, data={"purpose": "vision"}
        ).json()
        got = http_client.get(f"/v1/files/{made['id']}/content")
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.headers["content-disposition"].startswith("attachment")
        assert got.headers["x-content-type-options"] == "nosniff"
        http_client.delete(f"/v1/files/{made['id']}")


def post(site: Site, data: bytes, name: str = "a.png", **fields: Any) -> httpx.Response:
    fields = {"purpose": "vision", **fields}
    with site.http() as client:
        return client.post("/v1/files", files={"file": (name, data)}, data=fields)


@pytest.mark.parametrize(
    ("data", "fields", "status", "code"),
    [
        (SVG.encode(), {}, 400, "image_error"),
        (b"", {}, 400, "image_error"),
        (png(50_000, 50_000, b""), {}, 400, "image_error"),
        (png(), {"purpose": "evil"}, 400, "invalid_value"),
        (png(), {"purpose": "batch_output"}, 400, "invalid_value"),
        (png(), {"purpose": "inline"}, 400, "invalid_value"),
        (png(), {"expires_after[seconds]": "1"}, 400, "invalid_value"),
        (png(), {"expires_after[seconds]": "x" * 90}, 400, "invalid_value"),
        (png(), {"note": "x" * 5000}, 400, "invalid_form"),
        (png() + bytes(MOST), {}, 413, "file_too_large"),
        (png() + bytes(3 * MOST), {}, 413, "too_large"),
    ],
)
def test_uploads_that_are_refused(
    site: Site, data: bytes, fields: dict[str, str], status: int, code: str
) -> None:
    answer = post(site, data, **fields)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert error["code"] == code
    assert str(site.store._kept.parent) not in answer.text
    assert not list(site.store._arriving.iterdir())


def part(name: str, data: bytes, file: str | None = None) -> bytes:
    more = f'; filename="{file}"' if file is not None else ""
    head = f'--B\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + data + b"\r\n"


PURPOSE, FILE, END = part("purpose", b"vision"), part("file", png(), "a"), b"--B--\r\n"


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("application/json", b"{}", "not multipart/form-data"),
        ("", b"", "not multipart/form-data"),
        ("multipart/form-data", PURPOSE + FILE + END, "not multipart/form-data"),
        ("multipart/form-data; boundary=" + "B" * 300, b"", "not multipart/form-data"),
        ("multipart/form-data; boundary=B", b"", "incomplete"),
        ("multipart/form-data; boundary=B", PURPOSE + FILE[:-30], "incomplete"),
        ("multipart/form-data; boundary=B", b"nonsense", "cannot be read"),
        ("multipart/form-data; boundary=B", PURPOSE + END, "no part 'file'"),
        ("multipart/form-data; boundary=B", FILE + END, "purpose '' is none"),
        ("multipart/form-data; boundary=B", FILE * 2 + END, "more than one file"),
        ("multipart/form-data; boundary=B", PURPOSE * 17 + END, "more than 16 parts"),
        (
            "multipart/form-data; boundary=B",
            b"--B\r\nX: " + b"x" * 9000 + b"\r\n\r\n\r\n" + END,
            "",
        ),
        (
            "multipart/form-data; boundary=B",
            PURPOSE + part("file", png()) + END,
            "no part 'file' with a file name",
        ),
    ],
)
def test_forms_that_are_refused(site: Site, kind: str, body: bytes, words: str) -> None:
    with site.http() as client:
        headers = {"Content-Type": kind} if kind else {}
        answer = client.post("/v1/files", content=body, headers=headers)
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]
    assert not list(site.store._arriving.iterdir())


def test_a_client_that_goes_away_leaves_nothing(site: Site) -> None:
    connection = http.client.HTTPConnection(site.address.removeprefix("http://"))
    connection.putrequest("POST", "/v1/files")
    connection.putheader("Authorization", f"Bearer {site.keys['ann']}")
    connection.putheader("Content-Type", "multipart/form-data; boundary=B")
    connection.putheader("Content-Length", str(MOST))
    connection.endheaders()
    connection.send(PURPOSE + part("file", png() + bytes(50_000), "a")[:-40])
    until = time.monotonic() + 20
    while not list(site.store._arriving.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.01)
    connection.close()
    while list(site.store._arriving.iterdir()):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert post(site, png()).status_code == 200


def test_without_a_key_there_is_nothing(site: Site) -> None:
    with httpx.Client(base_url=site.address) as client:
        assert client.get("/v1/files").status_code == 401
        assert client.post("/v1/files", content=b"").status_code == 401


def test_a_form_is_read_in_any_pieces() -> None:
    import asyncio

    body = PURPOSE + part("file", png(), 'a "b".png'.replace('"', "%22")) + END
    for size in (1, 7, len(body)):
        got = bytearray()

        async def stream(size: int = size) -> Any:
            for start in range(0, len(body), size):
                yield body[start : start + size]

        form = Form(got.extend)
        asyncio.run(form.read("multipart/form-data; boundary=B", stream()))
        assert form.fields == {"purpose": "vision"}
        assert bytes(got) == png()
        assert form.file_name == "a %22b%22.png"
