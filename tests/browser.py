"""A Chromium that does what a person does: opens pages, clicks, types; through its own protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--remote-debugging-pipe",
)  # fmt: skip
_WAITS = 0.02


class Browser:
    """One page of a headless Chromium, of `width` × `height` pixels; to be used in a `with`."""

    def __init__(self, width: int = 1280, height: int = 1000):
        self._size = width, height
        self._number = 0

    def __enter__(self) -> Self:
        assert CHROMIUM is not None
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        hears, self._to = os.pipe()
        self._from, says = os.pipe()
        # It reads from 3 and writes to 4, which neither of the two may be by chance.
        hears, says = (_above_ten(number) for number in (hears, says))
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{hears} 4>&{says}', CHROMIUM, *_FLAGS,
             f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(hears, says), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(hears)
        os.close(says)
        self._read = os.fdopen(self._from, "rb", buffering=0)
        self._rest = b""
        (target,) = [
            one for one in self._ask("Target.getTargets")["targetInfos"] if one["type"] == "page"
        ]
        attached = {"targetId": target["targetId"], "flatten": True}
        self._session: str | None = self._ask("Target.attachToTarget", **attached)["sessionId"]
        self.resize(*self._size)
        return self

    _session = None

    def __exit__(self, *details: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._to)
        self._read.close()
        self._profile.cleanup()

    def resize(self, width: int, height: int) -> None:
        """Let the window be of this size; below 500 wide it is a phone's."""
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self._ask("Emulation.setDeviceMetricsOverride", **shape)

    def open(self, address: str) -> None:
        """Go to a page; returns at once."""
        # What differs behind # alone would not be loaded again.
        self._ask("Page.navigate", url="about:blank")
        self._ask("Page.navigate", url=address)

    def enter_frame(self, seconds: float = 30.0) -> None:
        """Do all that follows in the page's frame, where that is kept apart (a sandbox)."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._session = None
            known = self._ask("Target.getTargets")["targetInfos"]
            frames = [one["targetId"] for one in known if one["type"] == "iframe"]
            if frames:
                attached = {"targetId": frames[0], "flatten": True}
                self._session = self._ask("Target.attachToTarget", **attached)["sessionId"]
                return
            time.sleep(_WAITS)
        raise TimeoutError(f"no frame within {seconds} s")

    def evaluate(self, script: str) -> Any:
        """What a JavaScript expression is worth in the page."""
        asked = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self._ask("Runtime.evaluate", **asked)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def wait(self, script: str, seconds: float = 60.0) -> float:
        """Wait until an expression is true; how many seconds that took."""
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            try:
                if self.evaluate(script):
                    return time.monotonic() - began
            except RuntimeError:
                pass  # The page is not there yet.
            time.sleep(_WAITS)
        raise TimeoutError(f"not within {seconds} s: {script}")

    def click(self, element: str) -> None:
        """Click on the middle of an element, that a JavaScript expression gives."""
        self.evaluate(f"({element}).scrollIntoView({{block: 'nearest'}})")
        box = self.evaluate(
            f"(() => {{ const b = ({element}).getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        where = {"x": box[0], "y": box[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self._ask("Input.dispatchMouseEvent", type=kind, **where)

    def type(self, text: str) -> None:
        """Type into what has the focus."""
        self._ask("Input.insertText", text=text)

    def enter(self) -> None:
        """Press Enter."""
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
        for kind in ("rawKeyDown", "char", "keyUp"):
            text = {"text": "\r", "unmodifiedText": "\r"} if kind == "char" else {}
            self._ask("Input.dispatchKeyEvent", type=kind, **key, **text)

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """Keep what is seen as PNG; whole: all of the page's length."""
        picture = self._ask("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(picture["data"]))

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        order = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            order["sessionId"] = self._session
        os.write(self._to, json.dumps(order).encode() + b"\0")
        while True:
            answer = json.loads(self._next())
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self) -> bytes:
        while b"\0" not in self._rest:
            part = self._read.read(1 << 20)
            if not part:
                raise RuntimeError("the browser ended")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return message


def _above_ten(number: int) -> int:
    """The same open file under a number of at least ten."""
    other = fcntl.fcntl(number, fcntl.F_DUPFD, 10)
    os.close(number)
    return other
