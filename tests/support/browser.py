"""A real Chromium without a window, driven over its debugging pipe (Chrome DevTools Protocol)."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.harness.errors import HarnessError
from tests.harness.packages import install

ANSWER_SECONDS = 30
PROGRAM = {"chromium": "chromium"}
FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # it refuses to run as root with one, and shows nothing here but our own page
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-proxy-server",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)
# Chromium reads commands from 3 and writes answers to 4; numbers above these so that neither move overwrites the other.
FIRST_FREE_FD = 20
KEYS = {
    "Tab": {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9},
    "Enter": {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"},
    "Escape": {"key": "Escape", "code": "Escape", "windowsVirtualKeyCode": 27},
    "Space": {"key": " ", "code": "Space", "windowsVirtualKeyCode": 32, "text": " "},
}


class Browser:
    """One Chromium with a profile of its own; its pages share nothing with each other."""

    def __init__(self, folder: Path) -> None:
        try:
            install(PROGRAM)
        except HarnessError as error:
            pytest.skip(f"no chromium: {error}")
        program = shutil.which("chromium") or "chromium"
        self._commands, answers = _open_pipes()
        self._answers = answers[0]
        command = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}"]
        script = f'exec "$@" 3<&{self._commands[0]} 4>&{answers[1]}'
        with (folder / "chromium.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", "-c", script, "chromium", *command],
                stdout=log,
                stderr=log,
                pass_fds=(self._commands[0], answers[1]),
                env={**os.environ, "HOME": str(folder)},
            )
        os.close(self._commands[0])
        os.close(answers[1])
        self._unread = b""
        self._sent = 0
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """The answer to a command; events that come meanwhile are kept."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self._commands[1], json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            answer = self._receive(deadline, method)
            if answer.get("id") == self._sent:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _receive(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._unread:
            readable, _, _ = select.select([self._answers], [], [], max(deadline - time.monotonic(), 0))
            assert readable, f"chromium did not answer {what} within {ANSWER_SECONDS} s"
            read = os.read(self._answers, 1 << 20)
            assert read, f"chromium ended with {self._process.wait(10)}"
            self._unread += read
        message, _, self._unread = self._unread.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received

    def open(self, url: str, *, width: int = 1280, height: int = 900) -> Page:
        """A page in a context of its own: no storage of the others."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, context)
        page.resize(width, height)
        page.go(url)
        return page

    def close(self) -> None:
        os.close(self._commands[1])
        self._process.terminate()
        self._process.wait(20)
        os.close(self._answers)


class Page:
    """A tab, used as a person does: by sight, mouse and keys."""

    def __init__(self, browser: Browser, session: str, context: str) -> None:
        self._browser = browser
        self._session = session
        self._context = context
        for domain in ("Page", "Runtime", "Log", "Network", "Audits", "Accessibility"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        return self._browser.send(method, self._session, **params)

    def events(self, name: str) -> list[dict[str, Any]]:
        """Parameters of all events of a kind in this tab."""
        self.send("Runtime.evaluate", expression="0")
        mine = (event for event in self._browser.events if event.get("sessionId") == self._session)
        return [event["params"] for event in mine if event["method"] == name]

    def go(self, url: str) -> None:
        """Open an address and wait until it is loaded with its scripts."""
        self.send("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'")

    def close(self) -> None:
        """Close the tab, and forget what it stored and told."""
        self._browser.send("Target.disposeBrowserContext", browserContextId=self._context)
        self._browser.events.clear()

    def resize(self, width: int, height: int = 900) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def prefer(self, scheme: str) -> None:
        """Let the system prefer a light or a dark theme."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def read(self, expression: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, (expression, answer["exceptionDetails"])
        return answer["result"].get("value")

    def text(self, selector: str) -> str:
        """What can be read in an element."""
        return str(self.read(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def wait(self, expression: str, within: float = 20) -> Any:
        """The first value of an expression that is true."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            value = self.read(expression)
            if value:
                return value
            time.sleep(0.03)
        raise AssertionError(f"not within {within} s: {expression}; the page says:\n{self.text('body')[:3000]}")

    def wait_text(self, selector: str, text: str, within: float = 20) -> None:
        """Wait until an element shows a text."""
        found = f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(text)})"
        self.wait(found, within)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, which must be what lies there."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.read(f"{found}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
        box = self.read(
            f"(({{x, y, width, height}}) => [x + width / 2, y + height / 2])({found}.getBoundingClientRect())"
        )
        x, y = box
        hit = f"document.elementFromPoint({x}, {y})"
        assert self.read(f"{found}.contains({hit})"), f"{selector} is covered"
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def fill(self, selector: str, text: str) -> None:
        """Click into a field and type."""
        self.click(selector)
        self.read(f"document.querySelector({json.dumps(selector)}).select?.()")
        self.type(text)

    def type(self, text: str) -> None:
        self.send("Input.insertText", text=text)

    def press(self, key: str, *, shift: bool = False) -> None:
        modifiers = 8 if shift else 0
        self.send("Input.dispatchKeyEvent", type="keyDown", modifiers=modifiers, **KEYS[key])
        self.send("Input.dispatchKeyEvent", type="keyUp", modifiers=modifiers, **KEYS[key])

    def screenshot(self, path: Path) -> bytes:
        """A picture of what can be seen, as PNG."""
        taken = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        path.write_bytes(taken)
        return taken

    def accessible(self) -> list[dict[str, str]]:
        """Role and name of everything that a screen reader meets."""
        nodes = self.send("Accessibility.getFullAXTree")["nodes"]
        return [
            {part: str(node.get(part, {}).get("value", "")) for part in ("role", "name")}
            for node in nodes
            if not node["ignored"]
        ]

    def complaints(self) -> list[str]:
        """Errors and warnings of the console, uncaught exceptions, violations of the policy, and other issues."""
        console = [
            f"console.{event['type']}: {[arg.get('value', arg.get('description')) for arg in event['args']]}"
            for event in self.events("Runtime.consoleAPICalled")
            if event["type"] in ("error", "warning", "assert")
        ]
        thrown = [str(event["exceptionDetails"]) for event in self.events("Runtime.exceptionThrown")]
        logged = [
            f"{event['entry']['source']}: {event['entry']['text']} {event['entry'].get('url', '')}"
            for event in self.events("Log.entryAdded")
            if event["entry"]["level"] in ("error", "warning")
        ]
        issues = [str(event["issue"]) for event in self.events("Audits.issueAdded")]
        return console + thrown + logged + issues

    def requested(self) -> list[str]:
        """Addresses that the page asked for."""
        return [event["request"]["url"] for event in self.events("Network.requestWillBeSent")]


def _open_pipes() -> tuple[tuple[int, int], tuple[int, int]]:
    pipes = []
    for _ in range(2):
        low = os.pipe()
        pipes.append(tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, FIRST_FREE_FD) for fd in low))
        for fd in low:
            os.close(fd)
    (commands, answers) = pipes
    return (commands[0], commands[1]), (answers[0], answers[1])
