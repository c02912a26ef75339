"""The walk through a generation, checked by hand and by brute force."""

import math
import random

from absl.testing import absltest, parameterized

from tests.helpers import tiny
from tf_autoformer.evaluation import trie
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import sampling, search_space

Architecture = architecture_lib.Architecture


def _path(subnet: Architecture) -> list[tuple]:
    """What each part of a subnet depends on, written out anew."""
    path = [("stem", subnet.embed_dim)]
    for block in range(subnet.depth):
        path.append(("heads", block, subnet.num_heads[block]))
        units = int(subnet.embed_dim * subnet.mlp_ratio[block])
        path.append(("units", block, units))
    return [*path, ("head",)]


def _name(part: trie.Part) -> tuple:
    if part.number == trie.STEM:
        return "stem", part.embed_dim
    if part.number == trie.HEAD:
        return ("head",)
    block, half = divmod(part.number - 2, 2)
    return ("heads", "units")[half], block, part.size


def _draw(space: search_space.SearchSpace, count: int) -> list[Architecture]:
    rng = random.Random(count)
    found = {}
    while len(found) < count:
        found[sampling.uniform(space, rng)] = None
    return list(found)


class WalkTest(parameterized.TestCase):
    def test_by_hand(self):
        subnets = [
            Architecture(8, 2, (1, 2), (1.0, 2.0)),
            Architecture(8, 1, (1,), (1.0,)),
            Architecture(8, 2, (1, 2), (1.0, 1.0)),
        ]
        self.assertEqual(
            trie.walk(subnets),
            [
                ((0, 8, 0), True, None),
                ((2, 8, 1), True, None),
                ((3, 8, 8), True, None),
                # The shallow one ends before the other branch, of two.
                ((1, 8, 0), False, 1),
                ((4, 8, 2), True, None),
                ((5, 8, 16), False, None),
                ((1, 8, 0), True, 0),
                ((5, 8, 8), True, None),
                ((1, 8, 0), True, 2),
            ],
        )

    @parameterized.product(
        space=[tiny.SPACE, search_space.SEARCH_SPACES["small"]],
        count=[1, 2, 7, 60],
    )
    def test_each_shared_prefix_once_and_few_outputs_alive(self, space, count):
        subnets = _draw(space, count)
        paths = list(map(_path, subnets))
        prefixes = {
            (path[0], *path[1:end])
            for path in paths
            for end in range(1, len(path) + 1)
        }
        steps = trie.walk(subnets)
        self.assertLen(steps, len(prefixes))

        stack, most, ended = [[]], 0, []
        for part, is_last, subnet in steps:
            output = [*(stack.pop() if is_last else stack[-1]), _name(part)]
            if subnet is None:
                stack.append(output)
            else:
                self.assertEqual(output, paths[subnet])
            ended.append(output)
            most = max(most, len(stack))
        self.assertCountEqual(map(tuple, ended), prefixes)
        self.assertEmpty(stack)
        self.assertLessEqual(most, math.log2(count) + 1)

    def test_of_no_architectures_there_are_no_steps(self):
        self.assertEmpty(trie.walk([]))


if __name__ == "__main__":
    absltest.main()
