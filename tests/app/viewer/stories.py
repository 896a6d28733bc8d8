"""What the stories in a browser share: an answer, and ways to look at the page."""

import json
import math
from typing import Any

import numpy as np

from tests.browser import Browser

FRAME = """<!doctype html><html lang="en"><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<body style="margin:0"><iframe title="viewer" style="width:100%;height:98vh;border:0"
src="/viewer/?embed=1&panel=open"></iframe><script>
window.got = []; addEventListener("message", (event) => got.push(event.data));
function send(m) { document.querySelector("iframe").contentWindow.postMessage(m, "*"); }
</script>"""

#: What the page looks like from the outside: where its first view is, and how large.
PLACE = """(() => {
  const layer = document.querySelector('.overlay > g').getAttribute('transform');
  return layer && layer.match(/-?[\\d.e+-]+/g).map(Number);
})()"""
DRAWN = "document.querySelectorAll('.area[data-drawn]').length >= %d"


def ring(x: float, y: float, w: float, h: float, turn: float = 0) -> list[list[float]]:
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((-w, -h), (w, -h), (w, h), (-w, h))
    return [[x + a * cos - b * sin, y + a * sin + b * cos] for a, b in corners]


def region(id: int, label: str, kind: str, points: list[list[float]], score: float,
           image: int = 0, **more: Any) -> dict[str, Any]:  # fmt: skip
    xs, ys = zip(*points, strict=True)
    return {
        "id": id, "image": image, "label": label, "kind": kind, "confidence": score,
        "pixels": points, "hbb": [min(xs), min(ys), max(xs), max(ys)],
        "area_px": (max(xs) - min(xs)) * (max(ys) - min(ys)), "area_m2": 5000.0 * id,
        "geometry": None, **more,
    }  # fmt: skip


def mask(width: int, height: int) -> str:
    """Return the counts of a ring-shaped mask."""
    from pycocotools import mask as coco

    y, x = np.mgrid[:height, :width]
    far = np.hypot((x - width / 2) / width, (y - height / 2) / height)
    pixels = ((far < 0.5) & (far > 0.2)).astype(np.uint8)
    return str(coco.encode(np.asfortranarray(pixels))["counts"].decode())


EVIL = '"><img src=x onerror=document.title="hacked">'


def answer() -> dict[str, Any]:
    rle = {
        "size": [200, 300],
        "counts": mask(300, 200),
        "window": [700, 500, 1000, 700],
    }
    corners = [[700.0, 500.0], [1000.0, 500.0], [1000.0, 700.0], [700.0, 700.0]]
    regions = [
        region(1, "ship", "obb", ring(300, 300, 120, 40, 0.6), 0.91),
        region(2, "ship", "obb", ring(700, 200, 100, 30, -0.4), 0.55),
        region(3, "storage tank", "hbb", ring(200, 700, 60, 60), 0.71),
        region(4, "harbour", "mask", corners, 0.66, rle=rle),
        region(5, EVIL, "hbb", ring(1000, 120, 60, 60), 0.3),
    ]
    scores = [[0.1, 0.2, 0.1], [0.1, 0.9, 0.3]]
    look = {"step": "look", "image": 0, "window": [0, 0, 1200, 900], "scores": scores}
    steps = [look] + [
        {"step": "zoom", "image": 0, "window": window, "score": score, "note": "fits"}
        for window, score in (([400, 450, 800, 850], 0.9), ([0, 0, 300, 300], 0.4))
    ]
    trace = [
        {"rendering": "true-colour", "score": None, "size": [448, 336]} | s
        for s in steps
    ]
    return {
        "schema": "rsvlm.answer/1", "task": "ground", "question": "Where?", "text": "There.",
        "confidence": 0.8, "abstained": False, "regions": regions, "trace": trace,
    }  # fmt: skip


def opened(browser: Browser, address: str, query: str, views: int = 1) -> None:
    browser.go(f"{address}/viewer/?{query}")
    browser.until(DRAWN % views)


def shown(browser: Browser, address: str, images: list[str]) -> None:
    """Open the viewer in a page, as the chat page does, and give it an answer."""
    browser.go(f"{address}/frame")
    browser.until("got.some((m) => m.type === 'rsvlm.ready')")
    say(browser, {"type": "rsvlm.show", "images": images, "answer": answer()})
    browser.until("got.some((m) => m.type === 'rsvlm.shown')")
    browser.driver.switch_to.frame(0)
    browser.until("document.querySelectorAll('.list [data-region]').length === 5")
    browser.until(DRAWN % len(images))


def say(browser: Browser, message: dict[str, Any]) -> None:
    browser.driver.switch_to.default_content()
    browser.run("send(arguments[0])", message)


def told(browser: Browser, kind: str) -> dict[str, Any]:
    """Return the next message of a kind that the page around gets."""
    browser.driver.switch_to.default_content()
    find = f"got.findIndex((m) => m.type === {json.dumps(kind)})"
    browser.until(f"{find} >= 0")
    found: dict[str, Any] = browser.run(f"return got.splice({find}, 1)[0]")
    browser.driver.switch_to.frame(0)
    return found


def settled(browser: Browser) -> list[float]:
    """Return the place of the first view, once it has stopped moving."""
    before: list[float] = []
    for _ in range(100):
        now = browser.run(
            f"return new Promise((done) => setTimeout(() => done({PLACE}), 120))"
        )
        if now == before:
            return before
        before = now
    raise AssertionError("the view does not stop")


def drag(
    browser: Browser, selector: str, way: tuple[int, int], shift: bool = False
) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    area = browser.wait(selector)
    steps = ActionChains(browser.driver, duration=30).move_to_element(area)
    if shift:
        steps.key_down(Keys.SHIFT)
    steps.click_and_hold().move_by_offset(way[0] // 2, way[1] // 2)
    steps.move_by_offset(way[0] - way[0] // 2, way[1] - way[1] // 2).release()
    if shift:
        steps.key_up(Keys.SHIFT)
    steps.perform()
