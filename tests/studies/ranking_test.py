"""The ranking, with supernets and trainings whose accuracies are planted."""

import json
import pathlib

from absl.testing import absltest

from tests.helpers import tiny
from tests.studies import fakes
from tf_autoformer import errors
from tf_autoformer.space import constraint, cost
from tf_autoformer.studies import ranking, work

MODEL, SPACE = tiny.DIGITS_MODEL, tiny.SPACE


def quality(subnet):
    """An accuracy that depends on the subnet, not on its size alone."""
    blocks = sum(subnet.num_heads) - 2 * sum(subnet.mlp_ratio)
    return 0.7 + 0.01 * blocks + 0.002 * subnet.embed_dim


def answer(inherited):
    """Trainings find the quality, and evaluations what `inherited` says."""

    def of(task):
        if task.function == work.train:
            _, experiment, (subnet,), *_ = task.arguments
            assert experiment.architecture == subnet
            return fakes.result([quality(subnet)])
        root, subnets, _ = task.arguments
        return fakes.result([inherited(root, each) for each in subnets])

    return of


class RankingTest(absltest.TestCase):
    def setUp(self):
        super().setUp()
        self.root = pathlib.Path(self.create_tempdir().full_path)

    def run_study(self, inherited, count=12, groups=None):
        study = fakes.make(self.root, answer(inherited), groups)
        lines = ranking.run(study, count)
        values = json.loads((study.folder / "ranking.json").read_text())
        return study, lines, values

    def test_a_supernet_that_knows_the_order_has_a_correlation_of_one(self):
        study, lines, values = self.run_study(
            lambda root, subnet: quality(subnet) - 0.1
        )

        found = values["correlations"]["inherited"]
        for name in ("kendall", "spearman", "near_kendall", "near_spearman"):
            self.assertAlmostEqual(found[name]["value"], 1.0)
        parameters = values["correlations"]["parameters alone"]["kendall"]
        self.assertLess(parameters["high"], 0.9)
        # Two seeds: each subnet is trained with each supernet's seed.
        trainings = [t for t in study.tasks.done if t.function == work.train]
        self.assertLen(trainings, 24)
        self.assertEqual(
            [each.arguments[1].training.seed for each in trainings[:4]],
            [1, 2, 1, 2],
        )
        self.assertNotIn("may be broken", " ".join(lines))
        for row in values["rows"]:
            self.assertEqual(row["inherited_rank"], row["scratch_rank"])
        self.assertTrue((study.folder / "ranking.png").exists())
        self.assertEqual(
            (study.folder / "ranking.md").read_text().splitlines(), lines
        )

    def test_a_broken_supernet_is_visible_and_flagged(self):
        good = fakes.group(self.root, "good")
        bad = fakes.group(self.root, "bad")

        def inherited(root, subnet):
            if "good" in root.name:
                return quality(subnet)
            # Its last block is broken, so that depth harms.
            return 0.9 - 0.4 * (subnet.depth == SPACE.depths[-1])

        _, lines, values = self.run_study(inherited, groups=[good, bad])

        found = values["correlations"]
        self.assertAlmostEqual(found["inherited, good"]["kendall"]["value"], 1)
        self.assertLess(found["inherited, bad"]["kendall"]["value"], 0.5)
        text = "\n".join(lines)
        self.assertEqual(text.count("bad: The supernet may be broken"), 2)
        self.assertNotIn("good: The supernet may be broken", text)

    def test_half_of_the_subnets_are_of_about_one_size(self):
        study = fakes.make(self.root, None)

        found = ranking.draw(study, 12)

        self.assertLen(set(found.all), 12)
        self.assertEqual(
            [*found.params], [cost.params(MODEL, each) for each in found.all]
        )
        sizes = [found.params[n] for n in found.near]
        self.assertGreaterEqual(len(sizes), 6)
        self.assertLessEqual(max(sizes), 1.1 * min(sizes))
        others = set(range(12)) - {*found.near}
        self.assertGreater(
            max(found.params[n] for n in others)
            - min(found.params[n] for n in others),
            max(sizes) - min(sizes),
        )

    def test_ranges_hold_for_both_halves(self):
        allowed = constraint.Range(2500, 3500)
        study = fakes.make(self.root, None, params=allowed)

        found = ranking.draw(study, 10)

        for size in found.params:
            self.assertFalse(allowed.violation(size))

    def test_another_study_cannot_go_on_in_the_folder(self):
        self.run_study(lambda root, subnet: 0.5)

        with self.assertRaisesRegex(
            errors.InputError, "made with subnets 12, now it is 14"
        ):
            self.run_study(lambda root, subnet: 0.5, count=14)


if __name__ == "__main__":
    absltest.main()
