"""The position embedding of another grid is PyTorch's bicubic interpolation."""

import numpy as np
import torch
from absl.testing import absltest, parameterized

from tf_autoformer.supernet import embedding


class ResizePositionTest(parameterized.TestCase):
    @parameterized.parameters(
        ((14, 14), (24, 24)),
        ((14, 14), (12, 20)),
        ((14, 14), (7, 5)),
        ((3, 5), (6, 10)),
        ((3, 5), (5, 3)),
        ((7, 2), (3, 9)),
        ((1, 6), (1, 11)),
        ((1, 6), (4, 6)),
        ((5, 1), (8, 3)),
        ((4, 4), (1, 1)),
        ((1, 1), (3, 2)),
        ((40, 3), (4, 3)),
    )
    def test_equals_pytorchs(self, old, new):
        rng = np.random.default_rng(0)
        tokens = 1 + old[0] * old[1]
        weights = rng.standard_normal([1, tokens, 6]).astype(np.float32)

        resized = embedding.resize_position(weights, old, new).numpy()

        patches = torch.from_numpy(weights[:, 1:].reshape(1, *old, 6))
        expected = torch.nn.functional.interpolate(
            patches.permute(0, 3, 1, 2),
            size=new,
            mode="bicubic",
            align_corners=False,
        ).permute(0, 2, 3, 1)
        self.assertEqual(resized.shape, (1, 1 + new[0] * new[1], 6))
        np.testing.assert_array_equal(resized[:, 0], weights[:, 0])
        np.testing.assert_allclose(
            resized[:, 1:].reshape(expected.shape),
            expected.numpy(),
            atol=1e-5,
            rtol=0,
        )

    def test_the_same_grid_changes_no_bit(self):
        weights = np.float32(np.random.default_rng(0).random([1, 16, 4]))
        np.testing.assert_array_equal(
            embedding.resize_position(weights, (3, 5), (3, 5)), weights
        )


if __name__ == "__main__":
    absltest.main()
