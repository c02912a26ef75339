"""Drops a picture on the page of `serve` in Chromium, and prints the labels.

  python -m benchmarks.drop_photo --url=http://127.0.0.1:8501/ --photo=FILE

It needs Chromium (apt-get install chromium), which it runs without a window.
"""

import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from typing import Any

from tf_autoformer import binary, errors

_SECONDS = 60  # Until the page is there, and until it answers.
_FOUND = """JSON.stringify({
  rows: [...document.querySelectorAll("#labels tr")].map((r) => r.innerText),
  latency: document.querySelector("#latency").innerText,
  error: document.querySelector("#error").innerText,
})"""
_PLACE = """(() => {
  const box = document.querySelector("#drop")?.getBoundingClientRect();
  return box ? JSON.stringify([box.x + box.width / 2, box.y + box.height / 2])
    : "";
})()"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the program.

    Attributes:
      photo: File to drop.
      url: Address of the page.
      chromium: Name or path of the browser.
    """

    photo: pathlib.Path
    url: str = "http://127.0.0.1:8501/"
    chromium: str = "chromium"


class Browser:
    """A page in Chromium, driven by the DevTools protocol over pipes.

    Args:
      chromium: Name or path of the browser.
      profile: Folder for the browser's files.
    """

    def __init__(self, chromium: str, profile: str):
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        self._process = subprocess.Popen(
            [
                # Chromium reads and writes at 3 and 4.
                *("bash", "-c", 'exec "$@" 3<&"$IN" 4>&"$OUT"', "bash"),
                *(chromium, "--headless", "--no-sandbox", "--disable-gpu"),
                *("--remote-debugging-pipe", f"--user-data-dir={profile}"),
                "about:blank",
            ],
            env={**os.environ, "IN": str(requests), "OUT": str(answers)},
            pass_fds=(requests, answers),
            stderr=subprocess.DEVNULL,
        )
        os.close(requests)
        os.close(answers)
        self._count = 0
        self._rest = b""
        self._session: dict[str, str] = {}
        pages = self.call("Target.getTargets")["targetInfos"]
        page = next(each for each in pages if each["type"] == "page")
        attached = self.call(
            "Target.attachToTarget", targetId=page["targetId"], flatten=True
        )
        self._session = {"sessionId": attached["sessionId"]}

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a method of the protocol."""
        self._count += 1
        request = {"id": self._count, "method": method, "params": params}
        content = json.dumps(request | self._session).encode() + b"\0"
        os.write(self._requests, content)
        while True:
            message, found, rest = self._rest.partition(b"\0")
            if not found:
                received = os.read(self._answers, 2**16)
                if not received:
                    raise errors.InputError("the browser has ended")
                self._rest += received
                continue
            self._rest = rest
            answer = json.loads(message)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise errors.InputError(f"{method}: {answer['error']}")
                return answer["result"]

    def wait_for(self, expression: str, condition: Any) -> Any:
        """The value of JavaScript, a JSON text, once it fulfils a condition."""
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            result = self.call("Runtime.evaluate", expression=expression)
            text = result["result"].get("value")
            if text and condition(json.loads(text)):
                return json.loads(text)
            time.sleep(0.1)
        raise errors.InputError(f"the page did not answer in {_SECONDS} s")

    def close(self) -> None:
        """Ends the browser."""
        self._process.terminate()
        self._process.wait()
        os.close(self._requests)
        os.close(self._answers)


def main(options: Options) -> None:
    """Drops the picture, and prints what the page then shows."""
    if shutil.which(options.chromium) is None:
        raise errors.InputError(
            f"chromium is {options.chromium!r}; it must be a browser that is "
            "installed"
        )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(options.chromium, profile)
        try:
            browser.call("Page.navigate", url=options.url)
            x, y = browser.wait_for(_PLACE, bool)
            data = {
                "items": [],
                "files": [str(options.photo.absolute())],
                "dragOperationsMask": 1,
            }
            for kind in ("dragEnter", "dragOver", "drop"):
                browser.call(
                    "Input.dispatchDragEvent", type=kind, x=x, y=y, data=data
                )
            found = browser.wait_for(
                _FOUND, lambda found: found["latency"] or found["error"]
            )
        finally:
            browser.close()
    print(found["error"] or "\n".join([*found["rows"], found["latency"]]))


if __name__ == "__main__":
    binary.run(main, Options)
