"""The structure of the best candidates, in figures counted by hand."""

import csv
import json
import pathlib
import random
from unittest import mock

import numpy as np
from absl.testing import absltest, parameterized
from PIL import Image

from tf_autoformer import errors
from tf_autoformer.analysis import pictures
from tf_autoformer.evolution import candidates, selection
from tf_autoformer.experiment import experiment as experiment_lib
from tf_autoformer.experiment import workdir as workdir_lib
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import model as model_lib
from tf_autoformer.space import sampling, search_space
from tf_autoformer.studies import depth_trend, structure, structure_picture

Architecture = architecture_lib.Architecture
MODEL = model_lib.ModelConfig(num_classes=10, head_dim=16)
SPACE = search_space.SearchSpace(
    embed_dims=(16, 32),
    depths=(1, 3, 4),
    num_heads=(1, 2, 3, 4),
    mlp_ratios=(1, 2, 3, 4),
)
QKV_DIM, MLP_RATIO = depth_trend.DIMENSIONS
FALLING, RISING = (4, 3, 2, 1), (1, 2, 3, 4)


def subnet(heads, ratios, embed_dim=16) -> Architecture:
    return Architecture(embed_dim, len(heads), heads, ratios)


def drawn(count: int, seed: int = 0) -> list[Architecture]:
    """Random architectures of four blocks."""
    rng = random.Random(seed)
    return [
        sampling.from_blocks(16, [sampling.block(SPACE, rng) for _ in range(4)])
        for _ in range(count)
    ]


class DepthTrendTest(parameterized.TestCase):
    @parameterized.parameters(
        ((4, 3, 2, 1), -3),  # One less with each of three steps.
        ((1, 1, 1), 0),
        ((1, 4), 3),
        ((5, 2, 2), -3),
        # Sum of (x - 1/2)·y over sum of (x - 1/2)²: (-1/2 + 2) / (1/2).
        ((1, 9, 4), 3),
        # x - 1/2 is -1/2, -1/6, 1/6 and 1/2: (1/6 + 1/2) / (5/9).
        ((0, 0, 1, 1), 6 / 5),
    )
    def test_a_slope_is_that_of_least_squares(self, values, expected):
        self.assertAlmostEqual(depth_trend.slope(values), expected)

    def test_means_and_curves_by_hand(self):
        best = [subnet((4, 3, 2, 1), (1, 1, 1, 1)), subnet((2, 3, 4), (1,) * 3)]
        trend = depth_trend.of(QKV_DIM, 16, best, drawn(2))
        # Slopes of the heads are -3 and 2.
        self.assertAlmostEqual(trend.slopes["best"].mean, 16 * -0.5)
        np.testing.assert_allclose(trend.depths, [0, 1 / 3, 2 / 3, 1])
        # The second has 2, 2 2/3, 3 1/3 and 4 at these depths.
        np.testing.assert_allclose(
            trend.curves["best"].mean,
            16 * np.array([3, (3 + 8 / 3) / 2, (2 + 10 / 3) / 2, 2.5]),
        )
        # Of two, a resample has one twice in half of the cases.
        self.assertEqual(trend.slopes["best"][1:], (16 * -3.0, 16 * 2.0))
        np.testing.assert_allclose(trend.curves["best"].low[0], 16 * 2)
        np.testing.assert_allclose(trend.curves["best"].high[0], 16 * 4)

    def test_an_interval_has_the_width_of_the_normal_distribution(self):
        subnets = drawn(200)
        found = depth_trend.of(MLP_RATIO, 16, subnets, subnets)
        slopes = [depth_trend.slope(each.mlp_ratio) for each in subnets]
        error = np.std(slopes) / np.sqrt(200)
        for name, scale in (("best", 1), ("difference", np.sqrt(2))):
            mean, low, high = found.slopes[name]
            width = 1.96 * error * scale
            np.testing.assert_allclose(
                [mean - low, high - mean], width, rtol=0.1
            )
        self.assertEqual(found.slopes["difference"].mean, 0)

    @parameterized.parameters(
        (FALLING, RISING, "holds", "holds"),
        (RISING, FALLING, "contradicted", "contradicted"),
        (FALLING, FALLING, "holds", "contradicted"),
        ((2, 2, 2, 2), (3, 3, 3, 3), "not decided", "not decided"),
    )
    def test_the_verdict_on_a_known_slope(self, heads, ratios, *verdicts):
        best = [subnet(heads, ratios), subnet(heads, ratios, 32)]
        for dimension, verdict in zip(
            depth_trend.DIMENSIONS, verdicts, strict=True
        ):
            found = depth_trend.of(dimension, 16, best, drawn(30))
            self.assertEqual(found.verdict, verdict)

    def test_one_shape_for_all_is_no_difference(self):
        shape = subnet((2, 2, 1), (1, 2, 2))
        for dimension in depth_trend.DIMENSIONS:
            found = depth_trend.of(dimension, 16, [shape] * 3, [shape] * 10)
            self.assertEqual(found.slopes["difference"], (0, 0, 0))
            self.assertEqual(found.verdict, "not decided")

    def test_chance_alone_is_seldom_decided(self):
        decided = sum(
            depth_trend.of(
                dimension, 16, drawn(20, 2 * seed), drawn(50, 2 * seed + 1)
            ).verdict
            != "not decided"
            for seed in range(25)
            for dimension in depth_trend.DIMENSIONS
        )
        # About 5 % of 50.
        self.assertBetween(decided, 1, 7)


class StructureTest(parameterized.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)
        self.output = self.root / "out" / "structure"

    def _not_drawn(self) -> None:
        """Saves the time of the pictures' files."""
        self.enter_context(mock.patch.object(pictures, "png", lambda _: b""))

    def _search(
        self,
        best: list[Architecture],
        by_chance: list[Architecture] | None = None,
        workdir: str = "w",
        space: search_space.SearchSpace = SPACE,
        **fields,
    ) -> workdir_lib.SearchFolder:
        """A search in which the given candidates are the best, in this order.

        Args:
          best: Candidates of mutation.
          by_chance: Random candidates. None: 30.
          workdir: Name of the working folder.
          space: Search space.
          **fields: Further fields of the best candidates.
        """
        made = workdir_lib.Workdir(self.root / workdir)
        made.claim(
            experiment_lib.Experiment("digits", MODEL, space, training=None)
        )
        folder = made.search("mine")
        file = candidates.CandidateFile(folder.candidates)
        if by_chance is None:
            by_chance = drawn(30)
        costs = {"params": 1}
        for number, each in enumerate(by_chance):
            accuracy = 0.5 + number / 1e3
            file.append(selection.Candidate(0, each, accuracy, costs, "random"))
        for number, each in enumerate(best):
            accuracy = 0.9 - number / 1e3
            file.append(
                selection.Candidate(
                    1, each, accuracy, costs, "mutation", **fields
                )
            )
        return folder

    def _study(self, *folders: workdir_lib.SearchFolder, **options) -> dict:
        """What the study writes as JSON."""
        structure.run(folders, self.output, **options)
        return json.loads((self.output / "structure.json").read_text())

    def test_the_files_have_the_figures_and_are_the_same_each_time(self):
        # Slopes of heads and ratios: -3 and 3, -1 and 2; 0 and 0, 2 and 0.
        best = [subnet(FALLING, RISING), subnet((2, 1, 1), (2, 2, 4))]
        by_chance = [subnet((1, 3, 1), (1, 4, 1)), subnet((1, 1, 3), (4,) * 3)]
        folder = self._search(best, by_chance)
        found = self._study(folder, best=2)
        self.assertEqual(found["searches"], [str(folder.root)])
        self.assertEqual(found["architectures"], {"best": 2, "random": 2})
        qkv_dim, mlp_ratio = found["dimensions"]
        self.assertEqual(
            [mlp_ratio[f"best_{end}"] for end in ("mean", "low", "high")],
            [2.5, 2, 3],
        )
        # The second has 32, 21 1/3, 16 and 16 at four relative depths.
        self.assertEqual(
            qkv_dim["curves"]["best"]["mean"], [48, 34.6667, 24, 16]
        )
        text = (self.output / "structure.md").read_text()
        self.assertIn(
            "| dimension | claim | slope of 2 best | slope of 2 random | "
            "difference | verdict |\n"
            "|---|---|---|---|---|---|\n"
            "| QKV dim | falls with depth | -32 (-48 to -16) | "
            "+16 (+0 to +32) | -48 (-80 to -16) | holds |\n"
            "| MLP ratio | rises with depth | +2.5 (+2 to +3) | "
            "+0 (+0 to +0) | +2.5 (+2 to +3) | holds |\n",
            text,
        )
        with (self.output / "structure.csv").open() as file:
            rows = list(csv.DictReader(file))
        for row, record in zip(rows, found["dimensions"], strict=True):
            del record["curves"]
            self.assertEqual(
                row, {name: str(value) for name, value in record.items()}
            )

        for each in self.output.glob("*.png"):
            self.assertGreater(np.asarray(Image.open(each)).std(), 10)
        before = {each.name: each.read_bytes() for each in self._written()}
        self.assertLen(before, 5)
        lines = structure.run([folder], self.output, best=2)
        self.assertLen(lines, 3)
        self.assertRegex(
            lines[1], r"^QKV dim +falls with depth +-32 \(-48 to .* +holds$"
        )
        after = {each.name: each.read_bytes() for each in self._written()}
        self.assertEqual(after, before)

    def _written(self) -> list[pathlib.Path]:
        return list(self.output.iterdir())

    def test_which_candidates_count(self):
        self._not_drawn()
        common, raced = subnet(FALLING, RISING), subnet(RISING, FALLING)
        one_block = subnet((4,), (4,))
        folders = [
            self._search([common, subnet(RISING, RISING)], workdir="a"),
            self._search([one_block, common, raced], workdir="b"),
        ]
        # Of each search two: the common one counts once.
        found = self._study(*folders, best=2)
        self.assertEqual(found["architectures"], {"best": 2, "random": 30})
        slopes = [each["best_mean"] for each in found["dimensions"]]
        self.assertEqual(slopes, [0, 3])

        # What a race stopped is not among the best.
        folder = self._search([common] * 3, workdir="c", images=5)
        found = self._study(folder, best=40)
        (qkv_dim, _) = found["dimensions"]
        self.assertEqual(qkv_dim["best_mean"], qkv_dim["random_mean"])

    def test_what_cannot_be_compared_is_told(self):
        folder = self._search([subnet(FALLING, RISING)] * 2, workdir="a")
        other = self._search(
            [subnet((1, 1), (1, 1))],
            workdir="b",
            space=search_space.containing(subnet((1, 1), (1, 1))),
        )
        missing = folder.workdir.search("missing")
        few = self._search([], [subnet((1,), (1,))], workdir="c")
        no_workdir = workdir_lib.Workdir(self.root / "none").search("mine")
        for folders, message in (
            ((folder, missing), f"{missing.root} holds no candidates; run"),
            ((no_workdir,), "none/config.json does not exist"),
            ((folder, other), f"{other.root} has another search space than"),
            ((few,), f"{few.root}: 0 best candidates have several"),
        ):
            with self.assertRaisesRegex(errors.InputError, message):
                structure.run(folders, self.output)
        self.assertFalse(self.output.exists())

    def test_the_best_of_up_to_six_searches_are_drawn(self):
        self._not_drawn()
        folders = [
            self._search([subnet(FALLING, RISING, 32)], workdir=f"w{number}")
            for number in range(7)
        ]
        with mock.patch.object(
            structure_picture,
            "architectures",
            wraps=structure_picture.architectures,
        ) as drawn_ones:
            self._study(*folders)
        (shown, _), _ = drawn_ones.call_args
        title = "w0, search mine: accuracy 90.0%, embed dim 32, depth 4"
        self.assertEqual(shown[0], (title, subnet(FALLING, RISING, 32)))
        self.assertLen(shown, 6)


class PicturesTest(absltest.TestCase):
    def test_a_row_has_the_dimensions_of_each_block(self):
        drawing = structure_picture.architectures(
            [("one", subnet(FALLING, RISING)), ("$two", subnet((1,), (4,)))], 16
        )
        heights = [
            [bar.get_height() for bar in axes.patches] for axes in drawing.axes
        ]
        self.assertEqual(heights, [[64, 48, 32, 16], [1, 2, 3, 4], [16], [4]])
        self.assertEqual(
            [axes.get_ylabel() for axes in drawing.axes],
            ["QKV dim", "MLP ratio"] * 2,
        )
        self.assertEqual(drawing.axes[0].get_xticks().tolist(), [1, 2, 3, 4])

    def test_trends_shows_the_curves_with_their_intervals(self):
        best = [subnet(FALLING, RISING), subnet((2, 2, 1), (1, 1, 1))]
        found = [
            depth_trend.of(each, 16, best, drawn(9))
            for each in depth_trend.DIMENSIONS
        ]
        drawing = structure_picture.trends(found, {"best": 2, "random": 9})
        for axes, trend in zip(drawing.axes, found, strict=True):
            for line, band, name in zip(
                axes.lines, axes.collections, ("best", "random"), strict=True
            ):
                curve = trend.curves[name]
                np.testing.assert_allclose(line.get_ydata(), curve.mean)
                np.testing.assert_allclose(line.get_xdata(), trend.depths)
                (path,) = band.get_paths()
                heights = path.vertices[:, 1]
                self.assertEqual(heights.min(), curve.low.min())
                self.assertEqual(heights.max(), curve.high.max())
        (legend,) = drawing.legends
        self.assertEqual(
            [text.get_text() for text in legend.get_texts()],
            ["best (2)", "random (9)"],
        )
        self.assertEqual(
            drawing.axes[0].get_title(),
            f"Claim: falls with depth. Here: {found[0].verdict}.",
        )


if __name__ == "__main__":
    absltest.main()
