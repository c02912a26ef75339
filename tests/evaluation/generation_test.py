"""A generation in one pass: as accurate as one by one, and nothing is lost."""

import dataclasses
import pathlib
import random
from unittest import mock

import numpy as np
import tensorflow as tf
from absl.testing import absltest, parameterized

from tests.helpers import devices, tiny
from tf_autoformer.data import pipeline
from tf_autoformer.evaluation import accuracy, generation, partial, trie
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling
from tf_autoformer.supernet import supernet as supernet_lib

SPACE = tiny.SPACE

devices.prepare()
devices.leave_pipelines_as_written()


def _draw(count: int) -> list[architecture_lib.Architecture]:
    rng = random.Random(1)
    return list({sampling.uniform(SPACE, rng): None for _ in range(count)})


class Stopped(BaseException):
    """The end of a process."""


class GenerationTest(tiny.DigitsTest):
    def _evaluator(
        self, replicas=1, compiled=False, batch_size=100, **model
    ) -> tuple[accuracy.Evaluator, supernet_lib.Supernet]:
        strategy = tf.distribute.MirroredStrategy(
            [f"/cpu:{index}" for index in range(replicas)]
        )
        tf.keras.utils.set_random_seed(0)
        with strategy.scope():
            supernet = supernet_lib.Supernet(
                dataclasses.replace(tiny.DIGITS_MODEL, **model),
                SPACE,
                jit_compile=compiled,
            )
        evaluator = accuracy.Evaluator(
            strategy, supernet, self.dataset, "validation", batch_size
        )
        return evaluator, supernet

    @parameterized.parameters(
        ("cls", "none", 1),
        ("average", "absolute", 2),
        ("cls", "relative", 2),
        ("average", "both", 1),
        ("average", "both", 2, True),
    )
    def test_answers_are_those_of_each_subnet_alone(
        self, pooling, position, replicas, compiled=False
    ):
        evaluator, supernet = self._evaluator(
            replicas, compiled, pooling=pooling, position=position
        )
        # Each size is a compilation.
        subnets = _draw(2 if compiled else 9)
        found = generation.answers(evaluator, subnets)
        self.assertEqual(list(found), subnets)
        ((images, labels),) = pipeline.evaluation(
            self.dataset, "validation", (8, 8), 288
        )
        different = set()
        for subnet in subnets[:5]:
            logits = supernet(images, subnet)
            wanted = np.argmax(logits, axis=1) == labels.numpy()
            np.testing.assert_array_equal(found[subnet], wanted)
            different.add(wanted.tobytes())
        self.assertGreater(len(different), 1)
        self.assertEqual(evaluator.accuracy(subnet), np.mean(wanted))

    def test_the_tally_counts_shared_blocks_and_nothing_is_traced_anew(self):
        evaluator, _ = self._evaluator()
        subnets = [
            architecture_lib.Architecture(8, 2, (1, heads), (1.0, 2.0))
            for heads in (1, 2)
        ]
        tally, shares = generation.Tally(), []
        found = generation.answers(
            evaluator, subnets, told=shares.append, tally=tally
        )
        # 8 half blocks, of which the first two are shared.
        self.assertEqual((tally.alone, tally.done), (8 * 288, 6 * 288))
        self.assertEqual(tally.saved, 0.25)
        rows = [50, 100, 150, 200, 244, 288]
        np.testing.assert_allclose(shares, [each / 288 for each in rows])

        accuracies = generation.accuracies(
            evaluator, [*subnets, *subnets, *_draw(4)]
        )
        for subnet in subnets:
            self.assertEqual(accuracies[subnet], found[subnet].sum() / 288)
        self.assertEqual(generation.accuracies(evaluator, []), {})
        self.assertEqual(
            [
                each.experimental_get_tracing_count()
                for each in evaluator._programs._programs
            ],
            [1] * 4,
        )


class Invented:
    """An evaluator of 8 images in three batches, with invented answers.

    Args:
      last: Number of batches after which the process is killed.

    Attributes:
      asked: Number of each batch that was evaluated.
    """

    num_examples, batch_size = 8, 3

    def __init__(self, last: int = 3):
        self._last = last
        self.asked = []

    def batches(self):
        return range(3)

    def right(self, batch, steps, told):
        if batch == self._last:
            raise Stopped
        self.asked.append(batch)
        subnets = [step.subnet for step in steps if step.subnet is not None]
        return {
            each: np.arange(3) * (batch + 1) % (each + 2) == 0
            for each in subnets
        }


class PartialTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(self.create_tempdir().full_path) / "partial"
        self.subnets = _draw(4)
        self.whole = generation.answers(Invented(), self.subnets)

    def _check(self, asked, subnets=None, images=8):
        """Which batches the next pass evaluates, and that it ends right."""
        evaluator = Invented()
        evaluator.num_examples = images
        subnets = subnets or self.subnets
        found = generation.answers(evaluator, subnets, self.path)
        self.assertEqual(evaluator.asked, asked)
        self.assertEqual(list(found), subnets)
        if images == 8 and set(subnets) <= set(self.subnets):
            for subnet in subnets:
                np.testing.assert_array_equal(found[subnet], self.whole[subnet])

    def _stop(self, after: int) -> None:
        with self.assertRaises(Stopped):
            generation.answers(Invented(after), self.subnets, self.path)

    def test_an_interrupted_pass_continues(self):
        self.assertEqual(list(map(len, self.whole.values())), [8] * 4)
        self._stop(after=0)
        self.assertFalse(self.path.exists())
        self._stop(after=1)
        self._stop(after=2)
        self._check(asked=[2])

    @parameterized.parameters((-1, [2]), (3600, [0, 1, 2]))
    def test_a_crash_loses_what_is_not_yet_due(self, seconds, asked):
        save = partial.Partial.save
        with (
            mock.patch.object(partial, "_SECONDS", seconds),
            # What a killed process would not do.
            mock.patch.object(
                partial.Partial,
                "save",
                lambda kept, seen, right, now=False: (
                    None if now else save(kept, seen, right)
                ),
            ),
        ):
            self._stop(after=2)
        self._check(asked)

    def test_a_pass_that_was_evaluated_needs_no_image_again(self):
        self._check(asked=[0, 1, 2])
        # As if its candidates had been written down but for some.
        self._check(asked=[], subnets=self.subnets[2:])

    def test_what_is_kept_of_another_pass_is_not_used(self):
        self._stop(after=2)
        more = [*self.subnets, tiny.SPACE.largest]
        self._check(asked=[0, 1, 2], subnets=more)
        self.path.unlink()
        self._stop(after=2)
        self._check(asked=[0, 1, 2], images=7)
        for text in ("{", "[]", '{"images": [8, 3], "right": [[1, "A", 2]]}'):
            self.path.write_text(text)
            self._check(asked=[0, 1, 2])


class RacingTest(absltest.TestCase):
    def test_a_stopped_subnet_is_evaluated_no_further_also_if_interrupted(self):
        path = pathlib.Path(self.create_tempdir().full_path) / "partial"
        subnets = _draw(4)
        asked = []

        class Race:
            """Stops the second after a batch, and the first after two."""

            def running(self, right):
                asked.append([len(each) for each in right])
                stops = {4: 1, 3: 0}[len(right)]
                return [number != stops for number in range(len(right))]

        tally = generation.Tally()
        whole = generation.answers(
            Invented(), subnets, race=Race(), tally=tally
        )
        self.assertEqual(asked, [[3] * 4, [6] * 3])
        self.assertEqual(list(map(len, whole.values())), [6, 3, 8, 8])
        alone = sum(2 * each.depth for each in subnets)
        self.assertEqual(tally.alone, 8 * alone)
        done = [
            sum(step.part.number >= trie.HALVES for step in trie.walk(each))
            for each in (subnets, [subnets[0], *subnets[2:]], subnets[2:])
        ]
        self.assertEqual(tally.done, 3 * done[0] + 3 * done[1] + 2 * done[2])

        for batches in (1, 2):
            with self.assertRaises(Stopped):
                generation.answers(
                    Invented(batches), subnets, path, race=Race()
                )
        evaluator = Invented()
        again = generation.answers(evaluator, subnets, path, race=Race())
        self.assertEqual(evaluator.asked, [2])
        for subnet in subnets:
            np.testing.assert_array_equal(again[subnet], whole[subnet])


if __name__ == "__main__":
    absltest.main()
