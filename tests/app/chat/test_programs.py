"""What the page gives to programs: files, one's own only, and code that runs."""

import html
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("gradio")

from tests.app.chat.fakes import geotiff
from tests.app.chat.visitor import RefusedError, Visitor

Visit = Callable[[], Visitor]

pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored in. <socket")


def exchange_of(shown: str) -> str:
    return str(re.findall(r'id="turn-(\w+)"', shown)[-1])


def test_the_code_that_is_shown_runs_and_gives_the_same_answer(
    visit: Visit, tmp_path: Path
) -> None:
    user = visit()
    name = "user's port; $(rm x).tif"  # quotes and commands are letters only
    data = geotiff(200, 160)
    user.upload(name, data)
    user.ask("Where are 'they'? $HOME")
    shown = user.ask("and the second one?")[0]
    page = user.client.get(f"/chat-files/{exchange_of(shown)}/snippets.html").text
    curl, python = map(
        html.unescape, re.findall(r"<code>(.*?)</code>", page, re.DOTALL)
    )
    saved = re.search(r"file=@([^']+)'", curl)
    assert saved is not None
    (tmp_path / saved[1]).write_bytes(data)
    assert saved[1] in python
    for command in (
        [shutil.which("bash") or "bash", "-c", curl],
        [sys.executable, "-c", python],
    ):
        done = subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "The second one is a pond." in done.stdout


def test_what_belongs_to_one_session_is_not_there_for_others(visit: Visit) -> None:
    user, stranger = visit(), visit()
    user.upload("mine.tif", geotiff(100, 100))
    shown = user.ask("Where are they?")
    exchange = exchange_of(shown[0])
    conversation = re.findall(r"conversation/(\w+)\.html", shown[4])[0]
    image = re.findall(r"image/(file-\w+)/", shown[2])[0]
    paths = [
        f"/chat-files/{exchange}/{file}"
        for file in (
            "answer.json", "regions.geojson", "mask-0.tif", "overlay-0.png",
            "heatmap-0.png", "snippets.html",
        )
    ]  # fmt: skip
    paths += [
        f"/chat-files/conversation/{conversation}.html",
        f"/chat-files/image/{image}/small.png",
        f"/viewer/images/{image}",
    ]
    for path in paths:
        assert user.client.get(path).status_code == 200, path
        assert stranger.client.get(path).status_code == 404, path
    assert user.client.get(f"/chat-files/{exchange}/mask-7.tif").status_code == 404


def test_what_is_sent_stays_within_the_rules_of_the_page(visit: Visit) -> None:
    reply = visit().client.get("/chat/")
    policy = reply.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "object-src 'none'" in policy
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("kind", ["path", "hidden", "relative", "address"])
def test_no_other_file_of_the_server_can_be_added(
    address: str, visit: Visit, tmp_path: Path, kind: str
) -> None:
    secret = tmp_path / "secret.tif"
    secret.write_bytes(geotiff(64, 64))
    path = {
        "path": str(secret), "hidden": f"/tmp/../{secret}", "relative": "pyproject.toml",
        "address": f"{address}/favicon.ico",
    }[kind]  # fmt: skip
    file = {"path": path, "orig_name": "x.tif", "meta": {"_type": "gradio.FileData"}}
    with pytest.raises(RefusedError):
        visit().call("upload", [[file], None])
    assert secret.exists()


def test_an_uploaded_page_or_drawing_is_not_shown_as_one(visit: Visit) -> None:
    user = visit()
    for name in ("x.svg", "x.html"):
        text = (
            b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
        )
        path = user.send(name, text)
        reply = user.client.get(f"/chat/gradio_api/file={path}")
        assert "svg" not in reply.headers["content-type"]
        assert "html" not in reply.headers["content-type"]
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "attachment" in reply.headers.get("content-disposition", "attachment")
