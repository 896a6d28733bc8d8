"""Takes the pictures of the chat page that the README and docs/chat.md show.

It walks the way of a newcomer with the shipped checkpoint, in a headless Chromium:
start, sample scene, question, regions and trace, download.

Run: ``python scripts/chat_pictures.py --out docs/images`` (Debian's packages chromium,
chromium-driver and fonts-dejavu-core).
"""

import sys
import tempfile
import time
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rsvlm.app.server.settings import read_settings
from rsvlm.app.serving import build_server
from tests.app.chat.conftest import ChatPage
from tests.browser import chromium, serving, until

#: Seconds that a picture waits for tiles to arrive.
PAUSE = 2.5


@click.command()
@click.option("--out", default="docs/images", show_default=True)
@click.option("--model", default="tiny", show_default=True, metavar="PATH")
def main(out: str, model: str) -> None:
    """Take the pictures."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        settings = read_settings(given={"model": model, "data": Path(data)})
        app = build_server(settings).config.app
        with serving(app) as address, chromium(1360, 900) as browser:
            browser.size(1360, 820)
            page = ChatPage(browser, address).start()

            def shot(name: str) -> None:
                time.sleep(PAUSE)
                png = browser.driver.get_screenshot_as_png()
                (folder / f"chat-{name}.png").write_bytes(_smaller(png))
                click.echo(folder / f"chat-{name}.png")

            shot("start")
            page.pick()
            shot("image")
            before = time.monotonic()
            browser.all(".example")[0].click()
            until(page.turns, 180)
            click.echo(f"answered in {time.monotonic() - before:.1f} s")
            click.echo(page.text(".said"))
            shot("answer")
            browser.wait(".trace summary").click()
            browser.wait(".chip").click()
            shot("trace")
            assert not browser.outside(), browser.outside()


def _smaller(png: bytes) -> bytes:
    """Return a picture with 256 colours: a third of the size."""
    import io

    from PIL import Image

    file = io.BytesIO()
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()


if __name__ == "__main__":
    main()
