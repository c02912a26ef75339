"""The paths that each training method draws."""

import random

from absl.testing import absltest, parameterized

from tf_autoformer.experiment import methods
from tf_autoformer.space import sampling, search_space

SPACE = search_space.SearchSpace(
    embed_dims=(16, 32, 48, 64),
    depths=(2, 3, 4),
    num_heads=(1, 2, 3, 4),
    mlp_ratios=(0.5, 1.0, 2.0, 4.0),
)


class SinglePathTest(absltest.TestCase):
    def test_is_one_uniform_architecture(self):
        drawn = methods.single_path(SPACE, random.Random(5))
        self.assertEqual(drawn, (sampling.uniform(SPACE, random.Random(5)),))


class SandwichTest(absltest.TestCase):
    def test_is_the_extremes_and_two_uniform_ones(self):
        rng = random.Random(0)
        drawn = [methods.sandwich(SPACE, rng) for _ in range(3000)]
        for largest, smallest, *others in drawn:
            self.assertEqual(largest, SPACE.largest)
            self.assertEqual(smallest, SPACE.smallest)
            self.assertLen(others, 2)
        embed_dims = [each.embed_dim for path in drawn for each in path[2:]]
        for dim in SPACE.embed_dims:
            share = embed_dims.count(dim) / len(embed_dims)
            self.assertAlmostEqual(share, 1 / len(SPACE.embed_dims), delta=0.05)


class MethodsTest(parameterized.TestCase):
    @parameterized.parameters(*methods.METHODS)
    def test_no_path_exceeds_the_first_in_any_dimension(self, name):
        method = methods.METHODS[name]
        rng = random.Random(1)
        for _ in range(100):
            first, *others = method.draw(SPACE, rng)
            self.assertEqual(bool(others), method.others is not None)
            for other in others:
                self.assertLessEqual(other.embed_dim, first.embed_dim)
                self.assertLessEqual(other.depth, first.depth)
                for small, large in zip(
                    sampling.blocks_of(other),
                    sampling.blocks_of(first),
                    strict=False,
                ):
                    self.assertLessEqual(small[0], large[0])
                    self.assertLessEqual(small[1], large[1])


if __name__ == "__main__":
    absltest.main()
