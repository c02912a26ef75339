"""Runs binaries as `python -m` would, each in a process of its own.

The processes are forked from a server that has imported the libraries once.
"""

import hashlib
import multiprocessing
import multiprocessing.connection
import os
import pathlib
import re
import resource
import runpy
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from absl.testing import absltest

from tests.helpers import devices

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        "tf_autoformer.analysis.report",
        "tf_autoformer.analysis.search_board",
        "tf_autoformer.evaluation.standalone",
        "tf_autoformer.experiment.completion",
        "tf_autoformer.official.conversion",
        "tf_autoformer.training.loop",
        "torch",
        "tests.helpers.frozen",  # After all of them.
    ]
)
_ROOT = pathlib.Path(__file__).parents[2]


class Result(NamedTuple):
    """The end of a binary.

    Attributes:
      code: Exit code.
      out: Text on stdout.
      err: Text on stderr.
    """

    code: int
    out: str
    err: str

    @property
    def messages(self) -> list[str]:
        """Lines of stderr without progress lines and absl's hint."""
        ignored = r"\d\d:\d\d:\d\d |Pass --helpshort or|\s*$"
        return [
            line
            for line in self.err.splitlines()
            if not re.match(ignored, line)
        ]


def _main(
    module: str,
    arguments: tuple[str, ...],
    output: str,
    max_bytes: int | None,
    grappler: bool,
    environment: Mapping[str, str],
) -> None:
    """Runs a binary in its process."""
    os.environ.update(environment)
    # What started the tests may have ignored signals for all of them.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not grappler:
        devices.leave_out_grappler()
        devices.leave_pipelines_as_written()
    for descriptor in (1, 2):
        path = f"{output}.{descriptor}"
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    if max_bytes is not None:
        # Like a full disk: Python ignores the signal, so writing fails with an
        # error.
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_bytes, max_bytes))
    sys.argv = [module.rpartition(".")[2], *arguments]
    # For a binary that starts itself anew.
    sys.orig_argv = [sys.executable, "-m", module, *arguments]
    os.chdir(_ROOT)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


class Process:
    """A running binary, with what the tests use of `subprocess.Popen`.

    Args:
      module: Name of the binary's module.
      arguments: Its command line.
      max_bytes: Largest file that the binary can write. None: no limit.
      grappler: Whether TensorFlow optimizes graphs. See
        `devices.leave_out_grappler`.
      environment: Variables of its environment besides those of the tests.
    """

    def __init__(
        self,
        module: str,
        arguments: tuple[str, ...],
        max_bytes: int | None,
        grappler: bool,
        environment: Mapping[str, str],
    ):
        self._folder = tempfile.TemporaryDirectory()
        output = pathlib.Path(self._folder.name) / "output"
        self._out, self._err = (output.with_suffix(f".{n}") for n in (1, 2))
        for path in (self._out, self._err):
            path.touch()
        self._process = _SERVER.Process(
            target=_main,
            args=(
                module,
                arguments,
                str(output),
                max_bytes,
                grappler,
                environment,
            ),
        )
        self._process.start()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal. None while it runs."""
        return self._process.exitcode

    poll = returncode.fget

    def kill(self) -> None:
        """Kills it, if it runs."""
        self._process.kill()

    def send_signal(self, number: int) -> None:
        """Sends a signal."""
        os.kill(self.pid, number)

    def communicate(self) -> tuple[str, str]:
        """Waits for the end, and returns all of stdout and stderr."""
        self._process.join()
        return self._out.read_text(), self._err.read_text()

    @property
    def stderr(self) -> Iterator[str]:
        """The lines of stderr from the first one on, as they are written."""
        with self._err.open() as file:
            line = ""
            while True:
                has_ended = self.poll() is not None
                line += file.readline()
                if line.endswith("\n"):
                    yield line
                    line = ""
                elif has_ended:
                    return
                else:
                    time.sleep(0.005)


def start(
    binary: str,
    *arguments: str,
    max_bytes: int | None = None,
    grappler: bool = False,
    environment: Mapping[str, str] | None = None,
    package: str = "tf_autoformer",
) -> Process:
    """Starts a binary.

    Args:
      binary: Name of the binary's module.
      *arguments: Its command line.
      max_bytes: Largest file that the binary can write. None: no limit.
      grappler: Whether TensorFlow optimizes graphs. See
        `devices.leave_out_grappler`.
      environment: Variables of its environment besides those of the tests.
      package: Package of the module.
    """
    return Process(
        f"{package}.{binary}", arguments, max_bytes, grappler, environment or {}
    )


def run(binary: str, *arguments: str, **options: Any) -> Result:
    """Runs a binary and waits for its end. The arguments are `start`'s."""
    process = start(binary, *arguments, **options)
    out, err = process.communicate()
    return Result(process.returncode, out, err)


def _answer(
    pipe: multiprocessing.connection.Connection,
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
) -> None:
    """Calls the function in its process and sends the result."""
    pipe.send(function(*arguments))


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a module's function in a process of its own.

    TensorFlow has run nothing in that process, so its threads can be set.

    Raises:
      AssertionError: The function raised.
    """
    receive, send = _SERVER.Pipe(duplex=False)
    process = _SERVER.Process(target=_answer, args=(send, function, arguments))
    process.start()
    send.close()
    try:
        return receive.recv()
    except EOFError:
        raise AssertionError(
            f"{function.__name__} raised; its traceback is on stderr"
        ) from None
    finally:
        process.join()


def contents(folder: pathlib.Path) -> Mapping[str, str]:
    """Relative path -> digest, for every file in a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class MistakeTest(absltest.TestCase):
    """A test of binaries with a folder of its own.

    Attributes:
      folder: Empty folder of the test.
      new: Path in `folder` that does not exist yet.
    """

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(self.create_tempdir().full_path)
        self.new = self.folder / "new"

    def check_mistake(self, result: Result, pattern: str) -> None:
        """Checks for a failing exit code and one line without a traceback."""
        if "Traceback" in result.err:
            self.fail(result.err)
        self.assertLen(result.messages, 1, result.err)
        self.assertRegex(result.messages[0], pattern)
        self.assertIn(result.code, (1, 2))

    def check_works(self, result: Result) -> None:
        """Checks that the binary succeeded without a message."""
        self.assertEqual(result.code, 0, result.err)
        self.assertEmpty(result.messages)
