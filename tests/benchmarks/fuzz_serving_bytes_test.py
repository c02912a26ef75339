"""The damaged images are many kinds, and some of them are served."""

import collections
import random
import re

from absl.testing import absltest

from benchmarks import fuzz_serving_bytes as fuzz
from tests.helpers import processes


class FuzzTest(absltest.TestCase):
    def test_the_seed_decides_the_images(self):
        seeds = list(fuzz.encoded())
        first, again, other = (
            list(fuzz.damaged(seeds, 300, random.Random(seed)))
            for seed in (0, 0, 1)
        )
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)
        starts = collections.Counter(content[:2] for content in first)
        for start in (b"\xff\xd8", b"\x89P", b"BM", b"GI", b"RI"):
            self.assertGreater(starts[start], 10)
        self.assertEmpty(set(first) & set(seeds))

    def test_large_images_are_small_files(self):
        sizes = [len(content) for content in fuzz.extreme()]
        self.assertEqual(sizes[-4:], [143] * 4)

    def test_no_image_ends_the_server_or_takes_long(self):
        result = processes.run(
            "fuzz_serving_bytes", "--count=400", package="benchmarks"
        )
        self.assertEqual(result.code, 0, result.err)
        answered, refused = re.match(
            r"(\d+) answered, (\d+) refused\n", result.out
        ).groups()
        extreme = len(list(fuzz.extreme()))
        self.assertEqual(int(answered) + int(refused), 400 + extreme)
        self.assertGreater(int(answered), 20)
        self.assertGreater(int(refused), 100)
        seconds = float(re.search(r"longest: ([\d.]+) s", result.out)[1])
        self.assertLess(seconds, 20)
        memory = float(re.search(r"model: ([\d.]+) GiB", result.out)[1])
        self.assertLess(memory, 1)


if __name__ == "__main__":
    absltest.main()
