"""Clipping by the global norm, against NumPy's."""

import functools

import numpy as np
from absl.testing import absltest

from tests.helpers import tiny, trainings

SPACE = tiny.SMALL_SPACE
PATHS = (SPACE.largest,)


@functools.cache
def _trained(clip_norm: float):
    """After one step, with its metrics."""
    training = trainings.Training(space=SPACE, clip_norm=clip_norm)
    (metrics,) = training.run([PATHS])
    return training, metrics


class ClippingTest(absltest.TestCase):
    def test_longer_gradients_are_shortened_to_the_norm_and_reported_whole(
        self,
    ):
        free, metrics = _trained(0)
        whole = free.gradients()
        norm = np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in whole))
        limit = float(norm) / 3

        clipped, reported = _trained(limit)

        np.testing.assert_allclose(metrics.gradient_norm, norm, rtol=1e-5)
        np.testing.assert_allclose(reported.gradient_norm, norm, rtol=1e-5)
        seconds = clipped.state.optimizer.second_moments
        for found, second, wanted in zip(
            clipped.gradients(), seconds, whole, strict=True
        ):
            shortened = wanted * (limit / norm)
            np.testing.assert_allclose(found, shortened, rtol=1e-4, atol=1e-7)
            np.testing.assert_allclose(
                second, 1e-3 * shortened**2, rtol=1e-3, atol=1e-12
            )

    def test_below_the_norm_nothing_changes(self):
        free, metrics = _trained(0)

        # TensorFlow multiplies by the norm over itself, here 1 to the bit.
        limit = 2.0 ** np.ceil(np.log2(metrics.gradient_norm))

        clipped, reported = _trained(float(limit))

        np.testing.assert_array_equal(reported.losses, metrics.losses)
        for found, wanted in zip(clipped.values(), free.values(), strict=True):
            np.testing.assert_array_equal(found, wanted)


if __name__ == "__main__":
    absltest.main()
