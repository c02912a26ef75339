"""Tasks of a study, several at a time, and the memory of their results."""

import contextlib
import dataclasses
import datetime
import logging
import multiprocessing
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

from tf_autoformer import errors, files, interruption, progress
from tf_autoformer.studies import process

_LOGGER = logging.getLogger(__name__)
Result = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Task:
    """A part of a study that is done by itself.

    Attributes:
      name: Name of the task, different from all others of the study.
      function: Function of a module, which does the task. It returns the
        result, a mapping that JSON can hold.
      arguments: Arguments of the function, which can be pickled.
    """

    name: str
    function: Callable[..., Result]
    arguments: tuple[Any, ...]


class Tasks:
    """Runs tasks and remembers their results.

    Args:
      folder: Folder of the study. It gets `results.jsonl`, in which a study
        that is run again finds what is done.
      jobs: Number of tasks that run at a time. More than one run in processes
        that share out the cores.
      compiling: Arguments of `compilation.use` in these processes.

    Raises:
      InputError: A line of the file is damaged.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        jobs: int,
        compiling: tuple[str, str, bool],
    ):
        self._path = folder / "results.jsonl"
        self._jobs = jobs
        self._compiling = compiling
        self._known = dict(_read(self._path))

    def results(self, tasks: Sequence[Task]) -> list[Result]:
        """The result of each task. What is not known is run.

        Raises:
          InputError: A task cannot be run.
          Interrupted: A signal has ended the work.
        """
        new = [task for task in tasks if task.name not in self._known]
        before = done = len(tasks) - len(new)
        start = time.monotonic()
        with (
            progress.Meter(done, len(tasks), "tasks", "study") as meter,
            interruption.explained(
                lambda: "interrupted; the same command continues"
            ),
            contextlib.closing(self._run(new)) as found,
        ):
            if done:
                _LOGGER.info("%d of %d tasks are done", done, len(tasks))
            for task, result in found:
                self._append(task, result)
                done += 1
                meter.advance(done)
                each = (time.monotonic() - start) / (done - before)
                left = round(each * (len(tasks) - done))
                if meter.in_lines:
                    _LOGGER.info(
                        "%s is done  %d of %d tasks  %.0f s each  ETA %s",
                        *(task.name, done, len(tasks), each),
                        datetime.timedelta(seconds=left),
                    )
        return [self._known[task.name] for task in tasks]

    def _run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        """Tasks with their results, as they come."""
        if self._jobs == 1 or len(tasks) < 2:
            for task in tasks:
                yield task, task.function(*task.arguments)
            return
        # Not forked, as TensorFlow has threads.
        context = multiprocessing.get_context("spawn")
        numbers, stop = context.SimpleQueue(), context.Event()
        for number in range(self._jobs):
            numbers.put(number)
        with futures.ProcessPoolExecutor(
            self._jobs,
            context,
            process.begin,
            (numbers, self._jobs, stop, self._compiling),
        ) as pool:
            waiting, running = list(reversed(tasks)), {}
            try:
                while waiting or running:
                    # No more, as what is handed over cannot be called back.
                    while waiting and len(running) < self._jobs:
                        task = waiting.pop()
                        running[pool.submit(process.call, task)] = task
                    done, _ = futures.wait(
                        running, return_when=futures.FIRST_COMPLETED
                    )
                    for future in done:
                        yield running.pop(future), future.result()
            except futures.process.BrokenProcessPool as error:
                raise errors.InputError(
                    "a process of the study was killed; perhaps memory is too "
                    "small for so many jobs"
                ) from error
            finally:  # A training ends after its step, with a checkpoint.
                stop.set()
                if running:
                    for each in multiprocessing.active_children():
                        each.terminate()

    def _append(self, task: Task, result: Result) -> None:
        self._known[task.name] = result
        line = {"task": task.name, "result": result}
        files.append_json(self._path, line)


def _read(path: pathlib.Path) -> Iterator[tuple[str, Result]]:
    """The results in a file by the names of their tasks."""
    for number, line in enumerate(files.whole_lines(path), 1):
        try:
            values = files.parse_json(line)
            yield values["task"], values["result"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.InputError(
                f"{path}, line {number} is damaged: {error!r}"
            ) from error
