"""A description shows the figures of an architecture and its blocks as bars."""

import dataclasses

from absl.testing import absltest, parameterized

from tf_autoformer import errors
from tf_autoformer.analysis import description
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import published, search_space

IMAGENET = model_lib.ModelConfig(num_classes=1000)
SMALL = published.load("autoformer_s")
TINY = published.load("autoformer_t")

# Of autoformer_s: 78 heads of 64 dimensions and MLP ratios of 48.5 in all, 197
# tokens of 384 dimensions.
MACS = {
    "patch embedding": 196 * (16 * 16 * 3) * 384,
    "projections": 197 * 4 * 384 * 64 * 78,
    "attention": 2 * 197**2 * 64 * 78,
    "mlp": 2 * 197 * 384**2 * 97 // 2,
    "head": 384 * 1000,
}


class DescriptionTest(parameterized.TestCase):
    def test_figures_of_the_published_small_subnet(self):
        lines = list(description.lines(SMALL, IMAGENET))
        self.assertEqual(
            lines[0],
            "embed dim 384, depth 13, head dim 64; 224x224 pixels in patches "
            "of 16, 1000 classes",
        )
        total = sum(MACS.values())
        shown = {
            name.strip(): rest.split()
            for name, rest in ((line[:20], line[20:]) for line in lines[1:9])
        }
        expected = {
            "parameters": ["22,891,432"],
            "MACs": [f"{total:,}"],
            "with rel. position": [f"{total + MACS['attention']:,}"],
        }
        for part, number in MACS.items():
            expected[part] = [f"{number:,}", f"{100 * number / total:.1f}%"]
        self.assertEqual(shown, expected)
        self.assertLen({len(line) for line in lines[1:3]}, 1)  # In a column.

    def test_bars_are_as_long_as_the_heads_and_twice_the_ratio(self):
        lines = list(description.lines(SMALL, IMAGENET))
        start = lines.index("") + 1
        self.assertEqual(
            lines[start].split(), ["block", "QKV", "dim", "MLP", "ratio"]
        )
        blocks = lines[start + 1 :]
        self.assertLen(blocks, 13)
        for number, line in enumerate(blocks):
            heads, ratio = SMALL.num_heads[number], SMALL.mlp_ratio[number]
            self.assertEqual(
                line.split(),
                [
                    str(number + 1),
                    str(64 * heads),
                    "█" * heads,
                    f"{ratio:g}",
                    "█" * int(2 * ratio),
                ],
            )
            # Both columns begin below their titles.
            for title, text in (
                ("QKV", f"{64 * heads}"),
                ("MLP", f"{ratio:g}"),
            ):
                column = lines[start].index(title)
                self.assertStartsWith(line[column:], text)

    @parameterized.parameters("none", "absolute")
    def test_without_relative_position_its_line_is_left_out(self, position):
        model = dataclasses.replace(IMAGENET, position=position)
        lines = list(description.lines(SMALL, model))
        self.assertNotIn("rel. position", "\n".join(lines))
        self.assertIn(f"{sum(MACS.values()):,}", lines[2])

    def test_relative_position_of_the_keys_alone_is_half_as_much(self):
        model = dataclasses.replace(IMAGENET, position="relative_keys")
        total = sum(MACS.values()) + MACS["attention"] // 2
        (found,) = (
            line
            for line in description.lines(SMALL, model)
            if "rel. position" in line
        )
        self.assertEqual(found.split()[-1], f"{total:,}")

    def test_the_network_is_the_models(self):
        model = model_lib.ModelConfig(
            num_classes=10, image_size=(8, 12), patch_size=4, head_dim=4
        )
        subnet = architecture_lib.Architecture(8, 1, (2,), (0.5,))
        first, *_, last = description.lines(subnet, model)
        self.assertEqual(
            first,
            "embed dim 8, depth 1, head dim 4; 8x12 pixels in patches of 4, "
            "10 classes",
        )
        self.assertEqual(last.split(), ["1", "8", "██", "0.5", "█"])

    def test_in_its_space_an_architecture_is_described_alike(self):
        space = search_space.SEARCH_SPACES["small"]
        self.assertEqual(
            list(description.lines(SMALL, IMAGENET, space)),
            list(description.lines(SMALL, IMAGENET)),
        )

    def test_a_published_subnet_outside_the_choices_is_said_to_be_one(self):
        space = search_space.SEARCH_SPACES["tiny"]
        first, *rest = description.lines(TINY, IMAGENET, space)
        self.assertStartsWith(first, "autoformer_t is accepted as a published ")
        self.assertIn("mlp_ratio[2] is 3, outside the search space", first)
        self.assertEqual(rest, list(description.lines(TINY, IMAGENET)))
        self.assertIn("5,867,944", rest[1])

    def test_what_is_outside_the_space_is_refused_before_any_line(self):
        space = search_space.SEARCH_SPACES["tiny"]
        with self.assertRaisesRegex(
            errors.InputError, "embed_dim is 384, .* it allows 192, 216, 240"
        ):
            next(description.lines(SMALL, IMAGENET, space))


if __name__ == "__main__":
    absltest.main()
