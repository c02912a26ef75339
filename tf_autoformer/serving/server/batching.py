"""Rows of concurrent requests, computed together."""

import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from tf_autoformer.serving.server import request_error

_WORKERS = 2  # One batch is decoded or encoded while another is computed.


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds of batches and of what waits.

    Attributes:
      max_batch: Largest number of rows in a batch.
      timeout: Seconds that a batch waits to become full.
      max_queue: Largest number of rows that wait.
    """

    max_batch: int
    timeout: float
    max_queue: int


class Batcher:
    """A queue of rows. It is used in one event loop.

    Args:
      run: Function from rows to as many answers. It is called in threads.
      limits: Bounds of batches and of the queue.
    """

    def __init__(
        self, run: Callable[[Sequence[Any]], Sequence[Any]], limits: Limits
    ):
        self._run = run
        self._limits = limits
        self._queue: collections.deque[tuple[Any, asyncio.Future]] = (
            collections.deque()
        )
        self._has_rows = asyncio.Event()
        self._is_full = asyncio.Event()
        self._threads = concurrent.futures.ThreadPoolExecutor(_WORKERS)
        self._workers = [
            asyncio.create_task(self._work()) for _ in range(_WORKERS)
        ]

    async def answers(self, rows: Sequence[Any]) -> list[Any]:
        """The answers to the rows of a request, in their order.

        Raises:
          RequestError: Too many rows wait already.
          Exception: A row fails, alone in its batch. It is what `run` raises.
        """
        waiting = len(self._queue)
        # An empty queue takes any request, or a large one would never fit.
        if waiting and waiting + len(rows) > self._limits.max_queue:
            raise request_error.RequestError(
                503,
                "The batch scheduling queue to which this task was submitted "
                f"is full; {waiting} rows are waiting",
            )
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in rows]
        self._queue.extend(zip(rows, futures, strict=True))
        self._tell()
        try:
            return await asyncio.gather(*futures)
        finally:
            for future in futures:
                # A request that was given up, or has failed, needs no more.
                future.cancel()

    def close(self) -> None:
        """Ends the work. No row may be waiting."""
        for worker in self._workers:
            worker.cancel()
        self._threads.shutdown(wait=False)

    def _tell(self) -> None:
        """Sets the events as the queue is."""
        for event, is_set in (
            (self._has_rows, len(self._queue) > 0),
            (self._is_full, len(self._queue) >= self._limits.max_batch),
        ):
            if is_set:
                event.set()
            else:
                event.clear()

    async def _work(self) -> None:
        """Takes batches from the queue and answers them, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._has_rows.wait()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(
                    self._is_full.wait(), self._limits.timeout
                )
            batch = []
            while self._queue and len(batch) < self._limits.max_batch:
                row, future = self._queue.popleft()
                if not future.done():
                    batch.append((row, future))
            self._tell()
            if not batch:
                continue
            rows, futures = zip(*batch, strict=True)
            answers = await loop.run_in_executor(
                self._threads, self._each_answered, rows
            )
            for future, answer in zip(futures, answers, strict=True):
                if future.done():
                    continue
                if isinstance(answer, Exception):
                    future.set_exception(answer)
                else:
                    future.set_result(answer)

    def _each_answered(self, rows: Sequence[Any]) -> Sequence[Any]:
        """The answer to each row, or what it raises."""
        try:
            return self._run(rows)
        except Exception as error:  # Whatever a model raises.
            if len(rows) == 1:
                return [error]
        # One row must not fail the others, which may be of other requests.
        return [answer for row in rows for answer in self._each_answered([row])]
