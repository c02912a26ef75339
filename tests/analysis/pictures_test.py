"""Pictures: PNG files that show the right numbers."""

import io

import numpy as np
from absl.testing import absltest, parameterized
from matplotlib import colors
from PIL import Image

from tf_autoformer.analysis import pictures
from tf_autoformer.evolution import selection
from tf_autoformer.space import architecture as architecture_lib
from tf_autoformer.space import cost
from tf_autoformer.space import model as model_lib

ARCHITECTURE = architecture_lib.Architecture(
    embed_dim=48, depth=3, num_heads=(4, 2, 1), mlp_ratio=(0.5, 1.0, 4.0)
)
MODEL = model_lib.ModelConfig(num_classes=10, head_dim=16)

# (generation, accuracy, params), as an evolution could find them.
FOUND = [
    (0, 0.60, 90_000),
    (0, 0.80, 40_000),
    (1, 0.90, 60_000),
    (1, 0.70, 80_000),
    (2, 0.85, 50_000),
    (2, 0.95, 30_000),
]


def _ranking(found: list[tuple]) -> list[selection.Candidate]:
    return selection.ranked(
        [
            selection.Candidate(
                generation=generation,
                architecture=ARCHITECTURE,
                accuracy=accuracy,
                costs={
                    "params": params,
                    "macs": 10 * params,
                    "latency": params / 100_000,
                },
            )
            for generation, accuracy, params in found
        ]
    )


def _pixels(drawing) -> np.ndarray:
    """The pixels of the PNG file of a drawing."""
    encoded = pictures.png(drawing)
    assert encoded.startswith(b"\x89PNG\r\n\x1a\n")
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGB"))


class PicturesTest(parameterized.TestCase):
    def _assert_drawn(self, drawing):
        pixels = _pixels(drawing)
        self.assertGreater(pixels.std(), 10)  # Not blank.
        np.testing.assert_array_equal(pixels[0, 0], 255)

    @parameterized.parameters(1, 2, 6)
    def test_every_picture_is_a_png_file_however_little_was_found(self, count):
        ranking = _ranking(FOUND[:count])
        self._assert_drawn(pictures.candidates(ranking))
        self._assert_drawn(pictures.progress(ranking))
        self._assert_drawn(pictures.architecture(ARCHITECTURE, MODEL))

    def test_a_front_is_a_line(self):
        ranking = _ranking(FOUND)
        (axes, *_) = pictures.candidates(ranking, front=ranking[:2]).axes
        (line,) = axes.lines
        np.testing.assert_array_equal(
            line.get_xydata(), [(30_000, 0.95), (60_000, 0.90)]
        )
        self.assertEmpty(pictures.candidates(ranking).axes[0].lines)

    def test_candidates_shows_each_at_its_params_and_accuracy(self):
        axes = pictures.candidates(_ranking(FOUND)).axes[0]
        points, best = axes.collections
        self.assertCountEqual(
            map(tuple, points.get_offsets().tolist()),
            [(params, accuracy) for _, accuracy, params in FOUND],
        )
        self.assertEqual(best.get_offsets().tolist(), [[30_000, 0.95]])
        self.assertCountEqual(points.get_array(), [0, 0, 1, 1, 2, 2])
        self.assertEqual(axes.get_xlabel(), "parameters")
        self.assertEqual(axes.xaxis.get_major_formatter()(40_000), "40k")

    def test_candidates_shows_a_cost_of_run_time_in_its_unit(self):
        latency = cost.Cost(
            "latency", "ms", lambda *_: 0.5, "milliseconds for one image"
        )
        drawing = pictures.candidates(_ranking(FOUND), latency)
        self._assert_drawn(drawing)
        axes = drawing.axes[0]
        points, best = axes.collections
        np.testing.assert_allclose(
            sorted(points.get_offsets().tolist()),
            sorted([params / 1e5, accuracy] for _, accuracy, params in FOUND),
        )
        self.assertEqual(best.get_offsets().tolist(), [[0.3, 0.95]])
        self.assertEqual(axes.get_xlabel(), "milliseconds for one image")
        labels = [label.get_text() for label in axes.get_xticklabels()]
        self.assertIn("0.5", labels)

    def test_progress_shows_the_best_so_far_and_each_generations_mean(self):
        # The best of generation 2 is worse than that of generation 1.
        axes = pictures.progress(_ranking(FOUND[:-1])).axes[0]
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        np.testing.assert_allclose(
            lines["best so far"], [[0, 0.8], [1, 0.9], [2, 0.9]]
        )
        np.testing.assert_allclose(
            lines["mean"], [[0, 0.7], [1, 0.8], [2, 0.85]]
        )

    def test_architecture_shows_qkv_dim_and_mlp_ratio_of_every_block(self):
        drawing = pictures.architecture(ARCHITECTURE, MODEL)
        heights = [
            [bar.get_height() for bar in axes.patches] for axes in drawing.axes
        ]
        self.assertEqual(heights, [[64, 32, 16], [0.5, 1.0, 4.0]])
        for axes in drawing.axes:
            self.assertEqual(axes.get_xticks().tolist(), [1, 2, 3])
        self.assertRegex(drawing.get_suptitle(), "embed dim 48, depth 3")

    def test_predictions_of_a_single_image(self):
        drawing = pictures.predictions(np.zeros([1, 8, 8, 3]), ["1"], ["1"])
        self.assertLen(drawing.axes, 1)

    def test_predictions_shows_mistakes_in_red(self):
        images = np.linspace(0, 1, 3 * 64 * 3).reshape(3, 8, 8, 3)
        drawing = pictures.predictions(images, ["1", "2", "3"], ["1", "7", "3"])
        self._assert_drawn(drawing)
        titles = [axes.title for axes in drawing.axes]
        self.assertEqual([t.get_text() for t in titles], ["1", "7", "3"])
        self.assertEqual(
            [colors.to_hex(title.get_color()) for title in titles],
            ["#000000", colors.to_hex("crimson"), "#000000"],
        )
        for axes, image in zip(drawing.axes, images, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), image)


if __name__ == "__main__":
    absltest.main()
