"""The comparison of systems: who trains how, and who searches under what."""

import json
import pathlib
import tempfile

from absl.testing import absltest

from tests.helpers import latencies, tiny
from tests.studies import fakes
from tf_autoformer import errors
from tf_autoformer.space import constraint, cost
from tf_autoformer.studies import comparison, work

SPACE = tiny.SPACE
BUDGET = {"params": constraint.Range(None, 3000)}
# What each search finds, and the predicted latency of it.
FOUND = {
    "AutoFormer": (SPACE.smallest, 0.5),
    "BigNAS": (SPACE.largest, 0.9),
    "HAT": (SPACE.smallest, 0.4),
}


def answer(task):
    """Each system's search finds its subnet, of its own accuracy."""
    if task.function == work.search:
        system, seed = task.name.split()[1:]
        subnet, latency = FOUND[system]
        return {
            "architecture": subnet.to_dict(),
            "candidates": 100,
            "latency_ms": latency + 0.01 * int(seed),
            "seconds": 120.0,
        }
    if task.function == work.train:
        return fakes.result([0.9], seconds=240.0)
    return fakes.result([0.8], seconds=600.0)


class ComparisonTest(absltest.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.root = pathlib.Path(folder.name)
        cls.study = fakes.make(cls.root, answer, **BUDGET)
        latencies.write(cls.root / "latency.jsonl")
        cls.lines = comparison.run(cls.study, cls.root / "latency.jsonl")
        cls.tasks = {each.name: each for each in cls.study.tasks.done}

    def arguments(self, name, function):
        task = self.tasks[name]
        self.assertEqual(task.function, function)
        return task.arguments

    def test_bignas_has_supernets_of_the_sandwich_rule(self):
        for number, seed in ((1, 1), (2, 2)):
            root, experiment, *_ = self.arguments(
                f"bignas_{number}", work.train
            )
            self.assertEqual(experiment.training.method, "bignas")
            self.assertEqual(experiment.training.seed, seed)
            self.assertIsNone(experiment.architecture)
            searched, *_ = self.arguments(f"search BigNAS {seed}", work.search)
            self.assertEqual(searched, root)

    def test_hat_and_autoformer_search_the_same_uniform_supernets(self):
        for system in ("HAT", "AutoFormer"):
            root, *_ = self.arguments(f"search {system} 2", work.search)
            self.assertEqual(root, self.root / "supernet 2")

    def test_each_system_searches_by_its_own_rule(self):
        configs, budgets = {}, {}
        for system in FOUND:
            _, name, configs[system], budgets[system], latency, _ = (
                self.arguments(f"search {system} 1", work.search)
            )
            self.assertEqual(name, f"compare_{system}")
            self.assertEqual(latency, self.root / "latency.jsonl")

        drivers = {name: each.driver for name, each in configs.items()}
        self.assertEqual(
            drivers,
            {
                "AutoFormer": "evolution",
                "BigNAS": "coarse_to_fine",
                "HAT": "evolution",
            },
        )
        hat = configs["HAT"]
        self.assertEqual(
            (hat.population, hat.parents, hat.generations), (125, 25, 30)
        )
        self.assertEqual((hat.crossovers, hat.mutations), (50, 50))
        self.assertEqual(budgets["AutoFormer"], BUDGET)
        self.assertEqual(budgets["BigNAS"], BUDGET)
        # The latency of AutoFormer's subnet of the same seed.
        self.assertEqual(
            budgets["HAT"], {"latency_ms": constraint.Range(None, 0.51)}
        )

    def test_every_subnet_is_trained_from_scratch_by_the_labels(self):
        for system, (subnet, _) in FOUND.items():
            _, experiment, subnets, *_ = self.arguments(
                f"retrained_{system}_2", work.train
            )
            self.assertEqual(experiment.architecture, subnet)
            self.assertEqual(subnets, (subnet,))
            self.assertEqual(experiment.training.method, "autoformer")
            self.assertEqual(experiment.training.seed, 2)

    def test_the_table(self):
        values = json.loads((self.study.folder / "comparison.json").read_text())
        row = {each["system"]: each for each in values["rows"]}["BigNAS"]

        self.assertEqual(
            row,
            {
                "system": "BigNAS",
                "inherited_validation": 0.8,
                "inherited_test": 0.8,
                "retrained_validation": 0.9,
                "retrained_test": 0.9,
                "params": cost.params(tiny.DIGITS_MODEL, SPACE.largest),
                "macs": cost.MACS.measure(tiny.DIGITS_MODEL, SPACE.largest),
                "latency_ms": 0.915,
                "candidates": 100,
                "supernet_minutes": 10.0,
                "search_minutes": 2.0,
                "retraining_minutes": 4.0,
            },
        )
        self.assertIn("| HAT | 80.5% | 81.2% |", "\n".join(self.lines))
        self.assertTrue((self.study.folder / "comparison.png").exists())

    def test_it_needs_a_budget_latencies_and_uniform_supernets(self):
        bignas = fakes.group(self.root, "bignas", method="bignas")
        latency = self.root / "latency.jsonl"
        for study, file, message in (
            (fakes.make(self.root, answer), latency, "max_params is not given"),
            (self.study, None, "latency is not given"),
            (
                fakes.make(self.root, answer, [bignas], **BUDGET),
                latency,
                "has the method bignas",
            ),
        ):
            with (
                self.subTest(message),
                self.assertRaisesRegex(errors.InputError, message),
            ):
                comparison.run(study, file)


if __name__ == "__main__":
    absltest.main()
