"""Chromium without a window, driven over its debugging pipe: open a page, wait for a condition, look at it.

    with Chromium.start(folder) as browser:
        page = browser.page(width=390, phone=True)
        page.open(url)
        page.wait("document.querySelector('#done')")
        page.screenshot(path)

No driver, no network of its own; messages are JSON with a zero byte between (Chrome DevTools Protocol).
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Empty, Queue

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
WAIT_S = 60
# exec with the pipe where Chromium expects it: it reads commands from 3 and answers on 4
EXEC = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4);"
    "os.execvp(sys.argv[3], sys.argv[3:])"
)


def find():
    """The browser's path, or None."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class BrowserError(AssertionError):
    """The page or the browser did not do what the test waits for; the message holds the console."""


class Chromium:
    """One browser process. Messages of all pages arrive on one thread, answers are matched by number."""

    def __init__(self, process, to_browser, from_browser):
        self.process = process
        self._out = to_browser
        self._in = from_browser
        self._number = 0
        self._answers = {}
        self._lock = threading.Lock()
        self._listeners = {}
        self._reader = threading.Thread(target=self._read, name="chromium", daemon=True)
        self._reader.start()

    @classmethod
    def start(cls, folder, *flags):
        """Starts a browser whose profile lives in `folder`."""
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]
        command = [find(), *FLAGS, *flags, f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen(
            [sys.executable, "-c", EXEC, *map(str, high), *command],
            pass_fds=high,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(Path(folder) / "chromium.log").open("wb"),
        )
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        return cls(process, os.fdopen(ours_out, "wb", buffering=0), os.fdopen(ours_in, "rb", buffering=0))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        try:
            self.call("Browser.close")
        except (BrowserError, OSError):
            self.process.kill()
        self.process.wait(WAIT_S)
        self._out.close()
        self._reader.join(WAIT_S)
        self._in.close()

    def call(self, method, session=None, **params):
        """One command and its result. Raises BrowserError."""
        answer = Queue()
        with self._lock:
            self._number += 1
            number = self._number
            self._answers[number] = answer
            message = {"id": number, "method": method, "params": params}
            if session:
                message["sessionId"] = session
            self._out.write(json.dumps(message).encode() + b"\0")
        try:
            found = answer.get(timeout=WAIT_S)
        except Empty:
            raise BrowserError(f"Chromium does not answer {method}") from None
        if "error" in found:
            raise BrowserError(f"{method}: {found['error']}")
        return found["result"]

    def listen(self, session, function):
        """`function(method, params)` hears the events of a session."""
        self._listeners[session] = function

    def _read(self):
        data = b""
        while True:
            try:
                more = self._in.read(65536)
            except (OSError, ValueError):
                more = b""
            if not more:
                for answer in self._answers.values():
                    answer.put({"error": "Chromium has ended"})
                return
            *messages, data = (data + more).split(b"\0")
            for text in messages:
                message = json.loads(text)
                if "id" in message:
                    self._answers.pop(message["id"]).put(message)
                elif message.get("sessionId") in self._listeners:
                    self._listeners[message["sessionId"]](message["method"], message["params"])

    def page(self, width=1280, height=900, phone=False, dark=False, zone="Europe/Lisbon"):
        """A fresh tab of its own context: nothing shared with other pages."""
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, target, width, height, phone, dark, zone)


class Page:
    """One tab. `trouble` collects what its console called an error, uncaught exceptions, refused policies."""

    def __init__(self, browser, session, target, width, height, phone, dark, zone):
        self._browser = browser
        self._session = session
        self._target = target
        self.width, self.height = width, height
        self.trouble = []
        browser.listen(session, self._event)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Emulation.setTimezoneOverride", timezoneId=zone)

    def call(self, method, **params):
        """One command to this tab."""
        return self._browser.call(method, self._session, **params)

    def _event(self, method, params):
        if method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.trouble.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.trouble.append(" ".join(str(arg.get("value")) for arg in params["args"]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.trouble.append(f"{params['entry']['text']} {params['entry'].get('url', '')}")

    def open(self, url):
        """Goes there; returns when the navigation has begun."""
        failed = self.call("Page.navigate", url=url).get("errorText")
        if failed:
            raise BrowserError(f"{url}: {failed}")

    def do(self, script):
        """The value of a JavaScript expression (a promise is awaited)."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise BrowserError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    def wait(self, condition):
        """Until a JavaScript expression is true. Raises BrowserError with the console after a minute."""
        end = time.monotonic() + WAIT_S
        pause = threading.Event()
        while time.monotonic() < end:
            try:
                if self.do(f"Boolean({condition})"):
                    return
            except BrowserError:
                pass  # between two documents
            pause.wait(0.05)
        raise BrowserError(f"never came true: {condition}; console: {self.trouble}")

    def text(self, selector):
        """The visible text of an element."""
        return self.do(f"document.querySelector({json.dumps(selector)}).innerText")

    def size(self, selector, kind="Height"):
        """An element's height or width in CSS pixels."""
        return self.do(f"document.querySelector({json.dumps(selector)}).offset{kind}")

    def set_files(self, selector, paths):
        """Chooses files in a file input, as a person would."""
        node = self.call("DOM.getDocument")["root"]["nodeId"]
        found = self.call("DOM.querySelector", nodeId=node, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=found, files=[str(path) for path in paths])

    def offline(self, off=True):
        """Cuts or restores the network of this tab."""
        self.call(
            "Network.emulateNetworkConditions",
            offline=off,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    def screenshot(self, path):
        """The whole page as a PNG file."""
        height = self.do("Math.ceil(document.documentElement.getBoundingClientRect().height)")
        clip = {"x": 0, "y": 0, "width": self.width, "height": max(height, self.height), "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)[
            "data"
        ]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        """Ends the tab."""
        self._browser.call("Target.closeTarget", targetId=self._target)
