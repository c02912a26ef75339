"""Sends concurrent requests to `serve`, and checks each of the answers.

  python -m benchmarks.serve_load

Three parts: requests of mixed sizes with broken images among them, a new
version that is put in place under load, and a server that is killed and started
again. Every answer is compared with that of a direct call of the SavedModel.
Prints the latencies beside those of direct calls, and the server's memory along
the way.
"""

import base64
import collections
import concurrent.futures
import dataclasses
import http.client
import io
import itertools
import json
import logging
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from benchmarks import fuzz_serving_bytes
from tf_autoformer import binary, progress, rules

_LOGGER = logging.getLogger("tf_autoformer.benchmarks")
_TOLERANCE = 1e-5  # Largest difference of a probability between batches.
_MEMORY_AT = 10  # Readings of the memory.
_PATH = "/v1/models/classifier:predict"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Options:
    """Flags of the program.

    Attributes:
      requests: Number of requests of the first part.
      swap_requests: Number of requests during which a new version comes.
      concurrency: Number of clients.
      broken: Share of broken images.
      direct: Number of direct calls that are timed.
      seed: Seed of the images and of the requests.
    """

    requests: int = rules.field(20_000, rules.at_least(1))
    swap_requests: int = rules.field(4_000, rules.at_least(1))
    concurrency: int = rules.field(32, rules.between(1, 1_000))
    broken: float = rules.field(0.05, rules.between(0, 1))
    direct: int = rules.field(1_000, rules.at_least(1))
    seed: int = rules.field(0, *rules.SEED)


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a signature says of an image.

    Attributes:
      label: Likeliest class.
      probabilities: Probabilities of the classes.
      error: Reason why the image could not be read.
    """

    label: str
    probabilities: Sequence[float]
    error: str

    def agrees(self, other: "Answer") -> bool:
        """Whether two answers are the same but for rounding."""
        return (self.label, self.error) == (other.label, other.error) and (
            np.allclose(
                self.probabilities, other.probabilities, atol=_TOLERANCE
            )
        )


def main(options: Options) -> None:
    """Runs the three parts, and prints what was measured."""
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        exports = [root / "exports" / number for number in "12"]
        for path in exports:
            fuzz_serving_bytes.export(path)
        (root / "base").mkdir()
        shutil.copytree(exports[0], root / "base" / "1")
        rng = random.Random(options.seed)
        whole, broken = images(rng)
        directs = [Direct(path) for path in exports]
        known = [
            [direct.answer(each) for each in (*whole, *broken)]
            for direct in directs
        ]
        require_distinct([answers[: len(whole)] for answers in known])
        wanted = list(requests(options, rng, len(whole), len(broken)))
        load = Load((*whole, *broken), known, options.concurrency)
        with Server(root / "base") as server:
            load.run(server, wanted[: options.requests], "requests")
            load.show(server)
            times = []
            for numbers in wanted[: options.direct]:
                start = time.monotonic()
                directs[0].answers([load.images[i] for i in numbers])
                times.append(time.monotonic() - start)
            print(
                f"direct calls, one after the other: {latencies(times)}, "
                f"{len(times) / sum(times):.0f} requests/s"
            )

            def put() -> None:
                shutil.copytree(exports[1], root / "partial")
                os.rename(root / "partial", root / "base" / "2")

            load.run(server, wanted[options.requests :], "new version", put)
            load.show(server)
            server.kill()
        start = time.monotonic()
        with Server(root / "base", server.port) as server:
            seconds = time.monotonic() - start
            load.run(server, wanted[:100], "restarted")
            print(f"killed and started again: {seconds:.1f} s to listen")
            load.show(server)


def images(rng: random.Random) -> tuple[list[bytes], list[bytes]]:
    """Whole images of many sizes and kinds, and broken ones."""
    from PIL import Image

    pixels = np.random.default_rng(rng.randrange(2**31))
    whole = []
    kinds = itertools.cycle(("JPEG", "JPEG", "JPEG", "PNG", "BMP", "GIF"))
    for number, kind in zip(range(60), kinds, strict=False):
        # Mostly small, a few of several megapixels.
        width, height = (
            round(16 * 2 ** (rng.uniform(0, 7) if number % 10 else 7.2))
            for _ in range(2)
        )
        if kind == "BMP":
            width, height = width % 500 + 1, height % 500 + 1
        colors = pixels.integers(0, 256, [4, 5, 3], np.uint8)
        content = io.BytesIO()
        picture = Image.fromarray(colors).resize((width, height))
        picture.save(content, kind)
        whole.append(content.getvalue())
    broken = [
        *(content[: len(content) // 2] for content in whole[:6]),
        b"",
        b"no image",
        *list(fuzz_serving_bytes.extreme())[-4:],
    ]
    return whole, broken


def requests(
    options: Options, rng: random.Random, whole: int, broken: int
) -> Iterator[list[int]]:
    """The numbers of the images of each request, one to four.

    Args:
      options: Flags of the program.
      rng: Source of randomness.
      whole: Number of whole images, which come first.
      broken: Number of broken images.
    """
    for _ in range(options.requests + options.swap_requests):
        yield [
            whole + rng.randrange(broken)
            if rng.random() < options.broken
            else rng.randrange(whole)
            for _ in range(rng.choice((1, 1, 1, 4)))
        ]


def require_distinct(known: Sequence[Sequence[Answer]]) -> None:
    """Checks that an answer to the wrong image would be noticed."""
    answers = [answer for version in known for answer in version]
    for one, other in itertools.combinations(answers, 2):
        if one.agrees(other):
            raise AssertionError("two images have the same answer")


class Direct:
    """A SavedModel in this process.

    Args:
      folder: Folder of the SavedModel.
    """

    def __init__(self, folder: pathlib.Path):
        import tensorflow as tf

        self._loaded = tf.saved_model.load(str(folder))
        self._signature = self._loaded.signatures["serving_bytes"]

    def answers(self, contents: Sequence[bytes]) -> list[Answer]:
        """The answers to images."""
        import tensorflow as tf

        found = self._signature(image_bytes=tf.constant(list(contents)))
        labels, probabilities, reasons = (
            found[name].numpy().tolist()
            for name in ("classes", "probabilities", "errors")
        )
        return [
            Answer(label.decode(), each, reason.decode())
            for label, each, reason in zip(
                labels, probabilities, reasons, strict=True
            )
        ]

    def answer(self, content: bytes) -> Answer:
        """The answer to one image."""
        return self.answers([content])[0]


class Server:
    """A process of `serve`.

    Args:
      base: Folder of the versions.
      port: Port. 0: any.

    Attributes:
      port: Port that it listens at.
    """

    def __init__(self, base: pathlib.Path, port: int = 0):
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tf_autoformer.serve"),
                *(f"--model_base={base}", f"--port={port}"),
                "--poll_seconds=0.1",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        log = []
        for line in self._process.stderr:
            log.append(line)
            if found := re.search(r"http://[\d.]+:(\d+)/", line):
                self.port = int(found[1])
                break
        else:
            raise AssertionError("".join(log))
        # A full pipe would stop it.
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *failure: object) -> None:
        self._process.terminate()
        self._process.wait()

    def kill(self) -> None:
        """Kills it, as a crash would."""
        self._process.kill()
        self._process.wait()

    def memory(self) -> float:
        """The resident memory in MiB."""
        path = pathlib.Path(f"/proc/{self._process.pid}/status")
        return int(re.search(r"VmRSS:\s+(\d+)", path.read_text())[1]) / 1024


class Load:
    """Clients, and what they have found.

    Args:
      images: Contents of the images.
      known: Answers of each version to each image.
      concurrency: Number of clients.

    Attributes:
      images: Contents of the images.
    """

    def __init__(
        self,
        images: Sequence[bytes],
        known: Sequence[Sequence[Answer]],
        concurrency: int,
    ):
        self.images = images
        self._known = known
        self._instances = [
            {"b64": base64.b64encode(each).decode()} for each in images
        ]
        self._concurrency = concurrency
        self._connections = threading.local()

    def run(
        self,
        server: Server,
        wanted: Sequence[list[int]],
        title: str,
        halfway: Any = None,
    ) -> None:
        """Sends requests.

        Args:
          server: Server to send them to.
          wanted: Numbers of the images of each request.
          title: Name of this part.
          halfway: Function that is called when half of them are answered.
        """
        self._title = title
        self._times: list[float] = []
        self._outcomes: collections.Counter[str] = collections.Counter()
        self._memory: dict[int, float] = {}
        self._connections = threading.local()
        every = max(len(wanted) // _MEMORY_AT, 1)
        start = time.monotonic()
        with (
            concurrent.futures.ThreadPoolExecutor(self._concurrency) as pool,
            progress.Meter(0, len(wanted), "requests", title) as meter,
        ):
            answered = pool.map(lambda each: self._send(server, each), wanted)
            for done, (seconds, outcome) in enumerate(answered, 1):
                self._times.append(seconds)
                self._outcomes[outcome] += 1
                meter.advance(done)
                if meter.due:
                    _LOGGER.info("%s", meter.line(done))
                if done == len(wanted) // 2 and halfway is not None:
                    halfway()
                if done % every == 0 or done == 1_000:
                    self._memory[done] = server.memory()
        self._seconds = time.monotonic() - start

    def show(self, server: Server) -> None:
        """Prints what the last run has found."""
        found = ", ".join(
            f"{number:,} {outcome}"
            for outcome, number in sorted(self._outcomes.items())
        )
        speed = len(self._times) / self._seconds
        print(f"{self._title}: {found}; {speed:.0f} requests/s")
        print(f"  {self._concurrency} clients: {latencies(self._times)}")
        memory = ", ".join(
            f"{done:,}: {value:.0f}" for done, value in self._memory.items()
        )
        print(f"  memory of the server in MiB after requests: {memory}")

    def _send(self, server: Server, numbers: list[int]) -> tuple[float, str]:
        """Sends one request. Returns its seconds and how it ended."""
        body = json.dumps(
            {
                "signature_name": "serving_bytes",
                "instances": [self._instances[number] for number in numbers],
            }
        )
        local = self._connections
        start = time.monotonic()
        try:
            if not hasattr(local, "connection"):
                local.connection = http.client.HTTPConnection(
                    "127.0.0.1", server.port, timeout=300
                )
            local.connection.request("POST", _PATH, body)
            response = local.connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            del local.connection
            return time.monotonic() - start, f"lost ({error!r})"
        seconds = time.monotonic() - start
        if response.status != 200:
            return seconds, f"with status {response.status}"
        found = [
            Answer(each["classes"], each["probabilities"], each["errors"])
            for each in json.loads(content)["predictions"]
        ]
        if len(found) != len(numbers):
            return seconds, "wrong"
        for version, known in enumerate(self._known, 1):
            if all(
                one.agrees(known[number])
                for one, number in zip(found, numbers, strict=True)
            ):
                every_one_broken = all(one.error for one in found)
                return seconds, (
                    "of broken images alone"
                    if every_one_broken
                    else f"answered by version {version}"
                )
        return seconds, "wrong"


def latencies(times: Sequence[float]) -> str:
    """Percentiles as text."""
    p50, p99 = np.percentile(times, [50, 99]) * 1e3
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


if __name__ == "__main__":
    binary.run(main, Options)
