"""How fast the chat page is: first paint, first streamed word, many users at once.

Run: ``python benchmarks/chat_page.py [--users 20]`` (Debian's packages chromium and
chromium-driver). The answers are scripted, so that the page is measured and not a
model; what a model takes is measured by ``benchmarks/answer_time.py``.
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.app.chat.conftest import ChatPage
from tests.app.chat.fakes import chat_app, geotiff
from tests.app.chat.visitor import Visitor
from tests.browser import Browser, chromium, serving, until

_PAINT = """
const paint = performance.getEntriesByName('first-contentful-paint')[0];
return paint ? paint.startTime : null;
"""


@click.command()
@click.option("--users", default=20, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(users: int, rounds: int) -> None:
    """Print the figures, milliseconds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(chat_app(Path(folder))) as address,
    ):
        with chromium() as browser:
            paints, uses, words = zip(
                *(_visit(browser, address) for _ in range(rounds)), strict=True
            )
        _print("first contentful paint", paints)
        _print("sample scenes can be picked", uses)
        _print("first streamed word after Ask", words)
        before = time.monotonic()
        with ThreadPoolExecutor(users) as pool:
            spent = list(pool.map(lambda n: _ask(address, n), range(users)))
        _print(f"{users} users at once: upload, question, answer", spent)
        click.echo(
            f"all of them: {1000 * (time.monotonic() - before):.0f} ms, no error"
        )


def _visit(browser: Browser, address: str) -> tuple[float, float, float]:
    browser.forget()
    before = time.monotonic()
    page = ChatPage(browser, address).start()
    usable = 1000 * (time.monotonic() - before)
    paint = float(until(lambda: browser.run(_PAINT)))
    page.pick()
    page.type("A slow one, please")
    before = time.monotonic()
    browser.wait("#ask").click()
    until(lambda: browser.all("#now .draft"))
    word = 1000 * (time.monotonic() - before)
    browser.wait("#stop").click()
    until(page.turns)
    return paint, usable, word


def _ask(address: str, number: int) -> float:
    user = Visitor(address)
    before = time.monotonic()
    user.upload(f"user-{number}.tif", geotiff(64, 64, seed=number))
    shown = user.ask(f"Where, {number}?")
    assert f"About user-{number}.tif" in shown[0], "the answer is of somebody else"
    user.client.close()
    return 1000 * (time.monotonic() - before)


def _print(name: str, values: "tuple[float, ...] | list[float]") -> None:
    click.echo(
        f"{name}: median {statistics.median(values):.0f} ms, worst {max(values):.0f} ms"
    )


if __name__ == "__main__":
    main()
