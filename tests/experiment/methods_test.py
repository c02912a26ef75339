"""Every training method keeps what the training step relies on."""

import random

from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer.experiment import methods
from tf_autoformer.space import search_space

# A supernet larger than the largest choices, as the paper's are.
SPACES = (tiny.SPACE, search_space.SEARCH_SPACES["tiny"])


class MethodsTest(parameterized.TestCase):
    @parameterized.product(name=list(methods.METHODS), space=SPACES)
    def test_the_first_path_holds_all_others(self, name, space):
        rng = random.Random(0)
        for _ in range(50):
            first, *others = methods.METHODS[name].draw(space, rng)
            for other in others:
                self.assertLessEqual(other.embed_dim, first.embed_dim)
                self.assertLessEqual(other.depth, first.depth)
                for larger, smaller in (
                    (first.num_heads, other.num_heads),
                    (first.mlp_ratio, other.mlp_ratio),
                ):
                    for most, found in zip(larger, smaller, strict=False):
                        self.assertLessEqual(found, most)

    @parameterized.parameters(*methods.METHODS)
    def test_other_paths_have_a_lesson_if_there_are_any(self, name):
        method = methods.METHODS[name]
        rng = random.Random(0)
        numbers = {len(method.draw(tiny.SPACE, rng)) for _ in range(50)}
        self.assertLen(numbers, 1)
        (number,) = numbers
        self.assertEqual(number > 1, method.others is not None)

    @parameterized.parameters(*methods.METHODS)
    def test_the_first_path_learns_from_the_labels(self, name):
        # There are no predictions yet to learn from.
        self.assertTrue(methods.METHODS[name].first.labelled)

    def test_autoformers_path_is_one_uniform_architecture(self):
        rng = random.Random(0)
        drawn = [methods.single_path(tiny.SPACE, rng) for _ in range(600)]
        self.assertEqual({len(paths) for paths in drawn}, {1})
        for dim in tiny.SPACE.embed_dims:
            share = sum(path.embed_dim == dim for (path,) in drawn) / 600
            self.assertAlmostEqual(share, 1 / 3, delta=0.08)


if __name__ == "__main__":
    absltest.main()
