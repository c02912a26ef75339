"""The profile of a made-up function whose operations are known."""

import collections
import functools

import tensorflow as tf
from absl.testing import absltest

from benchmarks import operations, worker

REPEATS = 5  # Of the operation that takes longest.


def _function() -> tf.types.experimental.GenericFunction:
    """Some long operations, within a call, and a few short ones.

    The size's is so short that TensorFlow calls it cheap.
    """

    @functools.partial(
        tf.function,
        autograph=False,
        experimental_attributes={"_noinline": True},
    )
    def inner(x: tf.Tensor) -> tf.Tensor:
        for _ in range(REPEATS):
            x = tf.cumsum(x, axis=-1)
        return x

    @functools.partial(
        tf.function,
        input_signature=[tf.TensorSpec([None, None])],
        autograph=False,
    )
    def outer(x: tf.Tensor) -> tf.Tensor:
        size = tf.cast(tf.size(x), tf.float32)
        return inner(x)[0, 0] / size + tf.math.erf(x[0, 0])

    return outer


class OperationsTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.runs = []

    def _profile(self, steps: int) -> operations.Profile:
        function = _function()
        x = tf.random.uniform([400, 400])

        def run(count: int) -> list[float]:
            self.runs.append(count)
            return worker.time_each(lambda _: function(x).numpy(), range(count))

        return operations.profile(run, steps)

    def test_each_operation_is_counted_cheap_or_not_and_its_time_is_part(self):
        profile = self._profile(3)

        self.assertEqual(
            [profile.counts[name] for name in ("Cumsum", "Erf", "Size")],
            [3 * REPEATS, 3, 3],
        )
        self.assertEqual(profile.times.most_common(1)[0][0], "Cumsum")
        self.assertBetween(
            profile.times["Cumsum"], 0.1 * profile.seconds, profile.seconds
        )

    def test_what_only_waits_for_operations_is_none(self):
        names = set(self._profile(2).times)

        self.assertIn("Erf", names)
        for waiting in ("StatefulPartitionedCall", "PartitionedCall"):
            self.assertNotIn(waiting, names)
        for span in ("Run", "Process"):  # Of the runtime.
            self.assertNotIn(span, names)

    def test_what_runs_first_is_not_recorded(self):
        profile = self._profile(2)

        *first, recorded = self.runs
        self.assertGreater(sum(first), 0)
        self.assertEqual(recorded, 2)
        self.assertEqual(profile.counts["Erf"], 2)

    def test_the_table_has_figures_of_one_step_and_shares_of_all(self):
        profile = operations.Profile(
            steps=4,
            seconds=2.0,
            times=collections.Counter({"MatMul": 1.2, "Add": 2.0}),
            counts=collections.Counter({"MatMul": 4000, "Add": 8}),
        )

        head, _, *table = operations.markdown(profile).splitlines()

        self.assertEqual(
            head,
            "500.0 ms a step while profiled; its operations add up to 800.0 ms",
        )
        self.assertEqual(
            table[2:],
            [
                "| Add | 2 | 500.0 | 62.5% |",
                "| MatMul | 1,000 | 300.0 | 37.5% |",
            ],
        )


if __name__ == "__main__":
    absltest.main()
