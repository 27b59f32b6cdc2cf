"""A page in headless Chromium, over the browser's own DevTools protocol: no driver to install."""

import base64
import http.server
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
QUIET = [
    f"--{switch}"
    for switch in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "disable-dev-shm-usage",
        "no-first-run",
        "disable-sync",
        "disable-background-networking",
        "disable-component-update",
        "disable-default-apps",
        "disable-extensions",
        "mute-audio",
        "remote-debugging-port=0",
        "remote-allow-origins=*",
    )
]


class PageIsGoneError(Exception):
    """The page was left for another while it was asked something."""


class Page:
    """One tab: what it asked the network for, and what went wrong, since it last opened an address."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=300)
        self.count = 0
        self.forget()
        for domain in ("Page", "Runtime", "Network", "Log", "Animation"):
            self.send(f"{domain}.enable")
        self.send("Animation.setPlaybackRate", playbackRate=1000)  # nobody looks on

    def forget(self) -> None:
        self.requests: list[str] = []
        self.troubles: list[str] = []
        self.loaded = False

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.count:
                if "error" in message:
                    raise PageIsGoneError(f"{method}: {message['error']}")
                return message["result"]
            self._notice(message.get("method", ""), message.get("params", {}))

    def _notice(self, method: str, params: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Network.responseReceived" and params["response"]["status"] >= 400:
            self.troubles.append(f"{params['response']['status']} {params['response']['url']}")
        elif method == "Network.loadingFailed" and params["errorText"] != "net::ERR_ABORTED":  # left in time
            self.troubles.append(f"{params['errorText']} {self.requests[-1:]}")
        elif method == "Runtime.exceptionThrown":
            self.troubles.append(str(params["exceptionDetails"].get("exception", params["exceptionDetails"])))
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert", "warning"):
            self.troubles.append(" ".join(str(arg.get("value", arg)) for arg in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.troubles.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")
        elif method == "Page.loadEventFired":
            self.loaded = True

    def open(self, url: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.forget()
        self.send("Page.navigate", url=url)
        self.wait(lambda: self.loaded, f"{url} to load")

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Wait until a condition holds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with suppress(PageIsGoneError):
                self.send("Runtime.evaluate", expression="0")  # events come in while an answer is awaited
                if value := condition():
                    return value
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s for {what}; {self.troubles}")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; a promise is awaited."""
        result = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def resize(self, width: int, height: int = 900) -> None:
        """Take the size of a screen; below 600 pixels it is a phone's."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server of this folder, on this machine alone."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def chromium() -> Iterator[Page]:
    """A page of a fresh browser; skips where none is installed. D2LRNN_CHROMIUM may name one."""
    program = os.environ.get("D2LRNN_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no Chromium or Chrome on PATH, and D2LRNN_CHROMIUM names none")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *QUIET, f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            page = Page(_address_of_first_tab(Path(profile) / "DevToolsActivePort", browser))
            with closing(page.socket):
                yield page
        finally:
            browser.terminate()
            with suppress(subprocess.TimeoutExpired):
                browser.wait(10)
            browser.kill()
            browser.wait()


def _address_of_first_tab(file: Path, browser: subprocess.Popen[bytes]) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert browser.poll() is None, f"the browser ended at once with exit code {browser.poll()}"
        if file.exists() and file.read_text().count("\n"):
            port = file.read_text().split()[0]
            with urlopen(f"http://127.0.0.1:{port}/json/list", timeout=60) as answer:
                tabs = json.load(answer)
            pages = [tab for tab in tabs if tab["type"] == "page"]
            if pages:
                return pages[0]["webSocketDebuggerUrl"]
        time.sleep(0.1)
    raise AssertionError("the browser opened no port within a minute")
