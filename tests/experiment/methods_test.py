"""Every training method draws paths that the training step can rely on."""

import random

from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer.experiment import methods
from tf_autoformer.space import sampling, search_space

SPACE = tiny.SPACE
# The second supernet is larger than its largest choices, as the paper's are.
SPACES = (SPACE, search_space.SEARCH_SPACES["tiny"])


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
    @parameterized.product(name=list(methods.METHODS), space=SPACES)
    def test_the_first_path_holds_all_others(self, name, space):
        method = methods.METHODS[name]
        rng = random.Random(1)
        for _ in range(50):
            first, *others = method.draw(space, rng)
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

    @parameterized.parameters(*methods.METHODS)
    def test_the_first_path_learns_from_the_labels(self, name):
        # There are no predictions yet to learn from.
        self.assertTrue(methods.METHODS[name].first.labelled)


if __name__ == "__main__":
    absltest.main()
