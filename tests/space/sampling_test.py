"""Uniform random architectures, and the stream of them."""

import collections
import itertools
import json
import math
import random

from absl.testing import absltest, parameterized

from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

SPACE = search_space.SearchSpace(
    embed_dims=(16, 32, 48, 64),
    depths=(2, 3, 4),
    num_heads=(1, 2, 3, 4),
    mlp_ratios=(0.5, 1.0, 2.0, 4.0),
)
DRAWS = 20_000


def _one(space: search_space.SearchSpace, rng: random.Random) -> sampling.Paths:
    return (sampling.uniform(space, rng),)


class SamplingTest(parameterized.TestCase):
    def _assert_uniform(self, draws: list, choices: list):
        """Every choice comes about equally often: within 4.5 sigma."""
        counts = collections.Counter(draws)
        self.assertLessEqual(set(counts), set(choices))
        share = 1 / len(choices)
        sigma = math.sqrt(len(draws) * share * (1 - share))
        for choice in choices:
            self.assertAlmostEqual(
                counts[choice], len(draws) * share, delta=4.5 * sigma
            )

    def test_every_dimension_and_every_pair_of_them_is_uniform(self):
        rng = random.Random(0)
        drawn = [sampling.uniform(SPACE, rng) for _ in range(DRAWS)]
        dimensions = {
            "embed_dim": ([a.embed_dim for a in drawn], (16, 32, 48, 64)),
            "depth": ([a.depth for a in drawn], (2, 3, 4)),
        }
        for layer in (0, 1):
            dimensions |= {
                f"num_heads[{layer}]": (
                    [a.num_heads[layer] for a in drawn],
                    (1, 2, 3, 4),
                ),
                f"mlp_ratio[{layer}]": (
                    [a.mlp_ratio[layer] for a in drawn],
                    (0.5, 1.0, 2.0, 4.0),
                ),
            }
        for first, second in itertools.combinations(dimensions, 2):
            with self.subTest(f"{first} and {second}"):
                draws, choices = zip(
                    dimensions[first], dimensions[second], strict=True
                )
                self._assert_uniform(
                    list(zip(*draws, strict=True)),
                    list(itertools.product(*choices)),
                )

    def test_the_last_block_is_uniform_too(self):
        rng = random.Random(1)
        drawn = [sampling.uniform(SPACE, rng) for _ in range(DRAWS)]
        blocks = [sampling.blocks_of(a)[3] for a in drawn if a.depth == 4]
        self._assert_uniform(
            blocks,
            list(itertools.product((1, 2, 3, 4), (0.5, 1.0, 2.0, 4.0))),
        )

    @parameterized.parameters(2, 3, 4)
    def test_a_new_depth_keeps_the_first_blocks(self, depth):
        rng = random.Random(2)
        blocks = [sampling.block(SPACE, rng) for _ in range(depth)]
        drawn = [sampling.redraw_depth(SPACE, blocks, rng) for _ in range(999)]
        self._assert_uniform([len(new) for new in drawn], [2, 3, 4])
        for new in drawn:
            kept = min(depth, len(new))
            self.assertEqual(new[:kept], blocks[:kept])

    def test_samples_are_in_the_space_and_survive_json(self):
        sampler = sampling.Sampler(SPACE, seed=3, rule=_one)
        for _ in range(100):
            (drawn,) = sampler.sample()
            SPACE.validate(drawn)
            text = json.dumps(drawn.to_dict())
            read = architecture_lib.Architecture.from_dict(json.loads(text))
            self.assertEqual(read, drawn)
            self.assertEqual(hash(read), hash(drawn))


class SamplerTest(absltest.TestCase):
    def test_the_rule_draws_the_paths(self):
        def two(space, rng):
            return space.largest, sampling.uniform(space, rng)

        sampler = sampling.Sampler(SPACE, 3, two)
        expected = two(SPACE, random.Random(3))
        self.assertEqual(sampler.sample(), expected)

    def test_the_seed_decides_the_stream(self):
        def stream(seed: int) -> list:
            sampler = sampling.Sampler(SPACE, seed, _one)
            return [sampler.sample() for _ in range(20)]

        self.assertEqual(stream(4), stream(4))
        self.assertNotEqual(stream(4), stream(5))

    def test_a_restored_stream_continues_where_it_was_saved(self):
        saved = sampling.Sampler(SPACE, seed=6, rule=_one)
        for _ in range(7):
            saved.sample()
        # Through JSON, as it is stored.
        state = json.loads(json.dumps(saved.state()))
        expected = [saved.sample() for _ in range(50)]
        restored = sampling.Sampler(SPACE, seed=0, rule=_one)
        restored.sample()
        restored.restore(state)
        self.assertEqual([restored.sample() for _ in range(50)], expected)


if __name__ == "__main__":
    absltest.main()
