"""``rsvlm ask --model URL#NAME``: from the command line to a server and back."""

import base64
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from PIL import Image
from rasterio.transform import from_origin

from rsvlm.app.build import build_assistant
from rsvlm.app.cli import main
from rsvlm.errors import CheckpointError, SettingsError, UnknownNameError


@dataclass
class Served:
    """A served model that always says the same."""

    url: str = ""
    reply: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def served() -> Iterator[Served]:
    record = Served()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def answer(self, status: int, body: Any) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self) -> None:
            self.answer(404, {"error": {"message": "no list"}})

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            record.requests.append(json.loads(self.rfile.read(size)))
            message = {"role": "assistant", "content": record.reply}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self.answer(200, {"object": "chat.completion", "choices": [choice]})

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        record.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
        thread = threading.Thread(target=http.serve_forever, args=(0.02,))
        thread.start()
        yield record
        http.shutdown()
        thread.join()


@pytest.fixture
def image(tmp_path: Path) -> str:
    """2000 x 1000 px of 0.5 m; a model that takes 1344 px sees it as 1344 x 672."""
    pixels = np.zeros((3, 1000, 2000), dtype=np.uint8)
    pixels[:, 500:, 1000:] = 255
    path = tmp_path / "port.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=2000, height=1000, count=3, dtype="uint8",
        photometric="RGB", crs="EPSG:32611",
        transform=from_origin(380000, 3730000, 0.5, 0.5),
    ) as file:  # fmt: skip
        file.write(pixels)
    return str(path)


def ask(image: str, *arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(main, ["ask", image, *arguments, "--json"])
    assert result.exit_code == 0, result.output
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@pytest.mark.parametrize(
    ("model", "reply"),
    [
        # 1344 x 672 is a multiple of 28: what is sent is what is counted in.
        ("#Qwen/Qwen2.5-VL-3B", '[{"bbox_2d": [672, 336, 1344, 672], "label": "roof"}]'),
        # A smaller picture is asked for: 500 x 250 becomes 504 x 252.
        ("?max_side=500#qwen2.5-vl", '[{"bbox_2d": [252, 126, 504, 252], "label": "a"}]'),
        ("#Qwen/Qwen3-VL-8B", '[{"bbox_2d": [500, 500, 1000, 1000], "label": "roof"}]'),
        ("#MBZUAI/geochat-7B", "{<50><50><100><100>|<0>}"),
        ("?dialect=gemini#x", '[{"box_2d": [500, 500, 1000, 1000], "label": "roof"}]'),
    ],
)  # fmt: skip
def test_boxes_of_a_served_model_come_back_on_the_earth(
    served: Served, image: str, model: str, reply: str
) -> None:
    served.reply = reply
    answer = ask(image, "Where is the roof?", "-t", "ground", "--model", served.url + model)  # fmt: skip
    (region,) = answer["regions"]
    assert region["hbb"] == pytest.approx([1000, 500, 2000, 1000])
    assert region["area_m2"] == pytest.approx(500 * 250, rel=2e-3)
    assert answer["model"]["engine"] == "remote"
    assert answer["model"]["name"] == model.partition("#")[2]
    url = served.requests[0]["messages"][0]["content"][0]["image_url"]["url"]
    data = base64.b64decode(url.partition(",")[2])
    with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
        seen = np.asarray(picture)
    # The white quarter is where the reply says that it is.
    height, width = seen.shape[:2]
    assert seen[height // 2 + 2 :, width // 2 + 2 :].min() > 250
    assert seen[: height // 2 - 2].max() < 5
    if "max_side" in model:
        assert (width, height) == (504, 252)


def test_words_of_a_served_model(served: Served, image: str) -> None:
    served.reply = "A white roof."
    result = CliRunner().invoke(main, ["ask", image, "What is this?", "--model", f"{served.url}#x"])  # fmt: skip
    assert result.stdout == "A white roof.\n"
    assert served.requests[0]["max_tokens"] == 1024


def test_a_guessed_dialect_is_a_note(served: Served, image: str) -> None:
    served.reply = '[{"bbox_2d": [500, 500, 1000, 1000], "label": "roof"}]'
    arguments = ["ask", image, "Where is the roof?", "-t", "ground", "--model", f"{served.url}#x"]  # fmt: skip
    result = CliRunner().invoke(main, arguments)
    assert "Note: How the model x counts coordinates is not known" in result.stderr


def test_errors_are_one_line(image: str) -> None:
    for model, words in (
        ("http://127.0.0.1:9/v1?retries=0#x", "cannot be reached"),
        ("http://127.0.0.1:9/v1?tries=0#x", "Did you mean 'retries'"),
        ("ftp://h/v1#x", "is not the address of a server"),
    ):
        result = CliRunner().invoke(main, ["ask", image, "What?", "--model", model])
        assert result.exit_code == 1
        assert words in result.stderr
        assert result.stderr.count("\n") == 1


def test_addresses_are_checked_before_anything_is_loaded() -> None:
    with pytest.raises(SettingsError):
        build_assistant("ftp://h#m")
    with pytest.raises(UnknownNameError):
        build_assistant("http://h/v1?dialect=x#m")


def test_a_served_model_needs_no_torch() -> None:
    code = (
        "import sys\nfrom rsvlm.app.build import build_assistant\n"
        "assistant = build_assistant('http://127.0.0.1:9/v1#geochat')\n"
        "assert assistant.finder is None\n"
        "sys.exit(bool({'torch', 'transformers'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_region_head_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="sam2:PATH"):
        build_assistant("http://127.0.0.1:9/v1#geochat", "detr:x")
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        build_assistant("http://127.0.0.1:9/v1#geochat", f"sam2:{tmp_path}")
