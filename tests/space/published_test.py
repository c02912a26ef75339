"""The published subnets as files: there, and of the paper's spaces."""

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.space import extents, published, search_space
from tf_autoformer.space import model as model_lib

IMAGENET = model_lib.ModelConfig(num_classes=1000)
# Subnet -> its space, and its embedding dimension, depth, and heads and MLP
# ratios of all blocks together.
SUBNETS = {
    "autoformer_t": ("tiny", (192, 13, 40, 46.0)),
    "autoformer_s": ("small", (384, 13, 78, 48.5)),
    "autoformer_b": ("base", (576, 14, 130, 50.0)),
}


class PublishedTest(parameterized.TestCase):
    def test_there_are_three(self):
        self.assertCountEqual(published.NAMES, SUBNETS)

    @parameterized.parameters(*SUBNETS)
    def test_dimensions_are_the_papers(self, name):
        found = published.load(name)
        self.assertEqual(
            (
                found.embed_dim,
                found.depth,
                sum(found.num_heads),
                sum(found.mlp_ratio),
            ),
            SUBNETS[name][1],
        )

    @parameterized.parameters(*SUBNETS)
    def test_each_fits_the_supernet_of_its_space_and_of_no_smaller(self, name):
        home, _ = SUBNETS[name]
        sizes = list(search_space.SEARCH_SPACES)[:3]
        self.assertEqual(sizes, ["tiny", "small", "base"])
        for space in sizes:
            self.assertEqual(
                self._fits(published.load(name), space),
                sizes.index(space) >= sizes.index(home),
                space,
            )

    def _fits(self, architecture, space: str) -> bool:
        """Whether every weight's slice lies within the supernet's weight."""
        allocated = search_space.SEARCH_SPACES[space].allocated
        whole, part = (
            extents.layers(IMAGENET, extents.of(each))
            for each in (allocated, architecture)
        )
        return all(
            size <= limit
            for name, layer in part.items()
            for weight in layer.axes
            for size, limit in zip(
                layer.shape(weight), whole[name].shape(weight), strict=True
            )
        )

    @parameterized.parameters(*SUBNETS)
    def test_each_is_in_its_space_and_in_no_other(self, name):
        subnet = published.load(name)
        home, _ = SUBNETS[name]
        for space, entry in search_space.SEARCH_SPACES.items():
            if space == home:
                entry.validate(subnet)
            else:
                with self.assertRaises(errors.InputError):
                    entry.validate(subnet)


if __name__ == "__main__":
    absltest.main()
