"""The ablation, with planted effects."""

import itertools
import json
import pathlib
import typing

from absl.testing import absltest

from tests.studies import fakes
from tf_autoformer.space import model as model_lib
from tf_autoformer.studies import ablation, work

# Accuracy that a position embedding adds, in points.
POSITION = {
    "none": 0.0,
    "absolute": 0.02,
    "relative": 0.03,
    "relative_keys": 0.01,
    "both": 0.05,
}


def answer(task):
    """Accuracies with effects of head, position and seed."""
    _, experiment, subnets, *_ = task.arguments
    model = experiment.model
    accuracy = 0.8 + POSITION[model.position]
    if model.pooling == "average":
        accuracy += 0.01 * experiment.training.seed
    return fakes.result([accuracy] * len(subnets))


class AblationTest(absltest.TestCase):
    def test_effects_are_differences_over_all_other_choices(self):
        root = pathlib.Path(self.create_tempdir().full_path)
        study = fakes.make(root, answer)

        lines = ablation.run(study, 5)

        options = [each.arguments[1].model for each in study.tasks.done]
        self.assertCountEqual(
            {(each.pooling, each.position) for each in options},
            itertools.product(
                typing.get_args(model_lib.Pooling),
                typing.get_args(model_lib.Position),
            ),
        )
        self.assertLen(options, 20)  # Two seeds of each.
        self.assertEqual(
            {each.function for each in study.tasks.done}, {work.train}
        )
        values = json.loads((study.folder / "ablation.json").read_text())
        effects = {each["effect"]: each for each in values["effects"]}
        head = effects["average pooling instead of the class token"]
        self.assertAlmostEqual(head["mean"], 0.015)
        self.assertAlmostEqual(head["low"], 0.01)
        self.assertAlmostEqual(head["high"], 0.02)
        for name, expected in (
            ("relative and absolute position instead of absolute", 0.03),
            ("relative instead of none", 0.03),
            ("relative_keys instead of none", 0.01),
        ):
            self.assertAlmostEqual(effects[name]["mean"], expected)
        self.assertIn("+1.50%", "\n".join(lines))
        self.assertTrue((study.folder / "ablation.png").exists())


if __name__ == "__main__":
    absltest.main()
