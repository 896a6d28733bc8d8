"""A headless Chromium for end-to-end tests that can reach this machine only.

Selenium drives it: it is a Python package, and Debian's ``chromium-driver`` is all it
needs besides. In a test::

    with serving(app) as address:            # uvicorn on loopback, in a thread
        browser.go(f"{address}/chat")        # fixture of tests/app/conftest.py
        browser.wait("button.ask").click()
        browser.shot("asked")                # kept as ARTEFACTS/TEST-asked.png
        assert not browser.errors()
        assert not browser.outside()         # addresses beyond loopback that were asked

Screenshots go to the folder ``RSVLM_SHOTS``, by default ``build/browser``.
"""

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rsvlm import assets

_T = TypeVar("_T")

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
ARTEFACTS = Path(os.environ.get("RSVLM_SHOTS") or "build/browser")

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-default-apps", "--disable-dev-shm-usage", "--hide-scrollbars",
    # Every name and address but loopback fails at once.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
_HOME = re.compile(
    r"^(data:|blob:|about:|chrome|https?://(127\.0\.0\.1|localhost)[:/])"
)


@contextmanager
def serving(app: Any) -> Iterator[str]:
    """Serve an ASGI application on a free port of loopback and yield its address."""
    import uvicorn

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    config = uvicorn.Config(app, "127.0.0.1", port, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        assert server.started, "the server did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def until(check: Callable[[], _T], seconds: float = 60) -> _T:
    """Ask until the answer is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"still {found!r} after {seconds:g} s"
        time.sleep(0.03)
    return found


class Browser:
    """One Chromium window; ``driver`` is Selenium's."""

    def __init__(self, driver: Any) -> None:
        self.driver, self.prefix = driver, ""
        self._errors: list[str] = []
        self._requests: list[str] = []

    def go(self, address: str) -> None:
        """Open a page."""
        self.driver.get(address)

    def size(
        self, width: int, height: int, scale: float = 1, mobile: bool = False
    ) -> None:
        """Set the size of the page in CSS pixels; ``scale`` 2 is a zoom of 200 %.

        A window of 1280 x 800 zoomed to 200 % has 640 x 400 CSS pixels.
        """
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=scale, mobile=mobile,
        )  # fmt: skip

    def scheme(self, name: str) -> None:
        """Prefer ``"light"`` or ``"dark"``."""
        feature = {"name": "prefers-color-scheme", "value": name}
        self._command("Emulation.setEmulatedMedia", features=[feature])

    def download_to(self, folder: Path) -> None:
        """Set the folder that downloads go to."""
        self._command(
            "Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder)
        )

    def _command(self, name: str, **values: Any) -> None:
        self.driver.execute_cdp_cmd(name, values)

    def run(self, script: str, *values: Any) -> Any:
        """Run JavaScript in the page; ``return`` gives its value back."""
        return self.driver.execute_script(script, *values)

    def all(self, selector: str) -> list[Any]:
        """Return the elements that a CSS selector finds."""
        found: list[Any] = self.driver.find_elements("css selector", selector)
        return found

    def wait(self, selector: str, seconds: float = 60) -> Any:
        """Return the first element, once it is there and seen."""
        return until(
            lambda: next((e for e in self.all(selector) if e.is_displayed()), None),
            seconds,
        )

    def until(self, script: str, seconds: float = 60) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        return until(lambda: self.run(f"return {script}"), seconds)

    def press(self, *keys: str) -> None:
        """Press keys, one after another, where the focus is."""
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def shot(self, name: str) -> Path:
        """Keep a picture of what is seen, as a test artefact."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTEFACTS / f"{self.prefix}{name}.png"
        path.write_bytes(self.driver.get_screenshot_as_png())
        return path

    def _read_logs(self) -> None:
        for entry in self.driver.get_log("browser"):
            if entry["level"] == "SEVERE":
                self._errors.append(entry["message"])
        for entry in self.driver.get_log("performance"):
            event = json.loads(entry["message"])["message"]
            if event["method"] == "Network.requestWillBeSent":
                self._requests.append(event["params"]["request"]["url"])

    def errors(self) -> list[str]:
        """Return the errors that the console of the page has shown so far."""
        self._read_logs()
        return list(self._errors)

    def requests(self) -> list[str]:
        """Return the addresses that were asked for so far."""
        self._read_logs()
        return list(self._requests)

    def outside(self) -> list[str]:
        """Return those of them that are not on this machine."""
        return [url for url in self.requests() if not _HOME.match(url)]

    def axe(self) -> list[str]:
        """Return the serious faults of accessibility that axe-core finds in the page.

        The test is skipped where ``rsvlm assets fetch axe-core`` was not run.
        """
        found = assets.cached("axe-core")
        if found is None:
            pytest.skip("fetch axe-core first: rsvlm assets fetch axe-core")
        self.run((found / "axe.min.js").read_text(encoding="utf-8"))
        self.driver.set_script_timeout(60)
        faults = self.driver.execute_async_script(
            "axe.run({resultTypes: ['violations']}).then(r => arguments[0](r.violations))"
        )
        return [
            f"{fault['impact']}: {fault['id']}: {fault['help']}: "
            + "; ".join(node["html"][:120] for node in fault["nodes"][:3])
            for fault in faults
            if fault["impact"] in ("serious", "critical")
        ]

    def forget(self) -> None:
        """Begin anew: an empty page of the usual size, no errors, no requests."""
        self.driver.get("about:blank")
        self._command("Network.clearBrowserCookies")
        self._command("Emulation.clearDeviceMetricsOverride")
        self.scheme("light")
        self._read_logs()
        self._errors.clear()
        self._requests.clear()


@contextmanager
def chromium(width: int = 1280, height: int = 800) -> Iterator[Browser]:
    """Start Chromium with a new profile and a window of this size, CSS px."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (*_FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    driver = Chrome(options, Service(str(DRIVER)))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
