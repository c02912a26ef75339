"""The sizes of a network's parts."""

import itertools

from absl.testing import absltest

from tests.helpers import tiny
from tf_autoformer.space import architecture
from tf_autoformer.supernet import parts


class SamplesTest(absltest.TestCase):
    def test_they_have_the_sizes_of_all_architectures_and_no_other(self):
        space = tiny.SPACE
        blocks = list(itertools.product(space.num_heads, space.mlp_ratios))
        wanted = set()
        for embed_dim, depth in itertools.product(
            space.embed_dims, space.depths
        ):
            for chosen in itertools.product(blocks, repeat=depth):
                subnet = architecture.Architecture(
                    embed_dim, depth, *zip(*chosen, strict=True)
                )
                wanted |= parts.sizes(subnet)

        samples = parts.samples(space)

        self.assertEqual(set().union(*map(parts.sizes, samples)), wanted)
        self.assertEqual({subnet.depth for subnet in samples}, {1})


if __name__ == "__main__":
    absltest.main()
