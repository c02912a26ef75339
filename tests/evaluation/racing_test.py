"""A race against hand counts, and how often it errs on random answers."""

import math

import numpy as np
from absl.testing import absltest

from tf_autoformer.evaluation import bits, racing


def _answers(*counts: tuple[int, bool]) -> np.ndarray:
    return np.concatenate([np.full(count, value) for count, value in counts])


class RaceTest(absltest.TestCase):
    def test_by_hand(self):
        # Ten comparisons: a level of 0.001, whose normal quantile is 3.0902.
        race = racing.Race(2, [], num_examples=1000, batch_size=100)
        best = _answers((100, True))
        for wrong, runs in ((10, True), (11, False)):
            # (10 - 1) / √(10 · 0.9) = 3.000 and (11 - 1) / √(11 · 0.9) = 3.178.
            subnet = _answers((wrong, False), (100 - wrong, True))
            self.assertEqual(
                race.running([best, best, subnet]), [True, True, runs]
            )
        # It is as much worse, with images in its favour beside.
        second = _answers((89, True), (11, False))
        subnet = _answers((22, False), (78, True))
        # (22 - 11 - 1) / √(33 · 0.9) = 1.83.
        self.assertEqual(race.running([best, second, subnet]), [True] * 3)

    def test_the_last_images_decide_sooner(self):
        race = racing.Race(1, [], num_examples=120, batch_size=20)
        # A level of 1/600, whose quantile is 2.9352: 3 / √(4 · 1/6) = 3.674.
        best = _answers((100, True))
        subnet = _answers((96, True), (4, False))
        self.assertEqual(race.running([best, subnet]), [True, False])
        early = racing.Race(1, [], num_examples=10_000, batch_size=2000)
        self.assertEqual(early.running([best, subnet]), [True, True])

    def test_earlier_subnets_count_among_the_best(self):
        good = _answers((200, True))
        bad = _answers((100, False))
        fine = _answers((100, True))
        for earlier, keep, runs in (
            ([good], 1, [False, True]),
            ([good], 2, [False, True]),
            ([good], 3, [True, True]),
            ([], 3, [True, True]),
            ([good, good], 2, [False, True]),
        ):
            race = racing.Race(keep, earlier, 200, 100)
            self.assertEqual(race.running([bad, fine]), runs)
        self.assertEqual(race.running([]), [])

    def test_one_of_the_best_is_rarely_stopped(self):
        rng = np.random.default_rng(0)
        images, batch, keep, subnets = 1600, 100, 5, 25
        best_stopped = stopped = best = 0
        for _ in range(100):
            # Images are hard or easy for all, and subnets nearly alike.
            ease = rng.uniform(0.4, 1, images)
            skill = rng.uniform(-0.15, 0.15, [subnets, 1])
            right = rng.random([subnets, images]) < ease + skill
            race = racing.Race(keep, [], images, batch)
            running = list(range(subnets))
            for seen in range(batch, images, batch):
                stays = race.running([right[each, :seen] for each in running])
                running = [e for e, s in zip(running, stays, strict=True) if s]
            order = np.argsort(-right.sum(axis=1), kind="stable")
            lost = set(range(subnets)) - set(running)
            best_stopped += len(lost & set(order[:keep].tolist()))
            stopped, best = stopped + len(lost), best + keep
        self.assertLess(best_stopped, 0.01 * best)
        self.assertGreater(stopped, 0.5 * 100 * (subnets - keep))

    def test_there_are_several_comparisons_of_enough_images(self):
        self.assertEqual(racing.batch_size(10_000, 512), 512)
        self.assertEqual(racing.batch_size(4000, 512), 250)
        self.assertEqual(racing.batch_size(288, 512), 128)


class BitsTest(absltest.TestCase):
    def test_answers_survive_as_text(self):
        rng = np.random.default_rng(1)
        for count in (0, 1, 8, 9, 288):
            right = rng.random(count) < 0.5
            text = bits.encode(right)
            self.assertLen(text, 4 * math.ceil(math.ceil(count / 8) / 3))
            np.testing.assert_array_equal(bits.decode(text, count), right)
        with self.assertRaisesRegex(ValueError, "36 bytes do not hold 300"):
            bits.decode(text, 300)
        with self.assertRaises(ValueError):
            bits.decode("é", 8)


if __name__ == "__main__":
    absltest.main()
