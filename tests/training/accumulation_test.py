"""A batch in parts, one after the other, gives what it gives as a whole."""

import functools

import numpy as np
from absl.testing import absltest, parameterized

from tests.helpers import tiny, trainings

SPACE = tiny.SMALL_SPACE
STEPS = trainings.draw(3, space=SPACE)


@functools.cache
def _trained(parts: int):
    training = trainings.Training(
        space=SPACE, drop_path=0.5, accumulation=parts
    )
    metrics = training.run(STEPS)
    return training, metrics


class AccumulationTest(parameterized.TestCase):
    @parameterized.parameters(2, 4)
    def test_losses_norms_weights_and_moments_are_those_of_one_part(
        self, parts
    ):
        one, wanted = _trained(1)
        some, found = _trained(parts)

        for each, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(each.losses, other.losses, atol=1e-6)
            np.testing.assert_allclose(
                each.gradient_norm, other.gradient_norm, rtol=1e-5
            )
        self.assertGreater(np.ptp([each.losses[0] for each in found]), 0.01)
        for now, was in zip(some.values(), one.values(), strict=True):
            np.testing.assert_allclose(now, was, atol=1e-6, rtol=0)

    def test_the_parts_are_in_one_trace(self):
        self.assertEqual(_trained(2)[0].step.traces, 1)


if __name__ == "__main__":
    absltest.main()
