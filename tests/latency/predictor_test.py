"""A predictor learns latencies, and says how well."""

import pathlib
import random
from unittest import mock

from absl.testing import absltest

from tests.helpers import latencies
from tf_autoformer import errors
from tf_autoformer.latency import predictor, sample
from tf_autoformer.space import sampling

MODEL, SPACE = latencies.MODEL, latencies.SPACE
ALL = dict(predictor._REGRESSIONS)


def only(*kinds: str):
    """Has some regressions compete, as the others take seconds."""
    return mock.patch.dict(
        predictor._REGRESSIONS,
        {kind: ALL[kind] for kind in kinds},
        clear=True,
    )


class PredictorTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.create_tempdir().full_path)
        self.path = folder / "latency.jsonl"
        self.enter_context(only("linear regression"))

    def test_it_predicts_what_it_has_not_seen(self):
        found = predictor.Predictor(latencies.write(self.path))
        seen = set(sample.draw(SPACE, 30, seed=0))
        rng = random.Random(1)
        new = {sampling.uniform(SPACE, rng) for _ in range(50)} - seen
        self.assertNotEmpty(new)
        for each in new:
            wanted = latencies.latency(each)
            self.assertAlmostEqual(
                found(MODEL, each), wanted, delta=0.02 * wanted
            )
        self.assertEqual(found.validation.kind, "linear regression")
        self.assertLess(found.validation.errors["linear regression"], 0.02)
        self.assertGreater(found.validation.r2, 0.99)

    def test_the_regression_with_the_smallest_error_is_kept(self):
        # A step, which trees predict and sums do not.
        step = latencies.write(
            self.path, lambda each: 1.0 if each.embed_dim < 12 else 9.0
        )
        with only("gradient boosting", "linear regression"):
            found = predictor.Predictor(step).validation
        self.assertEqual(found.kind, "gradient boosting")
        self.assertEqual(min(found.errors, key=found.errors.get), found.kind)
        for (each, measured), guess in zip(
            step.latencies.items(), found.held_out, strict=True
        ):
            self.assertAlmostEqual(guess, measured, delta=0.2, msg=str(each))

    def test_held_out_means_that_it_was_not_learned(self):
        # Latencies without any order cannot be predicted.
        rng = random.Random(0)
        noise = latencies.write(self.path, lambda _: rng.uniform(1, 2))
        with only("gradient boosting"):  # It would learn them by heart.
            found = predictor.Predictor(noise).validation
        self.assertLess(found.r2, 0.3)
        self.assertGreater(min(found.errors.values()), 0.1)

    def test_hats_mlp_competes(self):
        self.assertEqual(
            list(ALL), ["MLP", "gradient boosting", "linear regression"]
        )
        self.assertEqual(ALL["MLP"]().hidden_layer_sizes, (400, 400, 400))
        with only("MLP"):
            found = predictor.Predictor(latencies.write(self.path))
        self.assertEqual(found.validation.kind, "MLP")
        self.assertLess(found.validation.errors["MLP"], 0.15)

    def test_another_process_predicts_the_same_numbers(self):
        found = latencies.write(self.path)
        first, second = (predictor.Predictor(found) for _ in range(2))
        for each in sample.draw(SPACE, 40, seed=3):
            self.assertEqual(first(MODEL, each), second(MODEL, each))

    def test_validation_is_kept_until_the_measurements_change(self):
        found = latencies.write(self.path)
        first = predictor.Predictor(found).validation
        with mock.patch.object(predictor, "_validate", side_effect=KeyError):
            self.assertEqual(predictor.Predictor(found).validation.r2, first.r2)
            found.append(
                SPACE.smallest, found.visits[SPACE.smallest][0]
            )  # No faster one.
            predictor.Predictor(found)
        self.path.unlink()
        other = latencies.write(self.path, lambda each: float(each.depth))
        self.assertNotEqual(predictor.Predictor(other).validation.r2, first.r2)

    def test_a_prediction_is_positive(self):
        steep = latencies.write(
            self.path, lambda each: max(1e-3, each.embed_dim - 11.9)
        )
        found = predictor.Predictor(steep)
        for each in sample.draw(SPACE, 100, seed=4):
            self.assertGreater(found(MODEL, each), 0)

    def test_too_few_architectures_are_refused(self):
        with self.assertRaisesRegex(errors.InputError, "has 9 .* at least 10"):
            predictor.Predictor(latencies.write(self.path, count=9))


if __name__ == "__main__":
    absltest.main()
