"""Rows of several requests are computed together, and come back uncrossed."""

import asyncio
import threading
import time

from absl.testing import absltest

from tf_autoformer.serving.server import batching, request_error


class BatcherTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.batches = []

    def _run(self, rows):
        self.batches.append(list(rows))
        return [2 * row for row in rows]

    def _answers(self, requests, run=None, **limits):
        """The results of concurrent requests, or what they raise."""
        limits = {"max_batch": 4, "timeout": 0.01, "max_queue": 100, **limits}

        async def main():
            batcher = batching.Batcher(
                run or self._run, batching.Limits(**limits)
            )
            try:
                return await asyncio.gather(
                    *(batcher.answers(rows) for rows in requests),
                    return_exceptions=True,
                )
            finally:
                batcher.close()

        return asyncio.run(asyncio.wait_for(main(), 30))

    def test_concurrent_requests_share_batches(self):
        requests = [[number] for number in range(8)]
        self.assertEqual(
            self._answers(requests), [[2 * number] for number in range(8)]
        )
        self.assertCountEqual(self.batches, [[0, 1, 2, 3], [4, 5, 6, 7]])

    def test_a_large_request_is_several_batches(self):
        self.assertEqual(
            self._answers([list(range(10))]), [[2 * n for n in range(10)]]
        )
        self.assertLessEqual(max(map(len, self.batches)), 4)

    def test_a_batch_waits_for_others_no_longer_than_it_may(self):
        start = time.monotonic()
        self._answers([[1]], timeout=0.2)
        self.assertBetween(time.monotonic() - start, 0.2, 5)
        start = time.monotonic()
        self._answers([[1, 2, 3, 4]], timeout=60)  # It is full at once.
        self.assertLess(time.monotonic() - start, 5)

    def test_a_row_that_fails_fails_alone(self):
        def run(rows):
            if 3 in rows:
                raise ValueError("three")
            return self._run(rows)

        found = self._answers([[1], [2], [3], [4]], run)
        self.assertEqual([found[0], found[1], found[3]], [[2], [4], [8]])
        self.assertIsInstance(found[2], ValueError)

    def test_a_full_queue_refuses_and_then_takes_again(self):
        go = threading.Event()

        def run(rows):
            go.wait(10)
            return self._run(rows)

        async def main():
            limits = batching.Limits(max_batch=1, timeout=0, max_queue=3)
            batcher = batching.Batcher(run, limits)
            # Two are computed, one for each thread; three wait.
            waiting = []
            for number in range(5):
                waiting.append(asyncio.create_task(batcher.answers([number])))
                await asyncio.sleep(0.05)
            with self.assertRaisesRegex(
                request_error.RequestError, "full; 3 rows are waiting"
            ) as caught:
                await batcher.answers([9])
            self.assertEqual(caught.exception.status, 503)
            go.set()
            self.assertEqual(
                await asyncio.gather(*waiting), [[2 * n] for n in range(5)]
            )
            self.assertEqual(await batcher.answers([9]), [18])
            batcher.close()

        asyncio.run(asyncio.wait_for(main(), 30))

    def test_a_request_that_is_given_up_is_not_computed(self):
        async def main():
            limits = batching.Limits(max_batch=4, timeout=0.1, max_queue=10)
            batcher = batching.Batcher(self._run, limits)
            given_up = asyncio.create_task(batcher.answers([1]))
            await asyncio.sleep(0)
            given_up.cancel()
            self.assertEqual(await batcher.answers([2]), [4])
            batcher.close()

        asyncio.run(asyncio.wait_for(main(), 30))
        self.assertEqual(self.batches, [[2]])


if __name__ == "__main__":
    absltest.main()
